//! The table of folding: what each code point becomes, built once per set of options.
//!
//! Tables that differ in aliases alone share all but what those change.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::character::{self, Script};
use super::code_point::{Folded, Folder, Piece};
use super::lookalike::Kind;
use super::stream::{
    CYRILLIC, DIGIT, GREEK, KIND_SHIFT, LATIN, LETTER, MORE, REGIONAL, SYMBOL, WORD,
};
use crate::filter::options::Options;

/// The kind of an entry of the table that is no symbol: the other bits are an index into the
/// special cases. No kind is above it.
pub(super) const SPECIAL: u32 = 7 << KIND_SHIFT;
/// The kind of a letter that looks Latin; its symbol is an index into the table of lookalikes
/// until the text around it decides what it is.
pub(super) const LOOKALIKE: u32 = 6 << KIND_SHIFT;

const PAGE: usize = 256;
/// The blocks in which characters are folded to anything but themselves. A test compares it with
/// all of Unicode; asking about each code point takes longer than compiling most lists.
///
/// Left out: the Han characters that [`Folder::han`] knows, and punctuation and symbols that only
/// have a kind of noise.
const CHANGING: [(u32, u32); 37] = [
    (0x0000, 0x232A),
    (0x2460, 0x24FF),
    (0x2776, 0x2800),
    (0x2ADC, 0x2ADC),
    (0x2C00, 0x33FF),
    (0xA4D0, 0xABF9),
    (0xF900, 0xFFFB),
    (0x10140, 0x10174),
    (0x101FD, 0x101FD),
    (0x102E0, 0x102E0),
    (0x10376, 0x1037A),
    (0x10400, 0x105E4),
    (0x10780, 0x107BF),
    (0x10A00, 0x10AE6),
    (0x10C80, 0x11FB0),
    (0x13430, 0x13455),
    (0x1611E, 0x16139),
    (0x16A60, 0x16B59),
    (0x16D68, 0x16FE4),
    (0x1B123, 0x1B126),
    (0x1BC9D, 0x1BCA3),
    (0x1CCD6, 0x1CCF9),
    (0x1CF00, 0x1CF46),
    (0x1D127, 0x1D25C),
    (0x1D400, 0x1D7FF),
    (0x1DA00, 0x1DAAF),
    (0x1DF00, 0x1E149),
    (0x1E2AE, 0x1E2F9),
    (0x1E4EC, 0x1E6F5),
    (0x1E7E0, 0x1E7FE),
    (0x1E8D0, 0x1E959),
    (0x1EE00, 0x1EEBB),
    (0x1F100, 0x1F251),
    (0x1F3F4, 0x1F3FF),
    (0x1FBF0, 0x1FBF9),
    (0x2F800, 0x2FA1D),
    (0xE0000, 0xE0FFF),
];

/// What each code point is folded to, under one set of options.
#[derive(Clone)]
pub(crate) struct FoldTable {
    /// Which page a block of [`PAGE`] code points has, as an index into `entries` divided by it.
    pages: Arc<[u16]>,
    /// Flags, and the symbol as a difference (exclusive or) to the code point, so that blocks
    /// without a change share a page.
    entries: Arc<Vec<u32>>,
    /// The entries of code points that aliases change, whole.
    changed: HashMap<u32, u32>,
    special: Extended<Special>,
    lookalikes: Extended<Settled>,
    /// Lookalikes are Latin in every text.
    pub(super) always_latin: bool,
}

/// What a table has in common with others, and what it has beside that.
struct Extended<T> {
    shared: Arc<[T]>,
    own: Arc<Vec<T>>,
}

impl<T> Clone for Extended<T> {
    fn clone(&self) -> Extended<T> {
        Extended {
            shared: Arc::clone(&self.shared),
            own: Arc::clone(&self.own),
        }
    }
}

impl<T> Extended<T> {
    fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        match number.checked_sub(self.shared.len()) {
            None => self.shared.get(number),
            Some(own) => self.own.get(own),
        }
    }
}

/// The tables of lists that are compiled together. Those that differ in nothing but aliases have
/// one table, and each what its aliases change.
#[derive(Default)]
pub(crate) struct FoldTables(HashMap<Options, Plain>);

