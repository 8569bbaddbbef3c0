//! Folding: from text to a stream of symbols in which equal means "the same to a reader".
//!
//! One table maps every code point, built once per set of options; text and entries pass through
//! the same table, so an entry is always folded like the text. The text itself is never changed:
//! every symbol knows the byte that it came from.

use unicode_normalization::char::compose;

use super::character::{self, Script};
use super::code_point::{Folded, Folder, Piece};
use super::options::Options;

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

const PAGE: usize = 256;
/// Characters that the table asks code about one by one; all others are folded to themselves.
///
/// Left out: Han (which [`FoldTable::build`] takes from the list of traditional characters and
/// numerals), Hangul syllables, private use, and planes without letters.
const ASKED: [(u32, u32); 9] = [
    (0x0000, 0x33FF),
    (0xA000, 0xABFF),
    (0xD7B0, 0xD7FF),
    (0xF900, 0xFFFF),
    (0x10000, 0x11FFF),
    (0x13430, 0x1345F),
    (0x16A00, 0x16FFF),
    (0x1BC00, 0x1FBFF),
    (0x2F800, 0x2FA1F),
];
const ASKED_LAST: (u32, u32) = (0xE0000, 0xE0FFF);

/// Folded text. `symbols[i]` came from the character at byte `origins[i]`.
#[derive(Default)]
pub struct Stream {
    pub symbols: Vec<u32>,
    pub origins: Vec<u32>,
}

impl Stream {
    fn clear(&mut self) {
        self.symbols.clear();
        self.origins.clear();
    }

    #[inline]
    fn push(&mut self, symbol: u32, origin: u32) {
        self.symbols.push(symbol);
        self.origins.push(origin);
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
        };
        let asked = ASKED.into_iter().chain([ASKED_LAST]);
        let asked = asked.flat_map(|(first, last)| first..=last);
        for c in asked.chain(folder.han()).filter_map(char::from_u32) {
            let entry = table.entry_of(folder.fold(c), c);
            if entry != u32::from(c) {
                table.set(c, entry);
            }
        }
        Ok(table)
    }

    /// Folds `text` into `stream`, whose content it replaces.
    pub fn fold(&self, text: &str, stream: &mut Stream) {
        let seen = self.fold_unsettled(text, stream);
        if seen & LOOKALIKE != 0 {
            self.settle_lookalikes(stream, |script, in_latin| in_latin || seen & script == 0);
        }
    }

    /// Folds `text` as [`Self::fold`] does, but leaves every lookalike in its own script.
    pub fn fold_keeping_scripts(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| false);
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
                    *last = joined | *last & MORE;
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
        None => 0,
    }
}
