//! Folding: from text to a stream of symbols in which equal means "the same to a reader".
//!
//! One table maps every code point, built once per set of options; text and entries pass through
//! the same table, so an entry is always folded like the text. The text itself is never changed:
//! every symbol knows the byte that it came from.

use std::ops::Range;

use unicode_normalization::char::compose;

use super::character::{self, Script};
use super::code_point::{Folded, Folder, Piece};
use crate::filter::options::{Confusables, Options, SkipClasses};

/// The bits of a symbol that say which character it is; the rest are flags.
pub const SYMBOL: u32 = (1 << 21) - 1;
pub const LATIN: u32 = 1 << 21;
pub const GREEK: u32 = 1 << 22;
pub const CYRILLIC: u32 = 1 << 23;
pub const DIGIT: u32 = 1 << 24;
/// Came from a regional indicator, two of which are a flag.
pub const REGIONAL: u32 = 1 << 25;
/// Came from the same character as the symbol before.
pub const MORE: u32 = 1 << 26;
/// A letter that looks Latin; its symbol is an index into the table of lookalikes until
/// [`FoldTable::settle_lookalikes`] decides what it is.
const LOOKALIKE: u32 = 1 << 27;
/// No symbol: the other bits are an index into the special cases.
const SPECIAL: u32 = 1 << 28;

pub const LETTER: u32 = LATIN | GREEK | CYRILLIC;

/// The bits from here on are the kind of noise; 0 is none.
const NOISE_SHIFT: u32 = 29;

const PAGE: usize = 256;
/// The blocks in which characters are folded to anything but themselves. A test compares it with
/// all of Unicode; asking about each code point takes longer than compiling most lists.
///
/// Left out: the Han characters that [`Folder::han`] knows, and punctuation and symbols that only
/// have a kind of noise.
const CHANGING: [(u32, u32); 56] = [
    (0x0009, 0x11C2),
    (0x135D, 0x13F5),
    (0x1680, 0x1680),
    (0x1712, 0x194F),
    (0x19D0, 0x2188),
    (0x2329, 0x232A),
    (0x2460, 0x24FF),
    (0x2776, 0x2800),
    (0x2C00, 0x2DFF),
    (0x2E9F, 0x33FF),
    (0xA620, 0xA82C),
    (0xA8C4, 0xABF9),
    (0xF900, 0xFFFB),
    (0x10140, 0x10174),
    (0x101FD, 0x101FD),
    (0x102E0, 0x102E0),
    (0x10376, 0x1037A),
    (0x10400, 0x104D3),
    (0x10570, 0x10595),
    (0x10780, 0x107BF),
    (0x10A01, 0x10A3F),
    (0x10AE5, 0x10AE6),
    (0x10C80, 0x10D6D),
    (0x10EAB, 0x11241),
    (0x112DF, 0x114D9),
    (0x115B2, 0x11739),
    (0x1182F, 0x11A99),
    (0x11B60, 0x11B66),
    (0x11BF0, 0x11DF0),
    (0x11EF3, 0x11F5A),
    (0x13440, 0x13455),
    (0x1611E, 0x16139),
    (0x16A60, 0x16B59),
    (0x16D70, 0x16D79),
    (0x16E40, 0x16EB8),
    (0x16F4F, 0x16FE4),
    (0x1B123, 0x1B126),
    (0x1BC9D, 0x1BCA3),
    (0x1CCD6, 0x1CCF9),
    (0x1CF00, 0x1CF46),
    (0x1D127, 0x1D1AD),
    (0x1D242, 0x1D25C),
    (0x1D400, 0x1D7FF),
    (0x1DA00, 0x1DAAF),
    (0x1DF00, 0x1E08F),
    (0x1E130, 0x1E149),
    (0x1E2AE, 0x1E2F9),
    (0x1E4EC, 0x1E4F9),
    (0x1E5EE, 0x1E5FA),
    (0x1E6E3, 0x1E6F5),
    (0x1E8D0, 0x1E959),
    (0x1EE00, 0x1EEBB),
    (0x1F100, 0x1F251),
    (0x1FBF0, 0x1FBF9),
    (0x2F800, 0x2FA1D),
    (0xE0000, 0xE0FFF),
];

/// Folded text. `symbols[i]` came from the character at byte `origins[i]`.
#[derive(Default)]
pub struct Stream {
    pub symbols: Vec<u32>,
    pub origins: Vec<u32>,
    /// Characters that were joined by what follows them: where each begins, and where the last
    /// that joined it ends. What was dropped may stand between.
    joined: Vec<(u32, u32)>,
}