/// A table without aliases, and what it takes to add some.
struct Plain {
    table: FoldTable,
    folder: Folder,
    /// By symbol, the characters that are folded to it, or to several symbols with it among them.
    sources: OnceCell<HashMap<u32, Vec<char>>>,
}

impl FoldTables {
    /// The table of these options. Errors: every alias that cannot be one, in words.
    pub(crate) fn build(&mut self, options: &Options) -> Result<FoldTable, Vec<String>> {
        let plain = Options {
            aliases: BTreeMap::new(),
            ..options.clone()
        };
        if !self.0.contains_key(&plain) {
            let folder = Folder::new(&plain)?;
            let known = Plain {
                table: FoldTable::of(&folder),
                folder,
                sources: OnceCell::new(),
            };
            self.0.insert(plain.clone(), known);
        }
        let plain = &self.0[&plain];
        match options.aliases.is_empty() {
            true => Ok(plain.table.clone()),
            false => plain.with_aliases(options),
        }
    }
}

impl Plain {
    fn with_aliases(&self, options: &Options) -> Result<FoldTable, Vec<String>> {
        let folder = self.folder.with_aliases(options)?;
        let sources = self.sources.get_or_init(|| self.table.sources());
        let mut drafted = Draft::beside(&self.table);
        let mut changed = HashMap::new();
        for key in folder.aliased() {
            let others = sources.get(&u32::from(key)).into_iter().flatten().copied();
            for c in others.chain([key]) {
                changed.insert(u32::from(c), drafted.entry_of(folder.fold(c)));
            }
        }
        Ok(FoldTable {
            changed,
            special: Extended {
                own: Arc::new(drafted.special),
                ..self.table.special.clone()
            },
            lookalikes: Extended {
                own: Arc::new(drafted.lookalikes),
                ..self.table.lookalikes.clone()
            },
            ..self.table.clone()
        })
    }
}

/// Special cases and lookalikes of a table that is being built.
#[derive(Default)]
struct Draft {
    special: Vec<Special>,
    lookalikes: Vec<Settled>,
    /// How many there are already.
    special_before: usize,
    lookalikes_before: usize,
}

/// The characters that are not folded to exactly one symbol.
pub(super) enum Special {
    Drop,
    /// Dropped, and words end there.
    Parting,
    Unfold(Box<[u32]>),
    /// Joins the symbol before it, if the two make one character.
    Join {
        mark: char,
        /// What it is if they do not.
        alone: Option<u32>,
    },
    /// A mark that is a letter behind one of its script, unless that stands there already.
    Sign(u32),
    /// A sign, and what follows it in the same character.
    Signs(Box<[u32]>),
    /// A Korean letter.
    Jamo(char),
    /// Half a flag, or this letter.
    Regional(u32),
    /// A flag of a part of a country, or this sign.
    BlackFlag(u32),
    /// Begins a formatting code.
    Code,
}

/// The two things that a lookalike can be.
pub(super) struct Settled {
    pub(super) itself: u32,
    pub(super) latin: u32,
    pub(super) kind: Kind,
}

impl FoldTable {
    /// Builds a table alone. Errors: every alias that cannot be one, in words.
    #[cfg(test)]
    pub(crate) fn build(options: &Options) -> Result<FoldTable, Vec<String>> {
        FoldTables::default().build(options)
    }

    fn of(folder: &Folder) -> FoldTable {
        let mut pages = vec![0; 0x110000 / PAGE];
        let mut entries = vec![0; PAGE];
        let mut draft = Draft {
            special: vec![Special::Drop],
            ..Draft::default()
        };
        let mut set = |c: char, entry: u32| set(&mut pages, &mut entries, c, entry);
        let mut known = HashSet::new();
        let changing = CHANGING.into_iter().flat_map(|(first, last)| first..=last);
        for c in changing.chain(folder.han()).filter_map(char::from_u32) {
            let entry = draft.entry_of(folder.fold(c));
            if entry != u32::from(c) {
                set(c, entry);
                known.insert(c);
            }
        }
        let noise = character::noise_ranges().flat_map(|(first, last)| first..=last);
        for c in noise.filter_map(char::from_u32) {
            if !known.contains(&c) {
                set(c, u32::from(c) | class(c));
            }
        }
        entries.shrink_to_fit();
        FoldTable {
            pages: pages.into(),
            entries: Arc::new(entries),
            changed: HashMap::new(),
            special: Extended {
                shared: draft.special.into(),
                own: Arc::default(),
            },
            lookalikes: Extended {
                shared: draft.lookalikes.into(),
                own: Arc::default(),
            },
            always_latin: folder.confuses_always(),
        }
    }

