//! Filters look at a message's text and report what matches.
//!
//! Owns: folding text, word lists, spans and masks.
//! Leaves alone: what a match leads to (`policy`) and where word lists come from (`reload`).
//! No IO, no clock.
//!
//! The folders are the stations of a text. It is folded in one pass to a stream of symbols
//! (`text`). The entries of the lists, which went the same way (`entries`), are sought in it by an
//! automaton, and each candidate is checked against its neighbours (`search`). What an allowed
//! phrase covers is spared, and the leftmost and longest are reported with their place in the
//! original (`result`). Every step is linear in the text.
//!
//! Order, downward: `identity`, `inspect`, `inside`, `compiled`, `find`, `group`, `entries`, `search`, `result`, `text`,
//! `list`, `entry_table`, `options`, `budget`.

mod budget;
mod compiled;
mod entries;
mod entry_table;
mod find;
mod group;
mod identity;
mod inside;
mod inspect;
mod list;
mod options;
mod result;
mod search;
mod text;

pub use self::budget::{Budget, REGEX_STEPS_MAX, STEPS_MAX, STEPS_PER_BYTE, Spent};
pub use self::compiled::{ENTRIES_MAX, Filter, ListSet, Scratch};
pub use self::entry_table::{Entry, EntryRef, EntryTable};
pub use self::identity::{Identities, Identity};
pub use self::inside::Index;
pub use self::inspect::{FoldedList, Inside};
pub use self::list::{
    CompileError, ENTRY_CHARS_MAX, EntryId, ListId, ListSpec, Match, Role, Spared,
};
pub use self::options::{
    AllowMode, Choice, Combo, Confusables, Disguised, Locale, Marks, Mask, MaskBy, Mode, OPTIONS,
    OptionDef, Options, Pinyin, SkipClasses, Slot, Urls, WholeWord,
};
pub use self::result::{Evasion, mask, mask_within};
pub use self::search::is_pattern;
pub use self::text::Variants;