impl Stream {
    fn clear(&mut self) {
        self.symbols.clear();
        self.origins.clear();
        self.joined.clear();
    }

    /// Where the character at byte `origin` of `text` ends, with what joined it.
    pub fn end_of(&self, text: &str, origin: u32) -> u32 {
        let joined = self
            .joined
            .binary_search_by_key(&origin, |(start, _)| *start);
        if let Ok(number) = joined {
            return self.joined[number].1;
        }
        let c = text[origin as usize..].chars().next();
        origin + c.map_or(0, char::len_utf8) as u32
    }

    /// Notes that a character that ends there joined the last symbol.
    fn join(&mut self, end: u32) {
        let Some(start) = self.origins.last().copied() else {
            return;
        };
        match self.joined.last_mut() {
            Some(last) if last.0 == start => last.1 = end,
            _ => self.joined.push((start, end)),
        }
    }

    /// The same, in an order of its own.
    pub fn copy(&self) -> Stream {
        Stream {
            symbols: self.symbols.clone(),
            origins: self.origins.clone(),
            joined: self.joined.clone(),
        }
    }

    #[inline]
    fn push(&mut self, symbol: u32, origin: u32) {
        self.symbols.push(symbol);
        self.origins.push(origin);
    }

    /// Puts the characters of a range in reverse; the symbols of each keep their order.
    pub fn reverse(&mut self, range: Range<usize>) {
        let (symbols, origins) = (&mut self.symbols[range.clone()], &mut self.origins[range]);
        symbols.reverse();
        origins.reverse();
        let mut start = 0;
        for at in 0..symbols.len() {
            if symbols[at] & MORE == 0 {
                symbols[start..=at].reverse();
                start = at + 1;
            }
        }
    }
}

/// What each code point is folded to, under one set of options.
pub struct FoldTable {
    /// Which page a block of [`PAGE`] code points has, as an index into `entries` divided by it.
    pages: Box<[u16]>,
    /// Flags, and the symbol as a difference (exclusive or) to the code point, so that blocks
    /// without a change share a page.
    entries: Vec<u32>,
    special: Vec<Special>,
    lookalikes: Vec<Settled>,
    /// Lookalikes are Latin in every text.
    always_latin: bool,
}

/// The characters that are not folded to exactly one symbol.
enum Special {
    Drop,
    Unfold(Box<[u32]>),
    /// Joins the symbol before it, if the two make one character.
    Join {
        mark: char,
        /// What it is if they do not.
        alone: Option<u32>,
    },
}

/// The two things that a lookalike can be.
struct Settled {
    itself: u32,
    latin: u32,
}

impl FoldTable {
    /// Builds the table. Errors: every alias that cannot be one, in words.
    pub fn build(options: &Options) -> Result<FoldTable, Vec<String>> {
        let folder = Folder::new(options)?;
        let mut table = FoldTable {
            pages: vec![0; 0x110000 / PAGE].into(),
            entries: vec![0; PAGE],
            special: vec![Special::Drop],
            lookalikes: Vec::new(),
            always_latin: options.confusables == Confusables::Always,
        };
        let changing = CHANGING.into_iter().flat_map(|(first, last)| first..=last);
        for c in changing.chain(folder.han()).filter_map(char::from_u32) {
            let entry = table.entry_of(folder.fold(c), c);
            if entry != u32::from(c) {
                table.set(c, entry);
            }
        }
        let noise = character::noise_ranges().flat_map(|(first, last)| first..=last);
        for c in noise.filter_map(char::from_u32) {
            if table.entry(c) == u32::from(c) {
                table.set(c, u32::from(c) | class(c));
            }
        }
        Ok(table)
    }

    /// Folds `text` into `stream`, whose content it replaces.
    pub fn fold(&self, text: &str, stream: &mut Stream) {
        let seen = self.fold_unsettled(text, stream);
        if seen & LOOKALIKE != 0 {
            self.settle_lookalikes(stream, |script, in_latin| {
                in_latin || self.always_latin || seen & script == 0
            });
        }
    }

