//! Tables of folding, built together: what characters are folded to depends on a few options each,
//! so tables share the pages of all blocks for which they agree in these.
//!
//! Tables that differ in aliases alone share all but what those change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use super::character::{self, Script};
use super::code_point::{Folded, Folder, Piece, Tables};
use super::fold_table::{Extended, FoldTable, LOOKALIKE, PAGE, SPECIAL, Settled, Special};
use super::folding::{Asked, Values};
use super::lookalike::Kind;
use super::stream::{
    CYRILLIC, DIGIT, GREEK, KIND_SHIFT, LATIN, LETTER, MORE, REGIONAL, SYMBOL, WORD,
};
use crate::filter::options::{Confusables, Options};

/// The blocks in which characters are folded to anything but themselves. A test compares it with
/// all of Unicode; asking about each code point takes longer than compiling most lists.
///
/// Left out: the Han characters that [`Tables::han`] knows, and punctuation and symbols that only
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

/// The tables of lists that are compiled together.
#[derive(Default)]
pub(crate) struct FoldTables(HashMap<Options, Result<FoldTable, Vec<String>>>);

impl FoldTables {
    /// Builds the tables of all these options.
    pub(crate) fn of(foldings: &[Options]) -> FoldTables {
        let mut aliased: BTreeMap<usize, Vec<&Options>> = BTreeMap::new();
        let (mut plain, mut known) = (Vec::new(), HashMap::new());
        for options in foldings {
            let bare = Options {
                aliases: BTreeMap::new(),
                ..options.clone()
            };
            let at = *known.entry(bare).or_insert_with_key(|bare| {
                plain.push(bare.clone());
                plain.len() - 1
            });
            aliased.entry(at).or_default().push(options);
        }
        let read = Tables::read();
        let blocks = Blocks::of(&read);
        let mut tables = HashMap::new();
        let together = plain.chunks(blocks.tables_together());
        let built = together.flat_map(|plain| built_together(plain, &blocks, &read));
        for (table, options) in built.zip(aliased.values()) {
            let folders = options.iter().map(|options| Folder::new(options, &read));
            let folders: Vec<_> = folders.collect();
            let keys = folders.iter().flatten().flat_map(Folder::aliased);
            let sources = table.sources(&keys.collect());
            for (options, folder) in options.iter().zip(folders) {
                let table = folder.map(|folder| table.with_aliases(&folder, &sources));
                tables.insert(Options::clone(options), table);
            }
        }
        FoldTables(tables)
    }

    /// The table of these options, which are some of those given to [`Self::of`]. Errors: every
    /// alias that cannot be one, in words.
    pub(crate) fn get(&self, options: &Options) -> Result<FoldTable, Vec<String>> {
        self.0[options].clone()
    }
}

/// Builds tables that have no aliases, with pages in common.
fn built_together(plain: &[Options], blocks: &Blocks, read: &Tables) -> Vec<FoldTable> {
    let mut pages = Pages::new(blocks);
    let of_table = |options: &Options| pages.of(&Folder::without_aliases(options, read));
    let of_tables: Vec<Arc<[u16]>> = plain.iter().map(of_table).collect();
    let Pages { entries, draft, .. } = pages;
    let entries: Arc<[u32]> = entries.into();
    let special: Arc<[Special]> = draft.special.list.into();
    let lookalikes: Arc<[Settled]> = draft.lookalikes.list.into();
    let table = |(pages, options): (Arc<[u16]>, &Options)| FoldTable {
        pages,
        entries: Arc::clone(&entries),
        changed: HashMap::new(),
        special: Extended {
            shared: Arc::clone(&special),
            own: Arc::new([]),
        },
        lookalikes: Extended {
            shared: Arc::clone(&lookalikes),
            own: Arc::new([]),
        },
        always_latin: options.confusables == Confusables::Always,
    };
    of_tables.into_iter().zip(plain).map(table).collect()
}

/// What may become of a character.
#[derive(Clone, Copy, PartialEq)]
enum Change {
    None,
    /// It is itself, but a kind of noise.
    Noise,
    Folded,
}

/// The blocks in which some characters change under some options.
struct Blocks(BTreeMap<usize, Box<[Change; PAGE]>>);

impl Blocks {
    fn of(read: &Tables) -> Blocks {
        let mut blocks = Blocks(BTreeMap::new());
        for (first, last) in character::noise_ranges() {
            (first..=last).for_each(|point| blocks.set(point, Change::Noise));
        }
        for (first, last) in CHANGING {
            (first..=last).for_each(|point| blocks.set(point, Change::Folded));
        }
        for c in read.han() {
            blocks.set(u32::from(c), Change::Folded);
        }
        blocks
    }

