//! What one character is folded to, apart from its neighbours.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

use callgate::filter::{Confusables, Locale, Marks, Options};

use super::character::{is_digit, is_letter, is_mark, is_word_letter, sign_script};
use crate::cases::Words;

/// Decorated letters that Unicode does not map to plain ones: runs from `A` to `Z`.
const LETTERS: [char; 4] = ['🄰', '🅐', '🅰', '🇦'];
/// Decorated numbers that it does not map: the first, its value, how many follow.
const NUMBERS: [(char, u32, u32); 8] = [
    ('❶', 1, 10),
    ('➀', 1, 10),
    ('➊', 1, 10),
    ('⓫', 11, 10),
    ('⓵', 1, 10),
    ('⓿', 0, 1),
    ('🄋', 0, 1),
    ('🄌', 0, 1),
];
/// Small capitals and the like, each before what it stands for.
const SINGLES: &str = "ȷj ɑa ɡg ɢg ɪi ɴn ʀr ʏy ʙb ʜh ʟl ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw \
    ᴢz ꜰf ꜱs ꞯq 🆎AB 🆑CL 🆒COOL 🆓FREE 🆔ID 🆕NEW 🆖NG 🆗OK 🆘SOS 🆙UP 🆚VS";

const STROKED: &str = "đd ɖd ĐD łl ŁL øo ØO ħh ĦH ŧt ŦT ƀb ɨi";

const NUMERALS: &str = "〇0 零0 一1 壹1 二2 贰2 貳2 三3 叁3 參3 四4 肆4 五5 伍5 六6 陆6 陸6 七7 \
    柒7 八8 捌8 九9 玖9";

/// The Latin letter that another looks like.
#[derive(Clone, Copy, Debug)]
pub struct Lookalike {
    pub latin: char,
    /// Whether nobody can tell them apart, so that a text with it may be a Latin one.
    pub close: bool,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Foreign,
    Fancy,
    Dotless,
}

/// A folded character; the look-alike is settled when its neighbours are known.
#[derive(Clone, Debug)]
pub struct Piece {
    pub c: char,
    pub looks: Option<Lookalike>,
}

/// Folds characters one by one under one set of options.
pub struct CodePoints {
    options: Options,
    aliases: BTreeMap<char, Vec<char>>,
}

impl CodePoints {
    pub fn new(options: &Options) -> CodePoints {
        let mut points = CodePoints {
            options: options.clone(),
            aliases: BTreeMap::new(),
        };
        let fold = |text: &str| -> Vec<char> {
            let pieces = text.chars().flat_map(|c| points.fold(c));
            pieces.map(|piece| piece.c).collect()
        };
        let aliases = options.aliases.iter();
        points.aliases = aliases
            .map(|(from, to)| (fold(from)[0], fold(to)))
            .collect();
        points
    }

    /// The folded characters of one that is neither dropped nor joined to the one before.
    pub fn fold(&self, c: char) -> Vec<Piece> {
        let c = canonical(c);
        let parts: Vec<char> = [c].into_iter().nfd().collect();
        let composed = match c.script() {
            Script::Arabic => !matches!(c, '\u{FB00}'..),
            Script::Hiragana | Script::Katakana | Script::Hangul => true,
            // These lose their accents, or keep them as they are.
            _ => is_letter(c) && !is_word_letter(c),
        };
        if parts[0] != c && !composed {
            let parts = parts.into_iter().filter(|part| self.keeps(*part));
            return parts.flat_map(|part| self.fold_plain(part)).collect();
        }
        if self.options.width && (is_wide(c) || is_blank(c)) {
            return self.fold_plain(narrow(c));
        }
        if self.options.style && !is_wide(c) {
            let pieces = styled(c).into_iter();
            return pieces.flat_map(|c| self.fold_plain(c)).collect();
        }
        self.fold_plain(c)
    }

    /// A mark of a character that is made of several is kept.
    fn keeps(&self, part: char) -> bool {
        !is_mark(part)
            || match self.options.marks {
                Marks::Off => true,
                Marks::Zalgo => sign_script(part).is_some(),
                Marks::On => sign_script(part).is_some() && !is_nukta(part),
            }
    }