    /// Folds `text` as [`Self::fold`] does, but leaves every lookalike in its own script, unless
    /// it is always Latin.
    pub fn fold_keeping_scripts(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| self.always_latin);
    }

    /// Gives back the flags that were seen.
    fn fold_unsettled(&self, text: &str, stream: &mut Stream) -> u32 {
        stream.clear();
        let mut seen = 0;
        for (at, c) in text.char_indices() {
            let entry = self.entry(c);
            if entry & SPECIAL == 0 {
                seen |= entry;
                stream.push(entry, at as u32);
            } else {
                seen |= self.push_special(entry, at as u32, stream);
            }
        }
        seen
    }

    #[inline]
    fn entry(&self, c: char) -> u32 {
        let point = u32::from(c);
        let page = self.pages[point as usize / PAGE];
        self.entries[usize::from(page) * PAGE + point as usize % PAGE] ^ point
    }

    /// What a character alone is folded to, if that is one symbol; a lookalike is itself, unless
    /// it is always Latin.
    pub fn symbol(&self, c: char) -> Option<u32> {
        match self.entry(c) {
            entry if entry & SPECIAL != 0 => None,
            entry if entry & LOOKALIKE != 0 => {
                let settled = &self.lookalikes[(entry & SYMBOL) as usize];
                let symbol = if self.always_latin {
                    settled.latin
                } else {
                    settled.itself
                };
                Some(symbol & SYMBOL)
            }
            entry => Some(entry & SYMBOL),
        }
    }

    /// A letter that is Latin in some texts, or in all of them.
    pub fn may_be_latin(&self, c: char) -> bool {
        self.entry(c) & (LOOKALIKE | LATIN) != 0
    }

    fn push_special(&self, entry: u32, origin: u32, stream: &mut Stream) -> u32 {
        match &self.special[(entry & SYMBOL) as usize] {
            Special::Drop => 0,
            Special::Unfold(symbols) => symbols.iter().fold(0, |seen, symbol| {
                stream.push(*symbol, origin);
                seen | symbol
            }),
            Special::Join { mark, alone } => {
                if let Some(last) = stream.symbols.last_mut()
                    && let Some(joined) = self.join(*last, *mark)
                {
                    // A flag with a mark stays a flag.
                    *last = joined | *last & (MORE | REGIONAL);
                    stream.join(origin + mark.len_utf8() as u32);
                    return joined;
                }
                alone.map_or(0, |alone| {
                    stream.push(alone, origin);
                    alone
                })
            }
        }
    }

    /// The symbol of a character and the mark that follows it, if there is one for both.
    fn join(&self, symbol: u32, mark: char) -> Option<u32> {
        let point = match symbol & LOOKALIKE {
            0 => symbol & SYMBOL,
            _ => self.lookalikes[(symbol & SYMBOL) as usize].itself & SYMBOL,
        };
        let entry = self.entry(compose(char::from_u32(point)?, mark)?);
        (entry & SPECIAL == 0).then_some(entry)
    }

    /// Decides for every lookalike whether it is Latin.
    ///
    /// `is_latin` is asked with the script of the lookalike as a flag, and whether the run of
    /// letters that it stands in holds a Latin letter.
    fn settle_lookalikes(&self, stream: &mut Stream, is_latin: impl Fn(u32, bool) -> bool) {
        let symbols = &mut stream.symbols[..];
        let mut start = 0;
        while start < symbols.len() {
            let run = symbols[start..].iter();
            let run = run
                .take_while(|symbol| **symbol & (LETTER | LOOKALIKE) != 0)
                .count();
            let end = start + run;
            let has_latin = symbols[start..end].iter().any(|symbol| symbol & LATIN != 0);
            for symbol in &mut symbols[start..end] {
                if *symbol & LOOKALIKE != 0 {
                    let settled = &self.lookalikes[(*symbol & SYMBOL) as usize];
                    let latin = is_latin(settled.itself & LETTER, has_latin);
                    let now = if latin { settled.latin } else { settled.itself };
                    *symbol = now | *symbol & MORE;
                }
            }
            start = end + 1;
        }
    }

    fn set(&mut self, c: char, entry: u32) {
        let point = u32::from(c);
        let page = &mut self.pages[point as usize / PAGE];
        if *page == 0 {
            *page =
                u16::try_from(self.entries.len() / PAGE).expect("0x110000 / PAGE pages at most");
            self.entries.resize(self.entries.len() + PAGE, 0);
        }
        self.entries[usize::from(*page) * PAGE + point as usize % PAGE] = entry ^ point;
    }

    fn entry_of(&mut self, folded: Folded, from: char) -> u32 {
        let regional = if character::is_regional(from) {
            REGIONAL
        } else {
            0
        };
        match folded {
            // Special case 0 is `Drop`.
            Folded::Drop => SPECIAL,
            Folded::Join { mark, alone } => {
                let alone = alone.map(|c| u32::from(c) | class(c));
                self.special_entry(Special::Join { mark, alone })
            }
            Folded::One(piece) => self.symbol_of(piece) | regional,
            Folded::Several(pieces) => match pieces[..] {
                [piece] => self.symbol_of(piece) | regional,
                _ => {
                    let mut symbols: Box<[u32]> =
                        pieces.iter().map(|piece| self.symbol_of(*piece)).collect();
                    for symbol in symbols.iter_mut().skip(1) {
                        *symbol |= MORE;
                    }
                    self.special_entry(Special::Unfold(symbols))
                }
            },
        }
    }

    fn special_entry(&mut self, special: Special) -> u32 {
        self.special.push(special);
        SPECIAL | (self.special.len() as u32 - 1)
    }

    fn symbol_of(&mut self, piece: Piece) -> u32 {
        let itself = u32::from(piece.c) | class(piece.c);
        let Some(latin) = piece.latin else {
            return itself;
        };
        self.lookalikes.push(Settled {
            itself,
            latin: u32::from(latin.c) | class(latin.c),
        });
        // A loose one shows its script, so that the text counts as one in that script.
        let script = if latin.close { 0 } else { itself & LETTER };
        LOOKALIKE | script | (self.lookalikes.len() as u32 - 1)
    }
}

