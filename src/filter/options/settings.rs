//! What a word list may switch on and off, and how its matches are masked.

use std::collections::BTreeMap;

/// How one list reads text. [`Options::default`] holds the documented defaults.
///
/// Options from `case` to `aliases` fold the text and the entries by the same function; lists
/// that agree in them share one pass over the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Upper and lower case are equal.
    pub case: bool,
    /// Full-width and half-width forms are equal, and every blank is a space.
    pub width: bool,
    /// Decorated letters and digits are plain ones: `ⓑ`, `𝐛`, `🅱`, `⒈`, `㎏`.
    pub style: bool,
    /// Traditional Chinese characters are their simplified ones.
    pub trad: bool,
    /// Characters that nobody sees are not there.
    pub invisible: bool,
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
            width: true,
            style: true,
            trad: true,
            invisible: true,
            marks: Marks::On,
            confusables: Confusables::Auto,
            num_style: false,
            leet: false,
            repeat: 0,
            skip: SkipClasses::NONE,
            max_gap: 6,
            whole_word: WholeWord::Alnum,
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

impl Options {
    /// These options with defaults for all that a fold table does not depend on; lists that agree
    /// in them share a table and an automaton.
    pub(in crate::filter) fn folding(&self) -> Options {
        Options {
            case: self.case,
            width: self.width,
            style: self.style,
            trad: self.trad,
            invisible: self.invisible,
            marks: self.marks,
            confusables: self.confusables,
            num_style: self.num_style,
            aliases: self.aliases.clone(),
            ..Options::default()
        }
    }
}

/// What happens to combining marks and accents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Marks {
    /// Marks are dropped, and Latin, Greek and Cyrillic letters lose their accents.
    #[default]
    On,
    /// Marks that make a letter stay, all others are dropped: `café` is not `cafe`.
    Zalgo,
    /// Marks count as characters.
    Off,
}

/// When letters that look Latin are read as Latin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Confusables {
    Off,
    /// When the run of letters holds a Latin letter too, or when the text has no letter of that
    /// script that looks otherwise.
    #[default]
    Auto,
    Always,
}

/// What must not stand beside an entry that begins or ends with a letter or a digit.
///
/// Letters are Latin, Greek and Cyrillic ones: Han, kana, Hangul and `_` are boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WholeWord {
    /// Neither a letter nor a digit.
    #[default]
    Alnum,
    /// No letter.
    Alpha,
    /// Entries match inside words.
    Off,
}

/// How a Han character may be typed in Latin letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pinyin {
    #[default]
    None,
    /// As its pinyin without tones.
    Full,
    /// As its pinyin or the first letter of it.
    Initials,
}

/// Words that are matches only where they stand together, in any order: `刷单` and `日结`.
///
/// Each of its words is a match of its own, with the combination's `id` as its tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Combo {
    pub id: String,
    /// Two words at least, read with the options of the list.
    pub all: Vec<String>,
    /// Characters of the text from the start of the first word to the end of the last, at most;
    /// `None` is the whole text.
    pub window: Option<u32>,
    /// Words that make it harmless where they stand in the same window.
    pub none: Vec<String>,
}

/// Which of the matches that overlap are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The leftmost, then the longest, then the earliest in the list; none overlap.
    #[default]
    Longest,
    /// Every one; where a list has very many in one text, the longest from each start.
    All,
}

/// Which matches an allowed phrase spares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AllowMode {
    /// Those inside one occurrence of the phrase.
    #[default]
    Contain,
    /// Those that touch one.
    Overlap,
}

/// Classes of characters, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SkipClasses(u8);

impl SkipClasses {
    pub const NONE: SkipClasses = SkipClasses(0);
    pub const SPACE: SkipClasses = SkipClasses(1);
    pub const PUNCT: SkipClasses = SkipClasses(1 << 1);
    /// Signs and emoji.
    pub const SYMBOL: SkipClasses = SkipClasses(1 << 2);
    /// What ends a sentence: `。！？!?；;｡`.
    pub const STOP: SkipClasses = SkipClasses(1 << 3);
    pub const NEWLINE: SkipClasses = SkipClasses(1 << 4);
    pub const DIGIT: SkipClasses = SkipClasses(1 << 5);
    pub const LATIN: SkipClasses = SkipClasses(1 << 6);

    /// Every class with its name in policies.
    pub const NAMED: [(&'static str, SkipClasses); 7] = [
        ("space", SkipClasses::SPACE),
        ("punct", SkipClasses::PUNCT),
        ("symbol", SkipClasses::SYMBOL),
        ("stop", SkipClasses::STOP),
        ("newline", SkipClasses::NEWLINE),
        ("digit", SkipClasses::DIGIT),
        ("latin", SkipClasses::LATIN),
    ];

    pub fn from_name(name: &str) -> Option<SkipClasses> {
        Self::NAMED
            .into_iter()
            .find_map(|(known, class)| (known == name).then_some(class))
    }

    #[must_use]
    pub fn with(self, other: SkipClasses) -> SkipClasses {
        SkipClasses(self.0 | other.0)
    }

    pub fn contains(self, other: SkipClasses) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How the text under a match is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    pub by: MaskBy,
    pub char: char,
    /// How many times `char` stands there under [`MaskBy::Fixed`].
    pub n: u32,
    /// What stands there under [`MaskBy::Word`].
    pub text: String,
    /// Characters (graphemes under [`MaskBy::Grapheme`]) at the start that stay readable; a
    /// match that would stay readable as a whole is masked as a whole.
    pub keep_first: u32,
    /// The same at the end.
    pub keep_last: u32,
}

impl Default for Mask {
    fn default() -> Mask {
        Mask {
            by: MaskBy::Char,
            char: '*',
            n: 3,
            text: String::new(),
            keep_first: 0,
            keep_last: 0,
        }
    }
}

/// What a mask counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MaskBy {
    /// One `char` for each character.
    #[default]
    Char,
    /// One `char` for what a reader sees as one character.
    Grapheme,
    /// `n` times `char` for the whole match.
    Fixed,
    /// `text` for the whole match.
    Word,
}
