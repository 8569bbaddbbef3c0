//! What one code point is folded to, under one set of options.
//!
//! The steps, in this order: invisible characters go; marks go or join; width; style; accents;
//! case; simplified Chinese; numerals; aliases. What a lookalike is depends on its neighbours
//! and is left open.

use std::collections::BTreeMap;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfd_quick};

use super::character;
use super::folding::Folding;
use super::lookalike::{Kind, Lookalike, lookalikes};
use super::style;
use crate::filter::options::{Marks, Options};

/// The longest text that an alias stands for.
const ALIAS_CHARS_MAX: usize = 4;

/// Chinese numerals and the digits that they are under `num_style`.
const NUMERALS: &str = "〇0零0一1壹1二2贰2貳2三3叁3參3四4肆4五5伍5六6陆6陸6七7柒7八8捌8九9玖9";

/// What one code point is folded to.
pub(super) enum Folded {
    Drop,
    /// Dropped, but it parts words of scripts that write it so.
    Parting,
    Join {
        mark: char,
        alone: Option<char>,
    },
    /// A mark that is a letter on a letter of its script.
    Sign(char),
    /// Several marks in one character, of which the first is a [`Folded::Sign`].
    Signs(Vec<Piece>),
    /// A Korean letter that joins others to a syllable.
    Jamo(char),
    /// One half of a flag, or a letter.
    Regional(Piece),
    /// The flag of a part of a country begins so.
    BlackFlag(char),
    /// Begins a formatting code.
    Code,
    One(Piece),
    Several(Vec<Piece>),
}

/// One folded character, and the Latin one that it looks like.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub c: char,
    pub latin: Option<Lookalike>,
}

impl Folded {
    fn into_pieces(self) -> Vec<Piece> {
        match self {
            Folded::Drop | Folded::Join { .. } | Folded::Parting | Folded::Code => Vec::new(),
            Folded::Sign(c) | Folded::Jamo(c) | Folded::BlackFlag(c) => {
                vec![Piece { c, latin: None }]
            }
            Folded::One(piece) | Folded::Regional(piece) => vec![piece],
            Folded::Several(pieces) | Folded::Signs(pieces) => pieces,
        }
    }
}

/// What characters are under some options, whatever the others: read once for all tables.
pub(super) struct Tables {
    simplified: BTreeMap<char, char>,
    numerals: BTreeMap<char, char>,
    lookalikes: BTreeMap<char, Lookalike>,
}

impl Tables {
    pub(super) fn read() -> Tables {
        let data = include_str!("data/traditional.txt").lines();
        let data = data.filter(|line| !line.starts_with('#'));
        Tables {
            simplified: data.flat_map(pairs).collect(),
            numerals: pairs(NUMERALS).collect(),
            lookalikes: lookalikes().collect(),
        }
    }

    /// The Han characters that are not folded to themselves under some options.
    pub(super) fn han(&self) -> impl Iterator<Item = char> {
        self.simplified.keys().chain(self.numerals.keys()).copied()
    }
}

/// Folds one code point after the other while a table is built.
pub(super) struct Folder<'a> {
    pub(super) options: Folding,
    tables: &'a Tables,
    aliases: BTreeMap<char, Vec<char>>,
}