    /// By symbol, the characters that are folded to it, or to several symbols with it among them.
    fn sources(&self) -> HashMap<u32, Vec<char>> {
        let mut sources: HashMap<u32, Vec<char>> = HashMap::new();
        let changed = self.pages.iter().zip(0..).filter(|(page, _)| **page > 0);
        let points = changed.flat_map(|(_, block)| block * PAGE as u32..(block + 1) * PAGE as u32);
        for c in points.filter_map(char::from_u32) {
            let entry = self.entry(c);
            let several = match self.special(entry) {
                None => std::slice::from_ref(&entry),
                Some(Special::Unfold(symbols)) => &symbols[..],
                Some(Special::Regional(symbol)) => std::slice::from_ref(symbol),
                Some(_) => &[],
            };
            for symbol in several {
                let itself = match symbol & !MORE {
                    lookalike @ LOOKALIKE.. => self.lookalike(lookalike).itself,
                    symbol => symbol,
                };
                sources.entry(itself & SYMBOL).or_default().push(c);
            }
        }
        sources
    }

    #[inline]
    pub(super) fn entry(&self, c: char) -> u32 {
        let point = u32::from(c);
        if !self.changed.is_empty()
            && let Some(entry) = self.changed.get(&point)
        {
            return *entry;
        }
        let page = self.pages[point as usize / PAGE];
        self.entries[usize::from(page) * PAGE + point as usize % PAGE] ^ point
    }

    pub(super) fn lookalike(&self, symbol: u32) -> &Settled {
        let number = symbol & SYMBOL;
        let settled = self.lookalikes.get(number);
        settled.expect("its number was given when the table was built")
    }

    /// The special case of an entry; `None` if it is a symbol.
    pub(super) fn special(&self, entry: u32) -> Option<&Special> {
        let number = entry & !SPECIAL;
        (entry >= SPECIAL)
            .then(|| self.special.get(number))
            .flatten()
    }

