//! The options of one list.

use std::collections::BTreeMap;

use super::values::{
    AllowMode, Combo, Confusables, Locale, Marks, Mask, Mode, Pinyin, SkipClasses, Urls, WholeWord,
};

/// How one list reads text. [`Options::default`] holds the documented defaults; what each option
/// is called and does says [`super::OPTIONS`].
///
/// Some of them fold the text and the entries by the same function; lists that agree in these
/// share one pass over the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Upper and lower case are equal.
    pub case: bool,
    /// Whose rules of upper and lower case count.
    pub locale: Locale,
    /// Full-width and half-width forms are equal, and every blank is a space.
    pub width: bool,
    /// Decorated letters and digits are plain ones: `ⓑ`, `𝐛`, `🅱`, `⒈`, `㎏`.
    pub style: bool,
    /// Traditional Chinese characters are their simplified ones.
    pub trad: bool,
    /// Characters that nobody sees are not there.
    pub invisible: bool,
    /// The formatting codes of IRC and Minecraft are not there.
    pub codes: bool,
    /// Katakana are hiragana.
    pub kana: bool,
    /// Arabic letters with a hamza are those without, and teh marbuta is heh.
    pub hamza: bool,
    pub marks: Marks,
    /// Cyrillic and Greek letters that look Latin are Latin.
    pub confusables: Confusables,
    /// Chinese numerals are digits, in the entries too.
    pub num_style: bool,
    /// Digits and signs may stand for letters: `b4dword`.
    pub leet: bool,
    /// This many equal characters or more may stand for fewer; 0 is never. A word with such
    /// characters is one match, as wide as it gets.
    pub repeat: u32,
    /// What may stand between two characters of an entry.
    pub skip: SkipClasses,
    /// Skipped characters in one gap, at most.
    pub max_gap: u32,
    pub whole_word: WholeWord,
    /// Arabic and Hebrew prefixes of one letter and the article may stand before a word.
    pub prefixes: bool,
    /// Whether words are sought in URLs.
    pub urls: Urls,
    pub pinyin: Pinyin,
    /// Han characters of the same sound are equal.
    pub homophone: bool,
    /// A Han character may be written as its parts.
    pub split: bool,
    /// One character that stands for one to four others.
    pub aliases: BTreeMap<String, String>,
    /// Inner letters may be hidden by signs: `b*dword`.
    pub selfmask: bool,
    /// Text in a right-to-left override is read in reverse too.
    pub bidi: bool,
    /// Words that are matches only where they stand together.
    pub combos: Vec<Combo>,
    pub mode: Mode,
    pub allow_mode: AllowMode,
    pub mask: Mask,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            case: true,
            locale: Locale::None,
            width: true,
            style: true,
            trad: true,
            invisible: true,
            codes: false,
            kana: false,
            hamza: true,
            marks: Marks::On,
            confusables: Confusables::Auto,
            num_style: false,
            leet: false,
            repeat: 0,
            skip: SkipClasses::NONE,
            max_gap: 6,
            whole_word: WholeWord::Alnum,
            prefixes: false,
            urls: Urls::Match,
            pinyin: Pinyin::None,
            homophone: false,
            split: false,
            aliases: BTreeMap::new(),
            selfmask: false,
            bidi: false,
            combos: Vec::new(),
            mode: Mode::Longest,
            allow_mode: AllowMode::Contain,
            mask: Mask::default(),
        }
    }
}
