//! Where entries stand in folded text: candidates, and what must hold around and inside of them.
//!
//! Order, downward: `patterns`, `contact`, `selfmask`, `matcher`, `stretch`, `seen`, `word`,
//! `automaton`.

mod automaton;
mod contact;
mod matcher;
mod patterns;
mod seen;
mod selfmask;
mod stretch;
mod word;

pub(super) use self::automaton::PATTERNS_MAX;
pub(super) use self::matcher::{Draft, Matcher};
pub(super) use self::patterns::Patterns;
pub use self::patterns::{is_pattern, is_regex};
pub(super) use self::seen::Seen;
pub(super) use self::selfmask::Selfmask;
pub(super) use self::word::{Candidate, Ends, EntryOf, Limits, PART, SYLLABLE, Word};
