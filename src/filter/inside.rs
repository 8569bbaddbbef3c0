//! Which entries of a list stand inside of a text: a hash table of the entries, asked about the
//! pieces of the text.
//!
//! For long lists and short texts, such as the list's own entries: an automaton takes longer to
//! build than it takes to ask.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Bits of the bitmap of beginnings, as a power of two: 1 MiB.
const BITMAP_BITS: u32 = 23;
/// The longest entry that is looked for; the bits of [`Lengths`].
const LENGTH_MAX: usize = 127;
/// No symbol.
const NONE: u32 = u32::MAX;

/// The lengths of the entries with one beginning, as bits.
type Lengths = u128;
type Table<T> = HashMap<u64, T, BuildHasherDefault<Hashed>>;

/// Entries by what they are, and by how they begin.
pub struct Index {
    /// The first entry with a hash.
    first: Table<u32>,
    /// For each entry the next one with the same hash, or [`NONE`].
    next: Vec<u32>,
    /// By the first two symbols: of the entries that may begin inside of a Latin word, and of the
    /// others.
    beginnings: Table<[Lengths; 2]>,
    /// Most beginnings that no entry has are known from here, without a look at the table: first
    /// those of entries that may begin inside of a Latin word, then those of all.
    bitmaps: [Vec<u64>; 2],
    /// Some entry has only one symbol.
    any_single: bool,
}

impl Index {
    /// Indexes entries by their symbols. `hash_of` gives the hash by which an entry is known: that
    /// of its symbols, unless it has none. `begins_words` says that an entry is not found inside
    /// of a Latin word.
    pub(super) fn of<'a>(
        count: usize,
        symbols: impl Fn(usize) -> &'a [u32],
        hash_of: impl Fn(usize) -> u64,
        begins_words: impl Fn(usize) -> bool,
    ) -> Index {
        let mut index = Index {
            first: Table::with_capacity_and_hasher(count, Default::default()),
            next: vec![NONE; count],
            beginnings: Table::default(),
            bitmaps: [(); 2].map(|()| vec![0; 1 << (BITMAP_BITS - 6)]),
            any_single: false,
        };
        // Backwards, so that of equal entries the first comes first.
        for entry in (0..count).rev() {
            let symbols = symbols(entry);
            let before = index.first.insert(hash_of(entry), entry as u32);
            index.next[entry] = before.unwrap_or(NONE);
            if let (Some(beginning), 1..=LENGTH_MAX) = (beginning(symbols), symbols.len()) {
                let lengths = index.beginnings.entry(beginning).or_default();
                let begins_words = begins_words(entry);
                lengths[usize::from(begins_words)] |= 1 << symbols.len();
                index.any_single |= symbols.len() == 1;
                let bit = beginning >> (64 - BITMAP_BITS);
                for bitmap in &mut index.bitmaps[usize::from(begins_words)..] {
                    bitmap[(bit >> 6) as usize] |= 1 << (bit & 63);
                }
            }
        }
        index
    }

    /// The entries with a hash, ascending.
    pub(super) fn with_hash(&self, hash: u64) -> impl Iterator<Item = usize> {
        let first = self.first.get(&hash).copied().unwrap_or(NONE);
        let next = |entry: &u32| self.next.get(*entry as usize).copied();
        let entries = std::iter::successors(Some(first), next);
        entries
            .take_while(|entry| *entry != NONE)
            .map(|entry| entry as usize)
    }

    /// Tells the entry, the place and the length of every piece of the text whose hash is that of
    /// an entry, but for those entries inside of a Latin word that are not found there.
    pub(super) fn each_within(&self, text: &[u32], mut found: impl FnMut(usize, usize, usize)) {
        for start in 0..text.len() {
            let rest = &text[start..];
            let in_word = start > 0 && is_latin(text[start - 1]);
            let [one, two] = [rest.get(..1).filter(|_| self.any_single), rest.get(..2)];
            let [one, two] = [one, two].map(|symbols| self.lengths(symbols, in_word));
            let pieces = one | two;
            if pieces == 0 {
                continue;
            }
            let mut hash = HASH_OF_NOTHING;
            for (at, symbol) in rest.iter().enumerate().take(LENGTH_MAX) {
                hash = mixed(hash, *symbol);
                if pieces >> (at + 1) & 1 == 1 {
                    for entry in self.with_hash(hash) {
                        found(entry, start, at + 1);
                    }
                }
                if pieces >> (at + 1) <= 1 {
                    break;
                }
            }
        }
    }

    fn lengths(&self, symbols: Option<&[u32]>, in_word: bool) -> Lengths {
        let Some(beginning) = symbols.and_then(beginning) else {
            return 0;
        };
        let bit = beginning >> (64 - BITMAP_BITS);
        let bitmap = &self.bitmaps[usize::from(!in_word)];
        if bitmap[(bit >> 6) as usize] >> (bit & 63) & 1 == 0 {
            return 0;
        }
        match self.beginnings.get(&beginning) {
            Some([anywhere, _]) if in_word => *anywhere,
            Some([anywhere, words]) => anywhere | words,
            None => 0,
        }
    }
}

