//! The policies in force: reads the files, compiles them, swaps the snapshot, watches for edits.
//!
//! Owns: which snapshot is current, its number, what is wrong with a rejected edit, and that
//! everything which follows the policy is told of a new one, whoever asked for it.
//! Leaves alone: what the files mean (`policy`).
//!
//! A reader takes the current snapshot without a lock and keeps it for one whole message. An
//! edit comes into force whole or not at all, but for word lists: one that has errors keeps its
//! last good content, and holds up nothing else. A bad edit changes nothing but a metric, a log
//! line and the status.
//!
//! Where several replicas share the policy (`share`), an edit is agreed on with them before it is in
//! force anywhere, and the directory is a mirror of what they agreed on.
//!
//! Order, downward: `watch`, `writers`, `settling`, `agree`, `policies`, `desk`, `start`,
//! `attempt`, `weighing`, `doubts`, `cut`, `history`, `mirror`, `ledger`,
//! `files`.

mod agree;
mod attempt;
mod cut;
mod desk;
mod doubts;
mod files;
mod history;
mod ledger;
pub mod mirror;
mod policies;
mod settling;
mod start;
mod watch;
mod weighing;
mod writers;

pub use agree::{NotReplaced, to_share};
pub use desk::Desk;
pub(crate) use files::Fingerprint;
pub use files::read_files;
pub use history::{EngineEdit, Held, Loaded, Rejected};
pub use ledger::{Contents, Draft, Given, Ledger, NotShared, SharedState};
pub use policies::{Budget, Policies, Reloaded};
pub use start::{BadPolicy, Start};
pub use watch::watch;