    fn set(&mut self, point: u32, change: Change) {
        let block = self.0.entry(point as usize / PAGE);
        let block = block.or_insert_with(|| Box::new([Change::None; PAGE]));
        block[point as usize % PAGE] = change;
    }

    /// So many tables that their pages can be numbered, were they all different.
    fn tables_together(&self) -> usize {
        usize::from(u16::MAX) / self.0.len().max(1)
    }
}

/// The options that pages of a block were folded by, and the page for each of their values.
type PagesOfBlock = Vec<(Asked, HashMap<Values, u16>)>;

/// The pages of tables that are built together.
struct Pages<'a> {
    blocks: &'a Blocks,
    known: HashMap<usize, PagesOfBlock>,
    /// Page 0 changes nothing.
    entries: Vec<u32>,
    draft: Draft,
}

impl<'a> Pages<'a> {
    fn new(blocks: &'a Blocks) -> Pages<'a> {
        Pages {
            blocks,
            known: HashMap::new(),
            entries: vec![0; PAGE],
            draft: Draft::new(),
        }
    }

    /// The pages of a table.
    fn of(&mut self, folder: &Folder) -> Arc<[u16]> {
        let mut pages = vec![0; 0x110000 / PAGE];
        for (block, changes) in &self.blocks.0 {
            let known = self.known.entry(*block).or_default();
            let page = known.iter().find_map(|(asked, pages)| {
                let values = folder.options.values(*asked);
                pages.get(&values).copied()
            });
            pages[*block] = page.unwrap_or_else(|| {
                let page = (self.entries.len() / PAGE) as u16;
                let draft = &mut self.draft;
                let (entries, asked) = folder.options.watch(|| draft.page(*block, changes, folder));
                self.entries.extend(entries);
                let values = folder.options.values(asked);
                match known.iter_mut().find(|(known, _)| *known == asked) {
                    Some((_, pages)) => drop(pages.insert(values, page)),
                    None => known.push((asked, HashMap::from([(values, page)]))),
                }
                page
            });
        }
        pages.into()
    }
}

impl FoldTable {
    /// This table, which has no aliases, with some.
    fn with_aliases(&self, folder: &Folder, sources: &HashMap<u32, Vec<char>>) -> FoldTable {
        let mut draft = Draft::beside(self);
        let mut changed = HashMap::new();
        for key in folder.aliased() {
            let others = sources.get(&u32::from(key)).into_iter().flatten().copied();
            for c in others.chain([key]) {
                changed.insert(u32::from(c), draft.entry_of(folder.fold(c)));
            }
        }
        FoldTable {
            changed,
            special: Extended {
                own: draft.special.list.into(),
                ..self.special.clone()
            },
            lookalikes: Extended {
                own: draft.lookalikes.list.into(),
                ..self.lookalikes.clone()
            },
            ..self.clone()
        }
    }

    /// By symbol, for some of them, the characters that are folded to it, or to several symbols
    /// with it among them.
    fn sources(&self, wanted: &BTreeSet<char>) -> HashMap<u32, Vec<char>> {
        let mut sources: HashMap<u32, Vec<char>> = HashMap::new();
        if wanted.is_empty() {
            return sources;
        }
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
                let itself = char::from_u32(itself & SYMBOL);
                if let Some(itself) = itself.filter(|itself| wanted.contains(itself)) {
                    sources.entry(u32::from(itself)).or_default().push(c);
                }
            }
        }
        sources
    }
}

/// What has a number, from `before` on, and each the same one whenever it comes.
struct Numbered<T> {
    list: Vec<T>,
    numbers: HashMap<T, u32>,
    before: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Numbered<T> {
        Numbered {
            list: Vec::new(),
            numbers: HashMap::new(),
            before: 0,
        }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    fn number(&mut self, one: T) -> u32 {
        let next = (self.before + self.list.len()) as u32;
        let number = *self.numbers.entry(one.clone()).or_insert(next);
        if number == next {
            self.list.push(one);
        }
        number
    }
}

/// Special cases and lookalikes of tables that are being built.
#[derive(Default)]
struct Draft {
    special: Numbered<Special>,
    lookalikes: Numbered<Settled>,
}

impl Draft {
    fn new() -> Draft {
        let mut draft = Draft::default();
        // The entry of what is dropped is [`SPECIAL`] itself.
        draft.special.number(Special::Drop);
        draft
    }