fn is_latin(symbol: u32) -> bool {
    char::from_u32(symbol).is_some_and(|c| c.is_ascii_alphabetic())
}

const HASH_OF_NOTHING: u64 = 0;

pub(super) fn hash(symbols: impl Iterator<Item = u32>) -> u64 {
    symbols.fold(HASH_OF_NOTHING, mixed)
}

/// The hash of the first two symbols, or of the only one.
fn beginning(symbols: &[u32]) -> Option<u64> {
    let (first, rest) = symbols.split_first()?;
    let second = rest.first().copied().unwrap_or(NONE);
    Some(mixed(mixed(HASH_OF_NOTHING, *first), second))
}

fn mixed(hash: u64, symbol: u32) -> u64 {
    let mixed = (hash ^ u64::from(symbol)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// Keys that are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("every key is a `u64`");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(entries: &[Vec<u32>], text: &[u32]) -> Vec<(usize, usize)> {
        let index = Index::of(
            entries.len(),
            |at| &entries[at],
            |at| hash(entries[at].iter().copied()),
            |_| false,
        );
        let mut found = Vec::new();
        index.each_within(text, |entry, start, length| {
            if entries[entry] == text[start..start + length] {
                found.push((start, entry));
            }
        });
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn it_agrees_with_looking_everywhere(
            entries in prop::collection::vec(prop::collection::vec(0u32..3, 0..5), 0..12),
            text in prop::collection::vec(0u32..3, 0..20),
        ) {
            let mut expected = Vec::new();
            for start in 0..text.len() {
                for (entry, symbols) in entries.iter().enumerate() {
                    if !symbols.is_empty() && text[start..].starts_with(symbols) {
                        expected.push((start, entry));
                    }
                }
            }
            prop_assert_eq!(found(&entries, &text), expected);
        }
    }

    #[test]
    fn entries_that_begin_words_are_not_looked_for_inside_of_them() {
        let text: Vec<u32> = "ab b赌b".chars().map(u32::from).collect();
        let entry = &text[1..2];
        let places = |begins_words: bool| {
            let hash_of = |_| hash(entry.iter().copied());
            let index = Index::of(1, |_| entry, hash_of, |_| begins_words);
            let mut places = Vec::new();
            index.each_within(&text, |_, start, _| places.push(start));
            places
        };
        assert_eq!(places(false), [1, 3, 5]);
        assert_eq!(places(true), [3, 5]);
    }

    #[test]
    fn the_longest_entries_are_found() {
        let long: Vec<u32> = (0..127).collect();
        assert_eq!(found(std::slice::from_ref(&long), &long), [(0, 0)]);
    }
}
