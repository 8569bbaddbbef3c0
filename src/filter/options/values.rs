//! What an option's value may be.

/// A value that has a name in policies. From the least to the most: what a value sees through,
/// those behind it see through too.
pub trait Choice: Copy + PartialEq + 'static {
    /// Each value; a value may have several names, of which the first is the usual one.
    const NAMED: &'static [(&'static str, Self)];
}

macro_rules! named {
    ($of:ident: $($name:literal $value:ident),+ $(,)?) => {
        impl Choice for $of {
            const NAMED: &'static [(&'static str, $of)] = &[$(($name, $of::$value)),+];
        }
    };
}

named!(Locale: "none" None, "tr" Tr);
named!(Marks: "off" Off, "false" Off, "zalgo" Zalgo, "on" On, "true" On);
named!(Confusables: "off" Off, "false" Off, "auto" Auto, "always" Always, "true" Always);
named!(WholeWord: "off" Off, "false" Off, "alpha" Alpha, "alnum" Alnum, "true" Alnum, "segment" Segment);
named!(Urls: "match" Match, "skip" Skip);
named!(Pinyin: "none" None, "full" Full, "initials" Initials);
named!(Mode: "longest" Longest, "all" All);
named!(AllowMode: "contain" Contain, "overlap" Overlap);
named!(MaskBy: "char" Char, "grapheme" Grapheme, "fixed" Fixed, "word" Word);

/// Whose rules of upper and lower case count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locale {
    #[default]
    None,
    /// Turkish and Azerbaijani: `I` is the capital of `ı`, and `İ` that of `i`.
    Tr,
}

/// Whether words are sought inside of URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Urls {
    #[default]
    Match,
    /// What a URL holds is left alone, so that a mask breaks no link.
    Skip,
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
/// Letters are those of scripts that write blanks between words: Han, kana, Hangul, Thai and the
/// like, and `_`, are boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WholeWord {
    /// Neither a letter nor a digit.
    #[default]
    Alnum,
    /// No letter.
    Alpha,
    /// Entries match inside words.
    Off,
    /// Neither a letter nor a digit, and Thai, Lao, Khmer and Burmese entries begin and end where a
    /// segmenter knows of the end of a word.
    Segment,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    pub const NAMED: &'static [(&'static str, SkipClasses)] = &[
        ("space", SkipClasses::SPACE),
        ("punct", SkipClasses::PUNCT),
        ("symbol", SkipClasses::SYMBOL),
        ("stop", SkipClasses::STOP),
        ("newline", SkipClasses::NEWLINE),
        ("digit", SkipClasses::DIGIT),
        ("latin", SkipClasses::LATIN),
    ];

    pub fn from_name(name: &str) -> Option<SkipClasses> {
        let known = Self::NAMED.iter().find(|(known, _)| *known == name);
        known.map(|(_, class)| *class)
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
