//! Folding: from text to a stream of symbols in which equal means "the same to a reader".
//!
//! One table maps every code point, built once per set of options; text and entries pass through
//! the same table, so an entry is always folded like the text. The text itself is never changed:
//! every symbol knows the byte that it came from.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use unicode_normalization::char::{canonical_combining_class, compose};

use super::character::{self, Script};
use super::code_point::{Folded, Folder, Piece};
use super::flag;
use super::jamo;
use super::lookalike::Kind;
use super::stream::{
    CYRILLIC, DIGIT, FOREIGN, GREEK, KIND_SHIFT, LATIN, LETTER, MORE, PARTED, REGIONAL, SYMBOL,
    Stream, WORD,
};
use crate::filter::options::{Options, SkipClasses};

/// The kind of an entry of the table that is no symbol: the other bits are an index into the
/// special cases. No kind is above it.
const SPECIAL: u32 = 7 << KIND_SHIFT;
/// The kind of a letter that looks Latin; its symbol is an index into the table of lookalikes
/// until [`FoldTable::settle_lookalikes`] decides what it is.
const LOOKALIKE: u32 = 6 << KIND_SHIFT;
/// Beside [`FLAGS`]: there are lookalikes.
const LOOKALIKES: u32 = 1;
const FLAGS: u32 = LETTER | DIGIT | REGIONAL;
/// A flag of a country counts as a sign.
const SIGN: u32 = (character::Noise::Symbol as u32 + 1) << KIND_SHIFT;
const SPACE: u32 = (character::Noise::Space as u32 + 1) << KIND_SHIFT;

