//! What a word list may switch on and off: each option is defined once, in `table`.
//!
//! Order, downward: `table`, `settings`, `values`.

mod settings;
mod table;
mod values;

pub use self::settings::Options;
pub use self::table::{Disguised, OPTIONS, OptionDef, Slot};
pub use self::values::{
    AllowMode, Choice, Combo, Confusables, Locale, Marks, Mask, MaskBy, Mode, Pinyin, SkipClasses,
    Urls, WholeWord,
};