fn class(c: char) -> u32 {
    match character::script(c) {
        Some(Script::Latin) => LATIN,
        Some(Script::Greek) => GREEK,
        Some(Script::Cyrillic) => CYRILLIC,
        None if character::digit(c).is_some() => DIGIT,
        None => character::noise(c).map_or(0, |noise| (noise as u32 + 1) << NOISE_SHIFT),
    }
}

/// Symbols that may stand between two characters of an entry, ready to be asked for each symbol.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// One bit for each kind of noise.
    kinds: u32,
    flags: u32,
}

impl Noise {
    pub fn new(classes: SkipClasses) -> Noise {
        let kinds = [
            (SkipClasses::SPACE, character::Noise::Space),
            (SkipClasses::PUNCT, character::Noise::Punct),
            (SkipClasses::SYMBOL, character::Noise::Symbol),
            (SkipClasses::STOP, character::Noise::Stop),
            (SkipClasses::NEWLINE, character::Noise::Newline),
        ];
        let flags = [(SkipClasses::DIGIT, DIGIT), (SkipClasses::LATIN, LATIN)];
        Noise {
            kinds: kinds
                .into_iter()
                .filter(|(class, _)| classes.contains(*class))
                .fold(0, |bits, (_, kind)| bits | 2 << kind as u32),
            flags: flags
                .into_iter()
                .filter(|(class, _)| classes.contains(*class))
                .fold(0, |bits, (_, flag)| bits | flag),
        }
    }

    #[inline]
    pub fn holds(self, symbol: u32) -> bool {
        self.kinds >> (symbol >> NOISE_SHIFT) & 1 != 0 || symbol & self.flags != 0
    }
}

/// A blank or the end of a line.
pub fn is_blank(symbol: u32) -> bool {
    const SPACE: u32 = character::Noise::Space as u32 + 1;
    const NEWLINE: u32 = character::Noise::Newline as u32 + 1;
    matches!(symbol >> NOISE_SHIFT, SPACE | NEWLINE)
}

/// Any sign, emoji too, but no blank.
pub fn is_sign(symbol: u32) -> bool {
    symbol >> NOISE_SHIFT != 0 && !is_blank(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::Marks;

    fn folded(text: &str) -> String {
        let mut stream = Stream::default();
        let table = FoldTable::build(&Options::default()).unwrap();
        table.fold(text, &mut stream);
        let symbols = stream.symbols.iter();
        symbols
            .map(|symbol| char::from_u32(symbol & SYMBOL).unwrap())
            .collect()
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(folded(text), expected, "{text}");
    }

    #[test]
    fn each_step_of_folding() {
        check("AbÇ", "abc");
        check("ＡＢ　１", "ab 1");
        check("ⓐ⑴㎏", "a1kg");
        check("賭博發髮", "赌博发发");
        check("a\u{200b}b\u{feff}", "ab");
        check("бёй", "беи");
        check("ｶﾞか\u{3099}", "ガが");
        check("раypаl", "paypal");
        check("ﷺ", "ﷺ");
    }

    #[test]
    fn no_character_outside_of_the_blocks_changes() {
        let plainest = Options {
            trad: false,
            marks: Marks::Off,
            confusables: Confusables::Off,
            ..Options::default()
        };
        for options in [Options::default(), plainest] {
            let table = FoldTable::build(&options).unwrap();
            let folder = Folder::new(&options).unwrap();
            for c in (0..0x11_0000).filter_map(char::from_u32) {
                let changes = match folder.fold(c) {
                    Folded::One(piece) => piece.c != c || class(c) != 0 || class(piece.c) != 0,
                    _ => true,
                };
                assert_eq!(changes, table.entry(c) != u32::from(c), "{c:?}");
            }
        }
    }
}
