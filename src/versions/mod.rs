//! Every policy that was in force, with its files: what the last good one starts from, and what an
//! earlier one is brought back by.
//!
//! Owns: the files below `versions` in the data directory, the numbers of versions, how many are
//! kept.
//! Leaves alone: what the files mean (`policy`), and which of them are in force (`reload`).
//!
//! A version is a record (`records/N.json`) that names its files by the SHA-256 of their content,
//! which is kept once (`files/SHA256`). Files are synced before the record that names them, and a
//! record is renamed into place, so that an end of power leaves a version whole or not at all. What
//! holds a secret is kept as its digest alone.
//!
//! A rollback writes an earlier version's files into the policy directory; the files stay the truth,
//! and what comes of them is a new version.
//!
//! Order, downward: `rollback`, `diff`, `keeper`, `store`, `numbers`, `place`, `record`.

mod diff;
mod keeper;
mod numbers;
mod place;
mod record;
mod rollback;
mod store;
#[cfg(test)]
mod tests;

pub use diff::{Change, FileDiff, diff};
pub use keeper::{InForce, Keeper, Named, State};
pub use place::is_in_use;
pub use record::{KeptFile, Origin, Record, sha256};
pub use rollback::{Plan, RollbackError, Step, end, end_broken_off, leave_to_start};
pub use store::{Files, Opened, Settings, Store, VersionError};