    fn fold_plain(&self, shown: char) -> Vec<Piece> {
        let shown = match shown {
            'I' if self.is_turkish() => 'ı',
            'İ' if self.is_turkish() => 'i',
            _ => shown,
        };
        let bare = match self.options.marks {
            Marks::On => without_accent(shown),
            Marks::Zalgo | Marks::Off => shown,
        };
        let bare = self.arabic(bare);
        let spelled = match bare {
            'ß' | 'ẞ' if self.options.case => "ss",
            'և' if self.options.case => "եւ",
            'œ' if self.options.style => "oe",
            'Œ' if self.options.style => "OE",
            'æ' if self.options.style => "ae",
            'Æ' if self.options.style => "AE",
            'ǽ' if self.options.style => "aé",
            _ => "",
        };
        if !spelled.is_empty() {
            return spelled.chars().flat_map(|c| self.fold_plain(c)).collect();
        }
        if self.is_jamo(bare) {
            return vec![Piece {
                c: bare,
                looks: None,
            }];
        }
        let mut c = self.lower(bare);
        if self.options.trad {
            c = *SIMPLIFIED.get(&c).unwrap_or(&c);
        }
        if self.options.kana && matches!(c, 'ァ'..='ヶ' | 'ヽ' | 'ヾ') {
            c = char::from_u32(u32::from(c) - 0x60).expect("a hiragana");
        }
        if self.options.num_style {
            c = pair(NUMERALS, c).unwrap_or(c);
        }
        if let Some(alias) = self.aliases.get(&c) {
            let pieces = alias.iter().map(|c| Piece { c: *c, looks: None });
            return pieces.collect();
        }
        let turkish = bare == 'ı' && self.options.locale == Locale::Tr;
        let looks = LOOKALIKES
            .get(&bare)
            .filter(|_| !turkish && self.options.confusables != Confusables::Off);
        let looks = looks.map(|looks| Lookalike {
            latin: self.lower(looks.latin),
            ..*looks
        });
        vec![Piece { c, looks }]
    }

    /// A letter of a Korean keyboard, which joins others.
    pub fn is_jamo(&self, c: char) -> bool {
        self.options.style && matches!(c, '\u{3131}'..='\u{3163}')
    }

    fn is_turkish(&self) -> bool {
        self.options.case && self.options.locale == Locale::Tr
    }

    fn arabic(&self, c: char) -> char {
        let of = |pairs: &str| pair(pairs, c);
        let hamza = of("أا إا آا ٱا ٲا ٳا ؤو ئي ةه ۃه ۀه ۂه ۓے").filter(|_| self.options.hamza);
        let form = of("كك کك ڪك یي ىي ہه ھه ەه ۀه ۂه").filter(|_| self.options.style);
        hamza.or(form).unwrap_or(c)
    }

    fn lower(&self, c: char) -> char {
        match c {
            _ if !self.options.case => c,
            'ς' => 'σ',
            _ => c
                .to_lowercase()
                .next()
                .expect("every character has a lower case"),
        }
    }
}

/// The one character that Unicode says is the same.
pub fn canonical(c: char) -> char {
    let same: Vec<char> = [c].into_iter().nfc().collect();
    match same[..] {
        [same] if c >= '\u{340}' => same,
        _ => c,
    }
}

pub fn is_nukta(c: char) -> bool {
    unicode_normalization::char::canonical_combining_class(c) == 7 && c != '\u{1037}'
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{FF01}'..='\u{FFEF}')
}

fn is_blank(c: char) -> bool {
    c == '\t' || !c.is_ascii() && c.general_category() == GeneralCategory::SpaceSeparator
}

/// The character of usual width; Hangul letters that stand alone are no parts of syllables.
fn narrow(c: char) -> char {
    if is_blank(c) {
        return ' ';
    }
    let plain: Vec<char> = [c].into_iter().nfkc().collect();
    match (c, &plain[..]) {
        ('\u{FFA1}'..='\u{FFDC}', _) => {
            // A full-width letter of the block at U+3131 is what it was narrowed from.
            let whole = ('\u{3131}'..='\u{3163}')
                .find(|letter| [*letter].into_iter().nfkc().eq(plain.iter().copied()));
            whole.unwrap_or(c)
        }
        (_, [plain]) => *plain,
        _ => c,
    }
}