    fn beside(table: &FoldTable) -> Draft {
        let mut draft = Draft::default();
        draft.special.before = table.special.shared.len();
        draft.lookalikes.before = table.lookalikes.shared.len();
        draft
    }

    /// The entries of a block, as they are kept.
    fn page(&mut self, block: usize, changes: &[Change; PAGE], folder: &Folder) -> [u32; PAGE] {
        let mut page = [0; PAGE];
        let points = (block * PAGE) as u32..;
        for ((entry, point), change) in page.iter_mut().zip(points).zip(changes) {
            let Some(c) = char::from_u32(point) else {
                continue;
            };
            *entry = point
                ^ match change {
                    Change::None => point,
                    Change::Noise => point | class(c),
                    Change::Folded => self.entry_of(folder.fold(c)),
                };
        }
        page
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
        SPECIAL | self.special.number(special)
    }

    fn symbol_of(&mut self, piece: Piece) -> u32 {
        let itself = u32::from(piece.c) | class(piece.c);
        let Some(latin) = piece.latin else {
            return itself;
        };
        let number = self.lookalikes.number(Settled {
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
        LOOKALIKE | script | number
    }
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
impl FoldTable {
    /// Builds a table alone. Errors: every alias that cannot be one, in words.
    pub(crate) fn build(options: &Options) -> Result<FoldTable, Vec<String>> {
        FoldTables::of(std::slice::from_ref(options)).get(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::{Choice, Confusables, Marks, OptionDef, Slot};

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

    /// A table in which every character was asked for itself.
    fn alone(options: &Options) -> FoldTable {
        let read = Tables::read();
        let folder = Folder::new(options, &read).unwrap();
        let mut draft = Draft::new();
        let points = (0..0x11_0000).filter_map(char::from_u32);
        let changed: HashMap<u32, u32> = points
            .map(|c| match folder.fold(c) {
                Folded::One(piece) if piece.c == c && piece.latin.is_none() => {
                    (u32::from(c), u32::from(c) | class(c))
                }
                folded => (u32::from(c), draft.entry_of(folded)),
            })
            .collect();
        FoldTable {
            pages: [0; 0x110000 / PAGE].into(),
            entries: [0; PAGE].into(),
            changed,
            special: Extended {
                shared: draft.special.list.into(),
                own: Arc::new([]),
            },
            lookalikes: Extended {
                shared: draft.lookalikes.list.into(),
                own: Arc::new([]),
            },
            always_latin: options.confusables == Confusables::Always,
        }
    }

    /// So many sets of options, each another one.
    fn foldings(count: usize) -> Vec<Options> {
        let names = [
            "case",
            "width",
            "style",
            "trad",
            "invisible",
            "codes",
            "kana",
            "hamza",
        ];
        let chosen = |number: usize| {
            let mut options = Options::default();
            for (bit, name) in names.into_iter().enumerate() {
                let def = OptionDef::named(name).unwrap();
                if let Slot::Switch(on) = def.slot(&mut options) {
                    *on = number >> bit & 1 == 1;
                }
            }
            options.num_style = number >> 8 & 1 == 1;
            options.confusables = Confusables::NAMED[(number >> 9) % 3].1;
            options.marks = Marks::NAMED[(number >> 9) / 3 % 3].1;
            options
        };
        (0..count).map(chosen).collect()
    }

    #[test]
    fn tables_that_are_built_together_are_as_alone() {
        let all = foldings(4_000);
        let some: Vec<Options> = all.iter().step_by(1_333).cloned().collect();
        let tables = FoldTables::of(&some);
        for options in &some {
            let (table, alone) = (tables.get(options).unwrap(), alone(options));
            for c in (0..0x11_0000).filter_map(char::from_u32) {
                assert_eq!(meaning(&table, c), meaning(&alone, c), "{c:?} {options:?}");
            }
        }
    }

    #[test]
    fn a_thousand_tables_share_most_of_their_pages() {
        let options = foldings(1_000);
        let read = Tables::read();
        let blocks = Blocks::of(&read);
        let mut pages = 0;
        for together in options.chunks(blocks.tables_together()) {
            let tables = built_together(together, &blocks, &read);
            pages += tables[0].entries.len() / PAGE;
        }
        let alone = options.len() * blocks.0.len();
        assert!(pages * 50 < alone, "{pages} of {alone}");
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
                let alone = alone(&options);
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
            let read = Tables::read();
            let folder = Folder::new(&options, &read).unwrap();
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