const PAGE: usize = 256;
/// The blocks in which characters are folded to anything but themselves. A test compares it with
/// all of Unicode; asking about each code point takes longer than compiling most lists.
///
/// Left out: the Han characters that [`Folder::han`] knows, and punctuation and symbols that only
/// have a kind of noise.
const CHANGING: [(u32, u32); 36] = [
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
    always_latin: bool,
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
enum Special {
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
struct Settled {
    itself: u32,
    latin: u32,
    kind: Kind,
}

/// What is around a lookalike.
#[derive(Clone, Copy)]
struct Around {
    /// In its run of letters.
    latin: bool,
    fancy: bool,
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
            let several = match self.special.get(entry & !SPECIAL) {
                Some(Special::Unfold(symbols)) if entry >= SPECIAL => &symbols[..],
                Some(Special::Regional(symbol)) if entry >= SPECIAL => std::slice::from_ref(symbol),
                _ if entry >= SPECIAL => &[],
                _ => std::slice::from_ref(&entry),
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

    /// Folds `text` into `stream`, whose content it replaces.
    pub(crate) fn fold(&self, text: &str, stream: &mut Stream) {
        let seen = self.fold_unsettled(text, stream);
        if seen & LOOKALIKES != 0 {
            self.settle_lookalikes(stream, |script, around| {
                around.latin || self.always_latin || seen & script == 0
            });
        }
        mark_parted(stream);
    }

    /// Folds `text` as [`Self::fold`] does, but leaves every letter in its own script, unless it
    /// is always Latin.
    pub(crate) fn fold_keeping_scripts(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| self.always_latin);
        mark_parted(stream);
    }

    /// Folds `text` as if every run of letters held a Latin one.
    pub(crate) fn fold_among_latin(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| true);
        mark_parted(stream);
    }

    /// Gives back the flags that were seen, and [`LOOKALIKES`].
    fn fold_unsettled(&self, text: &str, stream: &mut Stream) -> u32 {
        stream.clear();
        let (mut seen, mut blank) = (0, false);
        for (at, c) in text.char_indices() {
            let entry = self.entry(c);
            if entry >= SPECIAL {
                seen |= self.push_special(entry, c, at as u32, text, stream);
                blank = is_space(stream.symbols.last());
            } else if (at as u32) >= stream.read_to {
                // Several blanks are one.
                let was_blank =
                    std::mem::replace(&mut blank, entry >> KIND_SHIFT == SPACE >> KIND_SHIFT);
                if !(blank && was_blank) {
                    seen |= entry & FLAGS | u32::from(entry >= LOOKALIKE);
                    stream.push(entry, at as u32);
                }
            }
        }
        seen
    }

    #[inline]
    fn entry(&self, c: char) -> u32 {
        let point = u32::from(c);
        if !self.changed.is_empty()
            && let Some(entry) = self.changed.get(&point)
        {
            return *entry;
        }
        let page = self.pages[point as usize / PAGE];
        self.entries[usize::from(page) * PAGE + point as usize % PAGE] ^ point
    }

    fn lookalike(&self, symbol: u32) -> &Settled {
        let number = symbol & SYMBOL;
        let settled = self.lookalikes.get(number);
        settled.expect("its number was given when the table was built")
    }

    fn special(&self, entry: u32) -> &Special {
        let special = self.special.get(entry & !SPECIAL);
        special.expect("its number was given when the table was built")
    }

    /// What a character alone is folded to, if that is one symbol; a lookalike is itself, unless
    /// it is always Latin.
    pub(crate) fn symbol(&self, c: char) -> Option<u32> {
        match self.entry(c) {
            entry if entry >= SPECIAL => None,
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

    fn push_special(
        &self,
        entry: u32,
        c: char,
        origin: u32,
        text: &str,
        stream: &mut Stream,
    ) -> u32 {
        if origin < stream.read_to {
            return 0;
        }
        let end = origin + c.len_utf8() as u32;
        match self.special(entry) {
            Special::Drop => 0,
            Special::Parting => {
                stream.parted.push(stream.symbols.len() as u32);
                0
            }
            Special::Unfold(symbols) => symbols.iter().fold(0, |seen, symbol| {
                stream.push(*symbol, origin);
                seen | symbol & FLAGS | u32::from(*symbol >= LOOKALIKE)
            }),
            Special::Signs(symbols) => {
                let count = stream.symbols.len();
                let sign = Special::Sign(symbols[0]);
                let seen = self.push_mark(&sign, origin, end, stream);
                let more = u32::from(stream.symbols.len() > count) * MORE;
                symbols[1..].iter().fold(seen, |seen, symbol| {
                    stream.push(symbol | more, origin);
                    seen | symbol & FLAGS
                })
            }
            Special::Join { .. } | Special::Sign(_) if origin >= stream.marks_to => {
                self.push_marks(origin, text, stream)
            }
            mark @ (Special::Join { .. } | Special::Sign(_)) => {
                self.push_mark(mark, origin, end, stream)
            }
            Special::Jamo(letter) => {
                jamo::push(*letter, origin, end, stream);
                0
            }
            Special::Regional(letter) => {
                let rest = &text[origin as usize..];
                let run = rest.chars().take_while(|c| character::is_regional(*c));
                let count = run.clone().count() as u32;
                stream.read_to = origin + count * 4;
                if flag::are_flags(run.clone()) {
                    for (nth, flag) in flag::flags(run).enumerate() {
                        let start = origin + nth as u32 * 8;
                        stream.push(flag | SIGN, start);
                        stream.join(start + 8);
                    }
                    return 0;
                }
                let first = u32::from('\u{1F1E6}');
                run.zip(0..).fold(0, |seen, (c, nth)| {
                    let entry = self.entry(c);
                    let letter = match self.special.get(entry & !SPECIAL) {
                        Some(Special::Regional(letter)) if entry >= SPECIAL => *letter,
                        _ => *letter - first + u32::from(c),
                    };
                    stream.push(letter, origin + nth * 4);
                    seen | letter & FLAGS
                })
            }
            Special::BlackFlag(sign) => {
                let rest = &text[end as usize..];
                match flag::of_a_part(rest) {
                    Some((flag, length)) => {
                        stream.push(flag | SIGN, origin);
                        stream.read_to = end + length;
                        stream.join(stream.read_to);
                    }
                    None => stream.push(*sign, origin),
                }
                0
            }
            Special::Code => {
                stream.read_to = end + code_length(c, &text[end as usize..]);
                0
            }
        }
    }

    /// Marks, of which the first stands there, in their canonical order: those that do not touch
    /// each other may be written in any.
    fn push_marks(&self, origin: u32, text: &str, stream: &mut Stream) -> u32 {
        let rest = text[origin as usize..].char_indices();
        let class = |c: char| canonical_combining_class(c);
        let run = rest.take_while(|(at, c)| *at == 0 || class(*c) != 0);
        let mut marks: Vec<(u32, char)> = Vec::new();
        let mut end = origin;
        // A mark of no class stays where it is, and so does what follows it.
        let mut sorted = true;
        for (at, c) in run {
            if at > 0 && marks.first().is_some_and(|(_, first)| class(*first) == 0) {
                break;
            }
            let last = marks.last().map_or(0, |(_, last)| class(*last));
            sorted &= last <= class(c);
            end = origin + at as u32 + c.len_utf8() as u32;
            marks.push((origin + at as u32, c));
        }
        stream.marks_to = end;
        // Of marks that are signs of different scripts no reader makes a spelling.
        let script = |mark: &(u32, char)| character::sign_script(mark.1);
        let is_mixed = marks.iter().any(|mark| script(mark) != script(&marks[0]));
        if sorted || is_mixed {
            let (_, c) = marks[0];
            let entry = self.entry(c);
            return self.push_special(entry, c, origin, text, stream);
        }
        stream.read_to = end;
        let mut ordered: Vec<char> = marks.iter().map(|(_, c)| *c).collect();
        ordered.sort_by_key(|c| class(*c));
        let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([end]);
        let places: Vec<(u32, u32)> = marks.iter().map(|(at, _)| *at).zip(ends).collect();
        ordered
            .into_iter()
            .zip(places)
            .fold(0, |seen, (c, (start, end))| {
                let entry = self.entry(c);
                let special = self.special.get(entry & !SPECIAL);
                match special.filter(|_| entry >= SPECIAL) {
                    Some(mark @ (Special::Join { .. } | Special::Sign(_))) => {
                        seen | self.push_mark(mark, start, end, stream)
                    }
                    _ => seen,
                }
            })
    }

    fn push_mark(&self, mark: &Special, origin: u32, end: u32, stream: &mut Stream) -> u32 {
        match mark {
            Special::Join { mark, alone } => {
                if let Some(last) = stream.symbols.last_mut()
                    && let Some(joined) = self.join(*last, *mark)
                {
                    // A letter of a flag with a mark stays one.
                    *last = joined | *last & (MORE | REGIONAL);
                    stream.join(end);
                    return joined & FLAGS | u32::from(joined >= LOOKALIKE);
                }
                alone.map_or(0, |alone| {
                    stream.push(alone, origin);
                    alone & FLAGS
                })
            }
            Special::Sign(sign) => {
                let sign_char = char::from_u32(sign & SYMBOL);
                let last = stream.symbols.last().copied().unwrap_or(SPECIAL);
                let letter = char::from_u32(last & SYMBOL).filter(|_| last < LOOKALIKE);
                let script = letter.and_then(character::sign_script);
                let fits = script.is_some()
                    && letter != sign_char
                    && script == sign_char.and_then(character::sign_script);
                if !fits {
                    return 0;
                }
                stream.push(*sign, origin);
                sign & FLAGS
            }
            _ => 0,
        }
    }

    /// The symbol of a character and the mark that follows it, if there is one for both.
    fn join(&self, symbol: u32, mark: char) -> Option<u32> {
        let point = match symbol {
            ..LOOKALIKE => symbol & SYMBOL,
            _ => self.lookalike(symbol).itself & SYMBOL,
        };
        let joined = match (point, mark) {
            // The heh that joins it was folded to the other one.
            (0x647, '\u{654}') => 'ۀ',
            // So does the dot of `İ`, of which case has left an `i`.
            (0x69, '\u{307}') => 'i',
            _ => compose(char::from_u32(point)?, mark)?,
        };
        let entry = self.entry(joined);
        (entry < SPECIAL).then_some(entry)
    }

    /// Decides for every lookalike whether it is Latin.
    ///
    /// `is_latin` is asked about letters of other scripts, with the script as a flag and what is
    /// around them.
    fn settle_lookalikes(&self, stream: &mut Stream, is_latin: impl Fn(u32, Around) -> bool) {
        let symbols = &mut stream.symbols[..];
        let mut start = 0;
        while start < symbols.len() {
            let run = symbols[start..].iter();
            let run = run
                .take_while(|symbol| **symbol >= LOOKALIKE || **symbol & LETTER != 0)
                .count();
            let end = start + run;
            let run = &mut symbols[start..end];
            if run.iter().any(|symbol| *symbol >= LOOKALIKE) {
                let mut around = Around {
                    latin: false,
                    fancy: false,
                };
                for symbol in run.iter() {
                    around.latin |= symbol & LATIN != 0;
                    around.fancy |=
                        *symbol >= LOOKALIKE && self.lookalike(*symbol).kind == Kind::Fancy;
                }
                for symbol in run.iter_mut().filter(|symbol| **symbol >= LOOKALIKE) {
                    let settled = self.lookalike(*symbol);
                    let latin = match settled.kind {
                        Kind::Fancy => true,
                        Kind::Dotless => around.fancy || self.always_latin,
                        Kind::Foreign => is_latin(settled.itself & LETTER, around),
                    };
                    let foreign = u32::from(settled.kind == Kind::Foreign) * FOREIGN;
                    let now = if latin {
                        settled.latin | foreign
                    } else {
                        settled.itself
                    };
                    *symbol = now | *symbol & MORE;
                }
            }
            start = end + 1;
        }
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

/// A blank that ends no line.
pub(crate) fn is_space(symbol: Option<&u32>) -> bool {
    symbol.is_some_and(|symbol| symbol >> KIND_SHIFT == SPACE >> KIND_SHIFT)
}

/// A symbol of a script that writes no blanks between words, and no characters for words either:
/// Thai, Lao, Burmese or Khmer.
pub(crate) fn is_unspaced(symbol: u32) -> bool {
    matches!(
        symbol & SYMBOL,
        0xE01..=0xE3A
            | 0xE40..=0xE5B
            | 0xE81..=0xEFF
            | 0x1000..=0x109F
            | 0x1780..=0x17FF
            | 0xA9E0..=0xA9FF
            | 0xAA60..=0xAA7F
    )
}

/// Marks the letters behind what parts words of Arabic script.
fn mark_parted(stream: &mut Stream) {
    for at in stream.parted.drain(..) {
        if let Some(symbol) = stream.symbols.get_mut(at as usize)
            && character::is_arabic(*symbol & SYMBOL)
            && *symbol & WORD != 0
        {
            *symbol |= PARTED << KIND_SHIFT;
        }
    }
}

/// How many bytes of a formatting code follow its first character.
fn code_length(first: char, rest: &str) -> u32 {
    let digits = |text: &str| text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    match first {
        '\u{3}' => {
            let color = digits(rest);
            let ground = rest[color..].strip_prefix(',').map_or(0, digits);
            (color
                + if color > 0 && ground > 0 {
                    ground + 1
                } else {
                    0
                }) as u32
        }
        '\u{4}' => {
            let color = hex_color(rest);
            let ground = rest[color..].strip_prefix(',').map_or(0, hex_color);
            match (color, ground) {
                (0, _) | (_, 0) => color as u32,
                _ => (color + 1 + ground) as u32,
            }
        }
        _ => {
            let code = rest.bytes().next().map(|byte| byte.to_ascii_lowercase());
            u32::from(matches!(code, Some(b'0'..=b'9' | b'a'..=b'v' | b'x')))
        }
    }
}

/// The six digits of a colour that a text begins with, or none.
fn hex_color(text: &str) -> usize {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_hexdigit);
    match digits.count() {
        6 => 6,
        _ => 0,
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

/// Symbols that may stand between two characters of an entry, ready to be asked for each symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// One bit for each kind of noise.
    kinds: u32,
    flags: u32,
}

impl Noise {
    pub(crate) fn new(classes: SkipClasses) -> Noise {
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

    /// A letter or a digit that may; of forms, whose kinds of noise are not known, all that can be
    /// said.
    pub(crate) fn is_of_class(self, symbol: u32) -> bool {
        symbol & self.flags != 0
    }

    #[inline]
    pub(crate) fn holds(self, symbol: u32) -> bool {
        self.kinds >> (symbol >> KIND_SHIFT) & 1 != 0 || symbol & self.flags != 0
    }
}

/// A blank or the end of a line.
pub(crate) fn is_blank(symbol: u32) -> bool {
    const SPACE: u32 = character::Noise::Space as u32 + 1;
    const NEWLINE: u32 = character::Noise::Newline as u32 + 1;
    matches!(symbol >> KIND_SHIFT, SPACE | NEWLINE)
}

/// Any sign, emoji too, but no blank.
pub(crate) fn is_sign(symbol: u32) -> bool {
    const FIRST: u32 = character::Noise::Punct as u32 + 1;
    const LAST: u32 = character::Noise::Stop as u32 + 1;
    (FIRST..=LAST).contains(&(symbol >> KIND_SHIFT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::{Confusables, Marks};

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
        match table.entry(c) {
            entry if entry < SPECIAL => settled(entry),
            entry => match table.special(entry) {
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
