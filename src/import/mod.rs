//! Foreign configuration and word lists, turned into our own.
//!
//! Owns: how other programs write word lists, and what a policy of ours looks like that says
//! what OpenIM's settings said.
//! Leaves alone: what OpenIM's settings mean, which an `include` needs as well (`policy`).
//! No IO, no clock.
//!
//! Order, downward: `openim`, `kept`, `words`.

mod kept;
mod openim;
mod words;

pub use openim::{OpenImImport, import_openim};
pub use words::{
    Dropped, ImportedWords, Reason as DropReason, WordFormat, WordImport, import_words,
};
