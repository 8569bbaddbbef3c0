//! What a word list may switch on and off.
//!
//! Order, downward: `settings`.

mod settings;

pub use self::settings::{
    AllowMode, Combo, Confusables, Marks, Mask, MaskBy, Mode, Options, Pinyin, SkipClasses,
    WholeWord,
};
