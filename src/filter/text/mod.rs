//! From a text to symbols in which equal means "the same to a reader", and the views of them.
//!
//! Order, downward: `bidi`, `view`, `leet`, `variants`, `sound`, `fold`, `code_point`, `style`,
//! `lookalike`, `character`.

mod bidi;
mod character;
mod code_point;
mod fold;
pub(super) mod leet;
mod lookalike;
pub(super) mod sound;
mod style;
mod variants;
mod view;

pub(super) use self::bidi::{as_shown, is_overridden};
pub(super) use self::character::{Script, digit, is_invisible, is_mark, is_trailing, script};
pub(super) use self::code_point::is_numeral;
pub(super) use self::fold::{
    DIGIT, FoldTable, LETTER, MORE, Noise, REGIONAL, SYMBOL, Stream, is_blank, is_sign,
};
pub(super) use self::sound::Sounds;
pub(super) use self::style::plain;
pub use self::variants::Variants;
pub(super) use self::view::{Lens, Runs, View, longest_run};