    /// What a character alone is folded to, if that is one symbol; a lookalike is itself, unless
    /// it is always Latin.
    pub(crate) fn symbol(&self, c: char) -> Option<u32> {
        match self.entry(c) {
            entry if entry >= SPECIAL => match self.special(entry) {
                Some(Special::Join { alone, .. }) => alone.map(|alone| alone & SYMBOL),
                _ => None,
            },
            entry if entry >= LOOKALIKE => {
                let settled = self.lookalike(entry);
                let symbol = if self.always_latin || settled.kind == Kind::Fancy {
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
    pub(crate) fn may_be_latin(&self, c: char) -> bool {
        let entry = self.entry(c);
        entry < SPECIAL && (entry >= LOOKALIKE || entry & LATIN != 0)
    }
}

impl Draft {
    fn beside(table: &FoldTable) -> Draft {
        Draft {
            special_before: table.special.shared.len(),
            lookalikes_before: table.lookalikes.shared.len(),
            ..Draft::default()
        }
    }

    fn entry_of(&mut self, folded: Folded) -> u32 {
        match folded {
            // Special case 0 is `Drop`.
            Folded::Drop => SPECIAL,
            Folded::Parting => self.special_entry(Special::Parting),
            Folded::Join { mark, alone } => {
                let alone = alone.map(|c| u32::from(c) | class(c));
                self.special_entry(Special::Join { mark, alone })
            }
            Folded::Sign(c) => self.special_entry(Special::Sign(u32::from(c) | class(c))),
            Folded::Signs(pieces) => {
                let symbols = pieces.iter().map(|piece| self.symbol_of(*piece)).collect();
                self.special_entry(Special::Signs(symbols))
            }
            Folded::Jamo(c) => self.special_entry(Special::Jamo(c)),
            Folded::Regional(piece) => {
                let letter = u32::from(piece.c) | class(piece.c) | REGIONAL;
                self.special_entry(Special::Regional(letter))
            }
            Folded::BlackFlag(c) => self.special_entry(Special::BlackFlag(u32::from(c) | class(c))),
            Folded::Code => self.special_entry(Special::Code),
            Folded::One(piece) => self.symbol_of(piece),
            Folded::Several(pieces) => match pieces[..] {
                [piece] => self.symbol_of(piece),
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
        SPECIAL | (self.special_before + self.special.len() - 1) as u32
    }

    fn symbol_of(&mut self, piece: Piece) -> u32 {
        let itself = u32::from(piece.c) | class(piece.c);
        let Some(latin) = piece.latin else {
            return itself;
        };
        self.lookalikes.push(Settled {
            itself,
            latin: u32::from(latin.c) | class(latin.c),
            kind: latin.kind,
        });
        // A loose one shows its script, so that the text counts as one in that script; so does a
        // Latin one.
        let script = match latin.kind {
            Kind::Fancy => LATIN,
            Kind::Dotless => itself & LETTER,
            Kind::Foreign if latin.close => 0,
            Kind::Foreign => itself & LETTER,
        };
        LOOKALIKE | script | (self.lookalikes_before + self.lookalikes.len() - 1) as u32
    }
}

fn set(pages: &mut [u16], entries: &mut Vec<u32>, c: char, entry: u32) {
    let point = u32::from(c);
    let page = &mut pages[point as usize / PAGE];
    if *page == 0 {
        *page = u16::try_from(entries.len() / PAGE).expect("0x110000 / PAGE pages at most");
        entries.resize(entries.len() + PAGE, 0);
    }
    entries[usize::from(*page) * PAGE + point as usize % PAGE] = entry ^ point;
}

fn class(c: char) -> u32 {
    match character::script(c) {
        Some(Script::Latin) => LATIN,
        Some(Script::Greek) => GREEK,
        Some(Script::Cyrillic) => CYRILLIC,
        None if character::is_word_letter(c) => WORD,
        None if character::digit(c).is_some() => DIGIT,
        None => character::noise(c).map_or(0, |noise| (noise as u32 + 1) << KIND_SHIFT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::{Confusables, Marks};

    /// What an entry says, whatever the number of its special case.
    fn meaning(table: &FoldTable, c: char) -> String {
        let settled = |symbol: u32| match symbol & !MORE {
            symbol @ LOOKALIKE..SPECIAL => {
                let settled = table.lookalike(symbol);
                format!(
                    "{:x}/{:x} {:?} {:x}",
                    settled.itself,
                    settled.latin,
                    settled.kind,
                    symbol & LETTER
                )
            }
            symbol => format!("{symbol:x}"),
        };
        match table.special(table.entry(c)) {
            None => settled(table.entry(c)),
            Some(special) => match special {
                Special::Unfold(symbols) | Special::Signs(symbols) => format!(
                    "{:?}",
                    symbols.iter().map(|one| settled(*one)).collect::<Vec<_>>()
                ),
                Special::Regional(letter) => format!("regional {letter:x}"),
                Special::Join { mark, alone } => format!("join {mark:?} {alone:?}"),
                Special::Sign(sign) | Special::BlackFlag(sign) => format!("sign {sign:x}"),
                Special::Jamo(letter) => format!("jamo {letter}"),
                Special::Drop => "drop".to_owned(),
                Special::Parting => "parting".to_owned(),
                Special::Code => "code".to_owned(),
            },
        }
    }

    #[test]
    fn aliases_beside_a_shared_table_are_as_in_one_of_their_own() {
        for pairs in [
            &[("薇", "微")][..],
            &[("v", "微信"), ("機", "鸡")],
            &[("0", "o"), ("а", "x"), ("が", "a")],
        ] {
            for kana in [false, true] {
                let aliases = pairs
                    .iter()
                    .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
                let options = Options {
                    aliases: aliases.collect(),
                    kana,
                    num_style: kana,
                    ..Options::default()
                };
                let shared = FoldTable::build(&options).unwrap();
                let alone = FoldTable::of(&Folder::new(&options).unwrap());
                for c in (0..0x11_0000).filter_map(char::from_u32) {
                    assert_eq!(meaning(&shared, c), meaning(&alone, c), "{c:?} {pairs:?}");
                }
            }
        }
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