impl<'a> Folder<'a> {
    /// Folds by these options, but for their aliases.
    pub(super) fn without_aliases(options: &Options, tables: &'a Tables) -> Folder<'a> {
        Folder {
            options: Folding::of(options),
            tables,
            aliases: BTreeMap::new(),
        }
    }

    /// Folds by these options. Errors: every alias that cannot be one, in words.
    pub(super) fn new(options: &Options, tables: &'a Tables) -> Result<Folder<'a>, Vec<String>> {
        let mut folder = Folder::without_aliases(options, tables);
        folder.aliases = folder.read_aliases(&options.aliases)?;
        Ok(folder)
    }

    /// What aliases stand for other characters.
    pub(super) fn aliased(&self) -> impl Iterator<Item = char> {
        self.aliases.keys().copied()
    }

    pub(super) fn fold(&self, c: char) -> Folded {
        let options = &self.options;
        match c {
            '§' | '\u{3}' | '\u{4}' if options.codes() => return Folded::Code,
            '\u{200C}' if options.invisible() => return Folded::Parting,
            c if character::is_invisible(c) && options.invisible() => return Folded::Drop,
            _ => {}
        }
        let c = canonical(c);
        match c {
            '\u{3099}' | '\u{309A}' => return joining(c, None),
            '\u{FF9E}' | '\u{309B}' if options.width() => return joining('\u{3099}', Some('゛')),
            '\u{FF9F}' | '\u{309C}' if options.width() => return joining('\u{309A}', Some('゜')),
            // The second and third letter of a Hangul syllable.
            '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}' => return joining(c, Some(c)),
            _ => {}
        }
        if character::is_mark(c) {
            return self.fold_mark(c);
        }
        if let Some(mut parts) = marked(c) {
            let all = parts.clone().flat_map(|c| self.fold_part(c)).collect();
            let light = parts.next().is_some_and(is_light_sign);
            return match light && options.marks() != Marks::Off {
                true => Folded::Signs(all),
                false => Folded::Several(all),
            };
        }
        let wide = matches!(c, '\u{FF01}'..='\u{FFEF}');
        let blank = c.is_whitespace() && !c.is_ascii() || c == '\t';
        if (wide || blank) && options.width() {
            return self.fold_shown(narrow(c));
        }
        if character::is_regional(c) {
            let plain = style::plain(c).filter(|_| options.style());
            let plain = plain.and_then(|plain| plain.chars().next()).unwrap_or(c);
            let pieces = self.fold_shown(plain).into_pieces();
            return match pieces[..] {
                [piece] => Folded::Regional(piece),
                _ => Folded::Several(pieces),
            };
        }
        if c == '\u{1F3F4}' {
            return Folded::BlackFlag(c);
        }
        match style::plain(c) {
            Some(plain) if !wide && options.style() => Folded::Several(
                plain
                    .chars()
                    .flat_map(|c| self.fold_shown(c).into_pieces())
                    .collect(),
            ),
            _ => self.fold_shown(c),
        }
    }

    fn fold_mark(&self, c: char) -> Folded {
        match self.options.marks() {
            Marks::Off => joining(c, Some(c)),
            Marks::On if character::is_nukta(c) => Folded::Drop,
            _ if character::is_sign_mark(c) => Folded::Sign(c),
            // A hamza or a madda makes a letter with the one below it.
            Marks::On if matches!(c, '\u{653}'..='\u{655}') => joining(c, None),
            Marks::On => Folded::Drop,
            Marks::Zalgo => joining(c, None),
        }
    }

    /// Folds one of the characters that another is made of.
    fn fold_part(&self, c: char) -> Vec<Piece> {
        if !character::is_mark(c) {
            return self.fold_shown(c).into_pieces();
        }
        match self.fold_mark(c) {
            Folded::Sign(c) | Folded::Join { alone: Some(c), .. } => {
                vec![Piece { c, latin: None }]
            }
            _ => Vec::new(),
        }
    }

    /// Folds a character of usual width and style.
    fn fold_shown(&self, c: char) -> Folded {
        let options = &self.options;
        let c = match c {
            'I' if options.turkish() && options.case() => 'ı',
            'İ' if options.turkish() && options.case() => 'i',
            _ => c,
        };
        let plain = without_accent(c);
        let bare = match plain != c && options.marks() == Marks::On {
            true => plain,
            false => c,
        };
        let bare = self.without_hamza(bare);
        if let Some(letters) = self.spelled_out(bare) {
            let pieces = letters
                .chars()
                .flat_map(|c| self.fold_shown(c).into_pieces());
            return Folded::Several(pieces.collect());
        }
        if matches!(bare, '\u{3131}'..='\u{3163}') && options.style() {
            return Folded::Jamo(bare);
        }
        let c = self.fold_plain(bare);
        if let Some(alias) = self.aliases.get(&c) {
            let pieces = alias.iter().map(|c| Piece { c: *c, latin: None });
            return Folded::Several(pieces.collect());
        }
        let lookalikes = &self.tables.lookalikes;
        let looks = lookalikes.get(&bare);
        // A fancy capital is known by its small letter.
        let looks = looks.or_else(|| {
            let small = lookalikes.get(&small(bare));
            small.filter(|looks| looks.kind == Kind::Fancy && bare.is_uppercase())
        });
        let looks = looks.filter(|_| options.confusables() && !(bare == 'ı' && options.turkish()));
        let latin = looks.map(|latin| Lookalike {
            c: match latin.kind {
                Kind::Fancy if bare.is_uppercase() => self.fold_case(latin.c.to_ascii_uppercase()),
                _ => self.fold_case(latin.c),
            },
            ..*latin
        });
        Folded::One(Piece { c, latin })
    }

    /// The Arabic letter that another is a form of, with a hamza or without.
    fn without_hamza(&self, c: char) -> char {
        let style = || self.options.style();
        let hamza = || self.options.hamza();
        match c {
            'أ' | 'إ' | 'آ' | 'ٱ' | 'ٲ' | 'ٳ' if hamza() => 'ا',
            'ؤ' if hamza() => 'و',
            'ئ' if hamza() => 'ي',
            'ة' | 'ۃ' if hamza() => 'ه',
            // What is written in two characters has lost its hamza too.
            'ۀ' | 'ۂ' if hamza() || style() => 'ه',
            'ۓ' if hamza() => 'ے',
            'ک' | 'ڪ' if style() => 'ك',
            'ی' | 'ى' if style() => 'ي',
            'ہ' | 'ھ' | 'ە' if style() => 'ه',
            c => c,
        }
    }

    /// A letter that is written as two where a keyboard lacks it.
    fn spelled_out(&self, c: char) -> Option<&'static str> {
        Some(match c {
            'ß' | 'ẞ' if self.options.case() => "ss",
            'և' if self.options.case() => "եւ",
            'œ' if self.options.style() => "oe",
            'Œ' if self.options.style() => "OE",
            'æ' if self.options.style() => "ae",
            'Æ' if self.options.style() => "AE",
            'ǽ' if self.options.style() => "aé",
            'Ǽ' if self.options.style() => "AÉ",
            'ǣ' if self.options.style() => "aē",
            'Ǣ' if self.options.style() => "AĒ",
            _ => return None,
        })
    }

    /// The steps from one character to one.
    fn fold_plain(&self, c: char) -> char {
        let c = self.fold_case(c);
        if c < '\u{3000}' {
            return c;
        }
        if matches!(c, 'ァ'..='ヶ' | 'ヽ' | 'ヾ') && self.options.kana() {
            return char::from_u32(u32::from(c) - 0x60).unwrap_or(c);
        }
        let Tables {
            simplified,
            numerals,
            ..
        } = self.tables;
        let simple = simplified.get(&c).filter(|_| self.options.trad());
        let c = simple.copied().unwrap_or(c);
        let digit = numerals.get(&c).filter(|_| self.options.num_style());
        digit.copied().unwrap_or(c)
    }

    fn fold_case(&self, c: char) -> char {
        let small = match c {
            'ς' => 'σ',
            c => small(c),
        };
        match small != c && self.options.case() {
            true => small,
            false => c,
        }
    }

    fn read_aliases(
        &self,
        written: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<char, Vec<char>>, Vec<String>> {
        let mut aliases = BTreeMap::new();
        let mut problems = Vec::new();
        for (from, to) in written {
            let (folded, target) = (self.fold_text(from), self.fold_text(to));
            match folded[..] {
                [folded] if (1..=ALIAS_CHARS_MAX).contains(&target.len()) => {
                    aliases.insert(folded, target);
                }
                [_] => problems.push(format!(
                    "alias `{from}` stands for `{to}`: an alias stands for 1 to {ALIAS_CHARS_MAX} characters"
                )),
                _ => problems.push(format!(
                    "alias `{from}`: only one character can stand for something else"
                )),
            }
        }
        if problems.is_empty() {
            Ok(aliases)
        } else {
            Err(problems)
        }
    }

    /// Folds a text without looking at its neighbours, as far as aliases need it.
    fn fold_text(&self, text: &str) -> Vec<char> {
        let folded = text.chars().flat_map(|c| self.fold(c).into_pieces());
        folded.map(|piece| piece.c).collect()
    }
}

/// The only lower-case form of two characters is that of `İ`, and begins with `i`.
fn small(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The one character that Unicode says is the same, or itself.
fn canonical(c: char) -> char {
    if c < '\u{340}' {
        return c;
    }
    let mut same = std::iter::once(c).nfc();
    match (same.next(), same.next()) {
        (Some(same), None) => same,
        _ => c,
    }
}

/// A sign without room of its own, which falls away on a letter of another script.
fn is_light_sign(c: char) -> bool {
    character::is_mark(c) && character::is_sign_mark(c)
}

/// The characters that another is made of, where nothing else keeps the two spellings equal: accents
/// of Latin, Greek and Cyrillic fall away, and Arabic letters, kana and Hangul are composed.
fn marked(c: char) -> Option<impl Iterator<Item = char> + Clone> {
    let composed =
        matches!(c, '\u{622}'..='\u{6D3}' | '\u{3040}'..='\u{30FF}' | '\u{AC00}'..='\u{D7A3}');
    let is_plain = || is_nfd_quick(std::iter::once(c)) == IsNormalized::Yes;
    if composed || is_plain() || character::script(c).is_some() {
        return None;
    }
    let parts = std::iter::once(c).nfd();
    (parts.clone().next() != Some(c)).then_some(parts)
}

/// A Chinese numeral that `num_style` makes a digit.
pub(crate) fn is_numeral(c: char) -> bool {
    pairs(NUMERALS).any(|(numeral, _)| numeral == c)
}

fn joining(mark: char, alone: Option<char>) -> Folded {
    Folded::Join { mark, alone }
}

/// The character of usual width. Hangul letters stay letters, where NFKC makes parts of
/// syllables of them; what would become several characters stays.
fn narrow(c: char) -> char {
    let point = u32::from(c);
    let hangul = match point {
        0xFFA1..=0xFFBE => point - 0xFFA1 + 0x3131,
        0xFFC2..=0xFFC7 => point - 0xFFC2 + 0x314F,
        0xFFCA..=0xFFCF => point - 0xFFCA + 0x3155,
        0xFFD2..=0xFFD7 => point - 0xFFD2 + 0x315B,
        0xFFDA..=0xFFDC => point - 0xFFDA + 0x3161,
        _ => 0,
    };
    if hangul != 0 {
        return char::from_u32(hangul).unwrap_or(c);
    }
    if c.is_whitespace() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}') {
        return ' ';
    }
    let mut mapped = std::iter::once(c).nfkc();
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

/// The letter without its accents, for the scripts in which accents are decoration.
fn without_accent(c: char) -> char {
    let stroked = match c {
        'đ' | 'ɖ' => 'd',
        'Đ' => 'D',
        'ł' => 'l',
        'Ł' => 'L',
        'ø' => 'o',
        'Ø' => 'O',
        'ħ' => 'h',
        'Ħ' => 'H',
        'ŧ' => 't',
        'Ŧ' => 'T',
        'ƀ' => 'b',
        'ɨ' => 'i',
        c => c,
    };
    if stroked.is_ascii() || character::script(stroked).is_none() {
        return stroked;
    }
    // `ǿ` has an accent upon its stroke.
    match std::iter::once(stroked).nfd().next() {
        Some(bare) if bare != stroked => without_accent(bare),
        _ => stroked,
    }
}

/// The characters of a text two by two.
fn pairs(text: &str) -> impl Iterator<Item = (char, char)> {
    let mut chars = text.chars();
    std::iter::from_fn(move || Some((chars.next()?, chars.next()?)))
}
