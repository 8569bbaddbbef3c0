//! Where entries stand in folded text: candidates, and what must hold around and inside of them.
//!
//! Order, downward: `patterns`, `gate`, `walk`, `expression`, `contact`, `address`, `folded`, `signs`,
//! `selfmask`, `matcher`, `stretch`, `seen`, `prefix`, `word`, `automaton`, `beginnings`.

mod address;
mod automaton;
mod beginnings;
mod contact;
mod expression;
mod folded;
mod gate;
mod matcher;
mod patterns;
mod prefix;
mod seen;
mod selfmask;
mod signs;
mod stretch;
mod walk;
mod word;

pub(super) use self::automaton::PATTERNS_MAX;
pub(super) use self::contact::find_urls;
pub(super) use self::matcher::{Draft, Matcher};
pub(super) use self::patterns::Patterns;
pub use self::patterns::is_pattern;
pub(super) use self::seen::Seen;
pub(super) use self::selfmask::Selfmask;
pub(super) use self::signs::{Signs, is_sign};
pub(super) use self::word::{
    Candidate, Ends, EntryOf, JOINT, Limits, PART, SYLLABLE, Word, of_form,
};
