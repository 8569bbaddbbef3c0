//! A policy: from the files' content to a snapshot, and from a snapshot to decisions.
//!
//! Owns: what the files say and what is wrong with them, which rules hold for an event, what
//! matches and answers lead to.
//! Leaves alone: reading files and noticing edits (`reload`), finding words (`filter`), asking
//! endpoints (`callback`).
//! No IO, no clock.
//!
//! Read `compile.rs` for the way in, `screen.rs` and `conclude.rs` for the way out.

mod compile;
mod conclude;
mod document;
mod everyday;
mod explain;
mod import;
mod layers;
mod lint;
mod lists;
mod openim_config;
mod problem;
mod reader;
mod review;
mod screen;
mod snapshot;
mod sources;
mod spec;
#[cfg(test)]
mod tests;
mod url_prefix;
mod word_lists;
mod wordlist_import;

pub use compile::{Compiled, Surroundings, compile};
pub use everyday::{everyday_messages, messages_of};
pub use explain::{ExplainedMatch, ExplainedText, Explanation, Forward};
pub use import::import_openim;
pub use lint::lint;
pub use problem::{Problem, Severity};
pub use screen::{Found, Screening};
pub use snapshot::{
    BreakerSettings, Endpoint, EventFormat, EventSettings, FailureActions, HookRules, ListRules,
    Secret, SecretSource, SignSettings, Snapshot, TypeSet, Version,
};
pub use sources::FileSet;
pub use url_prefix::UrlPrefix;
pub use word_lists::WordList;
pub use wordlist_import::{
    Dropped, ImportedWords, Reason as DropReason, WordFormat, WordImport, import_words,
};
/// Reading settings with places, for the engine's own file too.
pub mod settings {
    pub use super::document::{Map, Node, Value, parse};
    pub use super::layers::{Layer, from_environment, merge, without_nulls};
    pub use super::problem::{At, Problems};
    pub use super::reader::{Field, Item, Section};
}

/// Every setting of policy.yaml with its default and its explanation.
pub const DEFAULTS: &str = include_str!("../defaults/policy.yaml");

/// The one file that a policy must have.
const POLICY_FILE: &str = "policy.yaml";
