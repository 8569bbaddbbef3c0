//! From a text to symbols in which equal means "the same to a reader", and the views of them.
//!
//! Order, downward: `bidi`, `view`, `leet`, `variants`, `sound`, `fold`, `jamo`, `flag`,
//! `fold_tables`, `fold_table`, `symbol`, `stream`, `code_point`, `folding`, `style`, `lookalike`,
//! `character`.

mod bidi;
mod character;
mod code_point;
mod flag;
mod fold;
mod fold_table;
mod fold_tables;
mod folding;
mod jamo;
pub(super) mod leet;
mod lookalike;
pub(super) mod sound;
mod stream;
mod style;
mod symbol;
mod variants;
mod view;

pub(super) use self::bidi::{as_shown, is_overridden};
pub(super) use self::character::{
    Script, digit, is_invisible, is_letter_mark, is_mark, is_other_sign, is_trailing,
    is_word_letter, script,
};
pub(super) use self::code_point::is_numeral;
pub(super) use self::flag::written as flag_written;
pub(super) use self::fold_table::FoldTable;
pub(super) use self::fold_tables::FoldTables;
pub(super) use self::sound::Sounds;
pub(super) use self::stream::{
    DIGIT, FOREIGN, KIND_SHIFT, LETTER, MORE, PARTED, REGIONAL, SYMBOL, Stream, WORD,
};
pub(super) use self::style::plain;
pub(super) use self::symbol::{Noise, are_letters, is_blank, is_sign, is_space, is_unspaced};
pub use self::variants::Variants;
pub(super) use self::view::{Lens, Runs, View, longest_run};
