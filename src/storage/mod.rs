//! A copy of all that is kept, made while callgate runs, and the way back; and the way of the outbox from
//! one place to another.
//!
//! Owns: what a backup is (a folder of files with a manifest), who has the data directory, the order
//! in which both sides of a move are marked.
//! Leaves alone: what the files mean, which their own modules know.
//!
//! A backup appears whole or not at all: it is made in a folder beside, and renamed. A restore is
//! prepared beside what is there, and one small file (`restore.json`) says that it is to be done:
//! from then on whoever comes next ends it, and before then nothing has changed.
//!
//! Order, downward: `backups`, `backup`, `restore`, `relocate`, `moves`, `manifest`, `copying`, `entered`, `places`,
//! `error`.

mod backup;
mod backups;
mod copying;
mod entered;
mod error;
mod manifest;
mod moves;
mod places;
mod relocate;
mod restore;
#[cfg(test)]
mod tests;

pub use backup::backup;
pub use backups::{Backups, State};
pub use entered::{Entered, enter, enter_alone};
pub use error::StorageError;
pub use manifest::Manifest;
pub use moves::{end as end_restore, is_half_restored};
pub use places::Places;
pub use relocate::{Plan, Relocated, abandon, plan, relocate};
pub use restore::{Restored, restore};