/// What a decorated character stands for, or itself.
fn styled(c: char) -> Vec<char> {
    if c.is_ascii() || matches!(c, '\u{3131}'..='\u{318E}') {
        // Hangul letters stand alone in chats; they are no parts of syllables.
        return vec![c];
    }
    let mut singles = SINGLES.split_whitespace();
    if let Some(plain) = singles.find_map(|single| single.strip_prefix(c)) {
        return plain.chars().collect();
    }
    for first in LETTERS {
        let nth = u32::from(c).wrapping_sub(u32::from(first));
        if nth < 26 {
            return vec![char::from_u32(u32::from('A') + nth).expect("a letter")];
        }
    }
    for (first, value, count) in NUMBERS {
        let nth = u32::from(c).wrapping_sub(u32::from(first));
        if nth < count {
            return (value + nth).to_string().chars().collect();
        }
    }
    if is_digit(c) {
        // Ten digits stand in a row, zero first, and a row begins at a multiple of ten from
        // the first digit before it that has none before it.
        let mut first = u32::from(c);
        while char::from_u32(first - 1).is_some_and(is_digit) {
            first -= 1;
        }
        let value = (u32::from(c) - first) % 10;
        return vec![char::from_digit(value, 10).expect("below ten")];
    }
    let plain: Vec<char> = [c].into_iter().nfkc().collect();
    if let [plain] = plain[..] {
        return vec![plain];
    }
    let brackets = ['(', ')', '.', ',', '〔', '〕'];
    let bare: Vec<char> = plain
        .into_iter()
        .filter(|c| !brackets.contains(c))
        .collect();
    if (1..=4).contains(&bare.len()) && bare.iter().all(|c| c.is_alphanumeric()) {
        bare
    } else {
        vec![c]
    }
}

fn without_accent(c: char) -> char {
    if let Some(plain) = pair(STROKED, c) {
        return plain;
    }
    if is_letter(c) && !is_word_letter(c) {
        let bare = [c].into_iter().nfd().next();
        let bare = bare.expect("a character is something");
        return pair(STROKED, bare).unwrap_or(bare);
    }
    c
}

/// What stands behind a character in a text of pairs.
fn pair(pairs: &str, c: char) -> Option<char> {
    pairs
        .split_whitespace()
        .find_map(|pair| pair.strip_prefix(c)?.chars().next())
}

/// OpenCC's table: the first choice, one character to one.
static SIMPLIFIED: LazyLock<BTreeMap<char, char>> = LazyLock::new(|| {
    let only = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    };
    let table = fs::read_to_string("tests/fixtures/filter/data/TSCharacters.txt").unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (from, to) = line.split_once('\t')?;
            Some((only(from)?, only(to.split(' ').next()?)?))
        })
        .collect()
});

/// Which letters look Latin is curated, not derived: the filter is asked.
static LOOKALIKES: LazyLock<BTreeMap<char, Lookalike>> = LazyLock::new(|| {
    let plain = |confusables| {
        let options = Options {
            case: false,
            width: false,
            marks: Marks::Off,
            style: false,
            confusables,
            ..Options::default()
        };
        Words::new(&["-".to_owned()], &[], &options).unwrap()
    };
    let (always, auto) = (plain(Confusables::Always), plain(Confusables::Auto));
    let letters = ('\u{80}'..=char::MAX).filter(|c| is_letter(*c) && c.is_alphabetic());
    letters
        .filter_map(|letter| {
            let latin = always.folded(&letter.to_string()).chars().next()?;
            let close = auto.folded(&letter.to_string()).starts_with(latin);
            let kind = match letter.script() {
                _ if letter == 'ı' => Kind::Dotless,
                Script::Latin => Kind::Fancy,
                _ => Kind::Foreign,
            };
            let looks = Lookalike { latin, close, kind };
            latin.is_ascii_alphabetic().then_some((letter, looks))
        })
        .collect()
});
