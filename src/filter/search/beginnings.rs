//! How patterns begin: what most of a harmless text is known by, without a look at the automaton.

/// No state, no pattern, no symbol.
pub(super) const NONE: u32 = u32::MAX;

pub(super) const SYMBOL_BITS: u32 = 21;
/// The bits of a symbol; in a text those above are not looked at.
pub(super) const SYMBOL: u32 = (1 << SYMBOL_BITS) - 1;
/// How many beginnings share a word of the bitmap.
const BEGINNINGS_PER_WORD: usize = 4;
const WORDS_MIN: usize = 64;
/// 256 KiB: beyond it a larger bitmap costs more in cache than it saves in steps.
const WORDS_MAX: usize = 1 << 15;
/// Symbols that are looked at together: the bits of a `u64`.
pub(super) const BLOCK: usize = 64;
/// How patterns begin, as a set with false positives: a bitmap of one load a question.
///
/// The first two symbols choose the word. In it one bit says that they are a whole pattern, and
/// others, chosen by the third symbol too, that a longer one begins with the three.
pub(super) struct Beginnings {
    words: Box<[u64]>,
    /// How far a hash is shifted to be the number of a word.
    shift: u32,
}

impl Beginnings {
    pub(super) fn with_room_for(members: usize) -> Beginnings {
        let words = match members {
            0 => 0,
            members => (members / BEGINNINGS_PER_WORD)
                .next_power_of_two()
                .clamp(WORDS_MIN, WORDS_MAX),
        };
        Beginnings {
            words: vec![0; words].into(),
            shift: 63_u32.saturating_sub(words.trailing_zeros()) + 1,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds a pattern of two symbols, with `third` [`NONE`], or the beginning of a longer one.
    pub(super) fn insert(&mut self, first: u32, second: u32, third: u32) {
        let hash = hash(pair(first, second));
        self.words[(hash >> self.shift) as usize] |= 1 << third_bit(hash, third);
    }

    /// Marks where in the first [`BLOCK`] symbols there may begin a pattern of two symbols, and
    /// where a longer one.
    #[inline]
    pub(super) fn marks(&self, text: &[u32]) -> (u64, u64) {
        let (mut pairs, mut triples) = (0, 0);
        for at in 0..text.len().saturating_sub(1).min(BLOCK) {
            let hash = hash(pair_at(text, at));
            let word = self.words.get((hash >> self.shift) as usize).unwrap_or(&0);
            pairs |= (word >> third_bit(hash, NONE) & 1) << at;
            if let Some(third) = text.get(at + 2) {
                triples |= (word >> third_bit(hash, third & SYMBOL) & 1) << at;
            }
        }
        (pairs, triples)
    }

    pub(super) fn may_hold_single(&self, symbol: u32) -> bool {
        let hash = hash(pair(0, symbol));
        let word = self.words.get((hash >> self.shift) as usize);
        word.is_some_and(|word| word >> third_bit(hash, NONE) & 1 == 1)
    }
}

#[inline]
pub(super) fn pair_at(text: &[u32], at: usize) -> u64 {
    pair(text[at] & SYMBOL, text[at + 1] & SYMBOL)
}

#[inline]
pub(super) fn triple_at(text: &[u32], at: usize) -> u64 {
    let [first, second, third] = [text[at], text[at + 1], text[at + 2]];
    triple(first & SYMBOL, second & SYMBOL, third & SYMBOL)
}

pub(super) fn single(symbol: u32) -> u64 {
    0b100 << 61 | u64::from(symbol)
}

#[inline]
pub(super) fn pair(first: u32, second: u32) -> u64 {
    0b101 << 61 | u64::from(first) << SYMBOL_BITS | u64::from(second)
}

#[inline]
pub(super) fn triple(first: u32, second: u32, third: u32) -> u64 {
    // The top bit is free, and set in all other keys.
    (u64::from(first) << SYMBOL_BITS | u64::from(second)) << SYMBOL_BITS | u64::from(third)
}

#[inline]
pub(super) fn longer(state: u32, symbol: u32) -> u64 {
    0b110 << 61 | u64::from(state) << SYMBOL_BITS | u64::from(symbol)
}

/// The bit of a third symbol in the word of a pair.
#[inline]
fn third_bit(pair_hash: u64, third: u32) -> u32 {
    (pair_hash as u32 ^ third).wrapping_mul(0x9E37_79B1) >> 26
}

/// Mixes a key; the high bits are the good ones.
#[inline]
pub(super) fn hash(key: u64) -> u64 {
    let product = u128::from(key ^ 0x243F_6A88_85A3_08D3) * 0x9E37_79B9_7F4A_7C15;
    (product >> 64) as u64 ^ product as u64
}
