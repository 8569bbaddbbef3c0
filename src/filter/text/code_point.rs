//! What one code point is folded to, under one set of options.
//!
//! The steps, in this order: invisible characters go; marks go or join; width; style; accents;
//! case; simplified Chinese; numerals; aliases. What a lookalike is depends on its neighbours
//! and is left open.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::character;
use super::lookalike::{Lookalike, lookalikes};
use super::style;
use crate::filter::options::{Confusables, Marks, Options};

/// The longest text that an alias stands for.
const ALIAS_CHARS_MAX: usize = 4;

/// Chinese numerals and the digits that they are under `num_style`.
const NUMERALS: &str = "〇0零0一1壹1二2贰2貳2三3叁3參3四4肆4五5伍5六6陆6陸6七7柒7八8捌8九9玖9";

/// What one code point is folded to.
pub enum Folded {
    Drop,
    Join { mark: char, alone: Option<char> },
    One(Piece),
    Several(Vec<Piece>),
}

/// One folded character, and the Latin one that it looks like.
#[derive(Clone, Copy)]
pub struct Piece {
    pub c: char,
    pub latin: Option<Lookalike>,
}

impl Folded {
    fn into_pieces(self) -> Vec<Piece> {
        match self {
            Folded::Drop | Folded::Join { .. } => Vec::new(),
            Folded::One(piece) => vec![piece],
            Folded::Several(pieces) => pieces,
        }
    }
}

/// Folds one code point after the other while a table is built.
pub struct Folder<'a> {
    options: &'a Options,
    simplified: BTreeMap<char, char>,
    numerals: BTreeMap<char, char>,
    lookalikes: BTreeMap<char, Lookalike>,
    aliases: BTreeMap<char, Vec<char>>,
}

impl<'a> Folder<'a> {
    pub fn new(options: &'a Options) -> Result<Folder<'a>, Vec<String>> {
        let mut folder = Folder {
            options,
            simplified: BTreeMap::new(),
            numerals: BTreeMap::new(),
            lookalikes: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        if options.trad {
            let data = include_str!("data/traditional.txt").lines();
            let data = data.filter(|line| !line.starts_with('#'));
            folder.simplified = data.flat_map(pairs).collect();
        }
        if options.num_style {
            folder.numerals = pairs(NUMERALS).collect();
        }
        if options.confusables != Confusables::Off {
            folder.lookalikes = lookalikes().collect();
        }
        folder.aliases = folder.read_aliases()?;
        Ok(folder)
    }

    /// The Han characters that are not folded to themselves.
    pub fn han(&self) -> impl Iterator<Item = u32> {
        let changed = self.simplified.keys().chain(self.numerals.keys());
        let aliased = self.aliases.keys().chain(
            self.simplified
                .iter()
                .filter(|(_, simple)| self.aliases.contains_key(simple))
                .map(|(traditional, _)| traditional),
        );
        changed.chain(aliased).map(|c| u32::from(*c))
    }

    pub fn fold(&self, c: char) -> Folded {
        let options = self.options;
        if options.invisible && character::is_invisible(c) {
            return Folded::Drop;
        }
        match c {
            '\u{3099}' | '\u{309A}' => return joining(c, None),
            '\u{FF9E}' if options.width => return joining('\u{3099}', Some('゛')),
            '\u{FF9F}' if options.width => return joining('\u{309A}', Some('゜')),
            // The second and third letter of a Hangul syllable.
            '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}' => return joining(c, Some(c)),
            _ => {}
        }
        if character::is_mark(c) {
            return match options.marks {
                Marks::On => Folded::Drop,
                Marks::Zalgo => joining(c, None),
                Marks::Off => joining(c, Some(c)),
            };
        }
        let wide = matches!(c, '\u{FF01}'..='\u{FFEF}');
        if options.width && (wide || c.is_whitespace() && !c.is_ascii()) {
            return self.fold_shown(narrow(c));
        }
        match style::plain(c) {
            Some(plain) if options.style && !wide => Folded::Several(
                plain
                    .chars()
                    .flat_map(|c| self.fold_shown(c).into_pieces())
                    .collect(),
            ),
            _ => self.fold_shown(c),
        }
    }

    /// Folds a character of usual width and style.
    fn fold_shown(&self, c: char) -> Folded {
        let bare = match self.options.marks {
            Marks::On => without_accent(c),
            Marks::Zalgo | Marks::Off => c,
        };
        let c = self.fold_plain(bare);
        if let Some(alias) = self.aliases.get(&c) {
            let pieces = alias.iter().map(|c| Piece { c: *c, latin: None });
            return Folded::Several(pieces.collect());
        }
        let latin = self.lookalikes.get(&bare).map(|latin| Lookalike {
            c: self.fold_case(latin.c),
            ..*latin
        });
        Folded::One(Piece { c, latin })
    }

    /// The steps from one character to one.
    fn fold_plain(&self, c: char) -> char {
        let c = self.fold_case(c);
        if c < '\u{3000}' {
            return c;
        }
        let c = self.simplified.get(&c).copied().unwrap_or(c);
        self.numerals.get(&c).copied().unwrap_or(c)
    }

    fn fold_case(&self, c: char) -> char {
        match c {
            _ if !self.options.case => c,
            'ς' => 'σ',
            // The only lower-case form of two characters is that of `İ`, and begins with `i`.
            c => c.to_lowercase().next().unwrap_or(c),
        }
    }

    fn read_aliases(&self) -> Result<BTreeMap<char, Vec<char>>, Vec<String>> {
        let mut aliases = BTreeMap::new();
        let mut problems = Vec::new();
        for (from, to) in &self.options.aliases {
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

/// A Chinese numeral that `num_style` makes a digit.
pub fn is_numeral(c: char) -> bool {
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
    std::iter::once(stroked).nfd().next().unwrap_or(stroked)
}

/// The characters of a text two by two.
fn pairs(text: &str) -> impl Iterator<Item = (char, char)> {
    let mut chars = text.chars();
    std::iter::from_fn(move || Some((chars.next()?, chars.next()?)))
}
