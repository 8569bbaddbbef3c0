//! Thousands of patterns in one pass over folded text: Aho-Corasick over symbols.
//!
//! A bitmap over the first three symbols of the patterns stands in front, small enough for the
//! cache, so that harmless text rarely touches the automaton. States are slots of one hash table:
//! it builds faster than a double array, and a step is one look at the memory.
//! Time is linear in the text: a step back along `fail` undoes a step forward.

use std::ops::ControlFlow;

use super::beginnings::{
    BLOCK, Beginnings, NONE, SYMBOL, hash, longer, pair, pair_at, single, triple, triple_at,
};

/// What to report after a pattern that was reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The shorter ones that end there too.
    Shorter,
    /// Those that end at another place.
    Elsewhere,
    /// No more.
    Nothing,
}

const PATTERN_BITS: u32 = 24;
/// The bits of the number of a pattern; all of them is no pattern.
const PATTERN: u32 = (1 << PATTERN_BITS) - 1;
/// The most patterns that an automaton can hold.
pub(crate) const PATTERNS_MAX: usize = PATTERN as usize;

/// One beginning of a pattern, of one symbol or two (where it is the whole pattern) or of three
/// and more; the latter are the states.
#[derive(Clone, Copy)]
struct Slot {
    /// [`single`], [`pair`], [`triple`] or [`longer`]; never [`EMPTY`] once taken.
    key: u64,
    /// The state of the longest proper ending that is a state too, or [`NONE`].
    fail: u32,
    /// The longest pattern that ends here, or [`PATTERN`]; above it one bit for each class of
    /// symbols that lead on: most steps that lead nowhere are known without another look.
    ends: u32,
}

/// A key that no beginning has.
const EMPTY: u64 = u64::MAX;

pub(super) struct Automaton {
    slots: Box<[Slot]>,
    /// For each pattern the longest proper ending that is a pattern too, or [`PATTERN`]; those of
    /// one symbol are left out.
    shorter: Vec<u32>,
    beginnings: Beginnings,
    /// Patterns of one symbol; seldom any.
    singles: Beginnings,
}

impl Automaton {
    /// Builds the automaton and gives each pattern its number; equal patterns get the same one,
    /// and numbers are given in the order of first appearance.
    ///
    /// `bounds` holds the end of each pattern in `symbols`, ascending; no pattern is empty, every
    /// symbol is below 2^21, and there are at most [`PATTERNS_MAX`] patterns.
    pub(super) fn build(symbols: &[u32], bounds: &[usize]) -> (Automaton, Vec<u32>) {
        let patterns = Patterns { symbols, bounds };
        let mut automaton = Automaton::with_room_for(&patterns);
        let numbers = patterns
            .iter()
            .map(|pattern| {
                let slot = automaton.insert(pattern);
                automaton.end_at(slot)
            })
            .collect();
        automaton.link(&patterns);
        (automaton, numbers)
    }

    /// Reports every pattern in the text: its number and the index of its last symbol. Of those
    /// that end at one place the longer come first.
    pub(super) fn find(&self, stream: &[u32], mut found: impl FnMut(u32, usize) -> Next) {
        // A break says that no more is to be reported.
        let _ = self.find_longer(stream, &mut found);
    }

    fn find_longer(
        &self,
        stream: &[u32],
        found: &mut impl FnMut(u32, usize) -> Next,
    ) -> ControlFlow<()> {
        if !self.singles.is_empty() {
            self.find_singles(stream, found)?;
        }
        // Before `next` no pattern that begins is new, and before `fresh` none that ends.
        let (mut next, mut fresh) = (0, 0);
        for start in (0..stream.len()).step_by(BLOCK) {
            let block = &stream[start..];
            let (pairs, triples) = self.beginnings.marks(block);
            let pairs = self.present(pairs, |at| pair_at(block, at));
            let triples = self.present(triples, |at| triple_at(block, at));
            let mut left = pairs | triples;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                let at = start + bit;
                if at < next {
                    continue;
                }
                if pairs >> bit & 1 == 1
                    && at + 1 >= fresh
                    && let Some(slot) = self.slot(pair_at(block, bit))
                {
                    self.report(slot, at + 1, found)?;
                }
                if triples >> bit & 1 == 1
                    && let Some(state) = self.slot(triple_at(block, bit))
                {
                    fresh = self.walk(state, stream, at + 2, found)?;
                    next = fresh - 2;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Unmarks places whose key has an empty slot. The looks at the memory do not wait for each
    /// other, and what comes after finds it in the cache.
    #[inline]
    fn present(&self, marks: u64, key_at: impl Fn(usize) -> u64) -> u64 {
        let (mut present, mut left) = (0, marks);
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            let slot = &self.slots[place(key_at(bit as usize), self.slots.len())];
            present |= u64::from(slot.key != EMPTY) << bit;
        }
        present
    }

    fn find_singles(
        &self,
        stream: &[u32],
        found: &mut impl FnMut(u32, usize) -> Next,
    ) -> ControlFlow<()> {
        for (at, symbol) in stream.iter().enumerate() {
            let symbol = symbol & SYMBOL;
            if self.singles.may_hold_single(symbol)
                && let Some(slot) = self.slot(single(symbol))
            {
                self.report(slot, at, found)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Follows the text from a state that the symbol at `at` led to, until less than three symbols
    /// are a beginning; returns the index of the first symbol that it did not take.
    fn walk(
        &self,
        mut state: u32,
        stream: &[u32],
        mut at: usize,
        found: &mut impl FnMut(u32, usize) -> Next,
    ) -> ControlFlow<(), usize> {
        loop {
            self.report(state, at, found)?;
            at += 1;
            let Some(symbol) = stream.get(at) else {
                return ControlFlow::Continue(at);
            };
            let symbol = symbol & SYMBOL;
            state = loop {
                let slot = &self.slots[state as usize];
                if slot.ends & class_bit(symbol) != 0
                    && let Some(next) = self.slot(longer(state, symbol))
                {
                    break next;
                }
                if slot.fail == NONE {
                    return ControlFlow::Continue(at);
                }
                state = slot.fail;
            };
        }
    }

    #[inline]
    fn report(
        &self,
        slot: u32,
        at: usize,
        found: &mut impl FnMut(u32, usize) -> Next,
    ) -> ControlFlow<()> {
        let mut pattern = self.slots[slot as usize].ends & PATTERN;
        while let Some(shorter) = self.shorter.get(pattern as usize) {
            match found(pattern, at) {
                Next::Shorter => pattern = *shorter,
                Next::Elsewhere => break,
                Next::Nothing => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    /// The longest proper ending of a pattern that is a pattern too, but for those of one symbol
    /// behind longer ones.
    pub(super) fn shorter(&self, pattern: u32) -> Option<u32> {
        let shorter = *self.shorter.get(pattern as usize)?;
        (shorter != PATTERN).then_some(shorter)
    }

    #[inline]
    fn slot(&self, key: u64) -> Option<u32> {
        let slot = self.probe(key);
        (self.slots[slot].key == key).then_some(slot as u32)
    }

    /// The slot of a key, or the empty one where it belongs.
    #[inline]
    fn probe(&self, key: u64) -> usize {
        let mut at = place(key, self.slots.len());
        loop {
            let known = self.slots[at].key;
            if known == key || known == EMPTY {
                return at;
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }

    fn with_room_for(patterns: &Patterns) -> Automaton {
        let taken: usize = patterns
            .iter()
            .map(|pattern| pattern.len().max(3) - 2)
            .sum();
        let empty = Slot {
            key: EMPTY,
            fail: NONE,
            ends: PATTERN,
        };
        let count = patterns.iter().len();
        let singles = patterns.iter().filter(|pattern| pattern.len() == 1).count();
        Automaton {
            // A third of the slots stays empty, so that a probe is short and always ends.
            slots: vec![empty; taken * 3 / 2 + 2].into(),
            shorter: Vec::with_capacity(count),
            beginnings: Beginnings::with_room_for(count - singles),
            singles: Beginnings::with_room_for(singles),
        }
    }

    /// Takes slots for a pattern; returns the one where it ends.
    fn insert(&mut self, pattern: &[u32]) -> u32 {
        match *pattern {
            [first] => {
                self.singles.insert(0, first, NONE);
                self.enter(single(first))
            }
            [first, second] => {
                self.beginnings.insert(first, second, NONE);
                self.enter(pair(first, second))
            }
            [first, second, third, ref rest @ ..] => {
                self.beginnings.insert(first, second, third);
                let start = self.enter(triple(first, second, third));
                rest.iter().fold(start, |state, symbol| {
                    self.slots[state as usize].ends |= class_bit(*symbol);
                    self.enter(longer(state, *symbol))
                })
            }
            [] => unreachable!("the caller gives no empty pattern"),
        }
    }

    fn enter(&mut self, key: u64) -> u32 {
        let slot = self.probe(key);
        self.slots[slot].key = key;
        slot as u32
    }

    /// The number of the pattern that ends in a slot, a new one if none ended there so far.
    fn end_at(&mut self, slot: u32) -> u32 {
        let slot = &mut self.slots[slot as usize];
        if slot.ends & PATTERN == PATTERN {
            slot.ends = slot.ends & !PATTERN | self.shorter.len() as u32;
            self.shorter.push(PATTERN);
        }
        slot.ends & PATTERN
    }

    /// Sets `fail` and the shorter patterns of every state, shallow states first.
    fn link(&mut self, patterns: &Patterns) {
        let mut growing: Vec<(u32, &[u32])> = patterns
            .iter()
            .filter(|pattern| pattern.len() > 2)
            .map(|pattern| (NONE, pattern))
            .collect();
        let mut depth = 2;
        while !growing.is_empty() {
            growing.retain_mut(|(state, pattern)| {
                let key = match depth {
                    2 => triple(pattern[0], pattern[1], pattern[2]),
                    _ => longer(*state, pattern[depth]),
                };
                let next = self.slot(key).expect("every pattern was inserted");
                self.link_state(next, *state, &pattern[..=depth]);
                *state = next;
                depth + 1 < pattern.len()
            });
            depth += 1;
        }
    }

    /// Links the state that `symbols` lead to, by the last of them from `parent`.
    fn link_state(&mut self, state: u32, parent: u32, symbols: &[u32]) {
        let [.., first, second, third] = *symbols else {
            unreachable!("a state is of three symbols at least");
        };
        let fail = match self.slots.get(parent as usize) {
            Some(parent) => self.fail_from(parent.fail, first, second, third),
            None => NONE,
        };
        let ending = match fail {
            NONE => self.slot(pair(second, third)),
            fail => Some(fail),
        };
        let shorter = ending.map_or(PATTERN, |slot| self.slots[slot as usize].ends & PATTERN);
        let slot = &mut self.slots[state as usize];
        slot.fail = fail;
        let longest = slot.ends & PATTERN;
        match self.shorter.get_mut(longest as usize) {
            // Patterns share states: this one was linked before, and no pattern led to it.
            Some(_) if longest == shorter => {}
            Some(known) => *known = shorter,
            None => slot.ends = slot.ends & !PATTERN | shorter,
        }
    }

    /// Where a step by `third` leads from the state `back` or from one on the way back from it;
    /// `first` and `second` come before it.
    fn fail_from(&self, mut back: u32, first: u32, second: u32, third: u32) -> u32 {
        while let Some(slot) = self.slots.get(back as usize) {
            if let Some(next) = self.slot(longer(back, third)) {
                return next;
            }
            back = slot.fail;
        }
        self.slot(triple(first, second, third)).unwrap_or(NONE)
    }
}

/// Patterns one after the other in one array.
struct Patterns<'a> {
    symbols: &'a [u32],
    bounds: &'a [usize],
}

impl<'a> Patterns<'a> {
    fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u32]> {
        let (symbols, bounds) = (self.symbols, self.bounds);
        (0..bounds.len()).map(move |number| {
            let start = if number == 0 { 0 } else { bounds[number - 1] };
            &symbols[start..bounds[number]]
        })
    }
}

/// One of the bits above the pattern in a slot.
#[inline]
fn class_bit(symbol: u32) -> u32 {
    1 << (PATTERN_BITS + (symbol.wrapping_mul(0x9E37_79B1) >> 29))
}

/// Where a key belongs among `slots` slots.
#[inline]
fn place(key: u64, slots: usize) -> usize {
    (((hash(key) >> 32) * slots as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(patterns: &[&[u32]], text: &[u32]) -> Vec<(u32, usize)> {
        let symbols = patterns.concat();
        let bounds: Vec<usize> = patterns
            .iter()
            .scan(0, |end, pattern| {
                *end += pattern.len();
                Some(*end)
            })
            .collect();
        let (automaton, _) = Automaton::build(&symbols, &bounds);
        let mut found = Vec::new();
        automaton.find(text, |pattern, at| {
            found.push((pattern, at));
            Next::Shorter
        });
        found.sort_unstable();
        found
    }

    /// Tries every pattern at every position.
    fn obvious(patterns: &[&[u32]], text: &[u32]) -> Vec<(u32, usize)> {
        let mut distinct: Vec<&[u32]> = Vec::new();
        for pattern in patterns {
            if !distinct.contains(pattern) {
                distinct.push(pattern);
            }
        }
        let mut found = Vec::new();
        for (number, pattern) in distinct.iter().enumerate() {
            for start in 0..text.len() {
                if text[start..].starts_with(pattern) {
                    found.push((number as u32, start + pattern.len() - 1));
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// The same by the crate `aho-corasick`, which knows bytes: each symbol is one.
    fn by_aho_corasick(patterns: &[&[u32]], text: &[u32]) -> Vec<(u32, usize)> {
        let bytes = |symbols: &[u32]| -> Vec<u8> {
            symbols
                .iter()
                .map(|symbol| u8::try_from(*symbol).unwrap())
                .collect()
        };
        let mut distinct: Vec<Vec<u8>> = Vec::new();
        for pattern in patterns {
            if !distinct.contains(&bytes(pattern)) {
                distinct.push(bytes(pattern));
            }
        }
        let automaton = aho_corasick::AhoCorasick::new(&distinct).unwrap();
        let text = bytes(text);
        let found = automaton.find_overlapping_iter(&text);
        let mut found: Vec<_> = found
            .map(|hit| (hit.pattern().as_u32(), hit.end() - 1))
            .collect();
        found.sort_unstable();
        found
    }

    fn check(patterns: &[&[u32]], text: &[u32]) {
        assert_eq!(found(patterns, text), obvious(patterns, text));
        assert_eq!(found(patterns, text), by_aho_corasick(patterns, text));
    }

    #[test]
    fn nothing_is_found_without_patterns_or_text() {
        check(&[], &[1, 2, 3]);
        check(&[&[1, 2]], &[]);
    }

    #[test]
    fn short_pattern_inside_a_long_one_that_fails_late_is_found() {
        check(&[&[1, 2, 3, 4], &[2, 3], &[3]], &[1, 2, 3, 5]);
    }

    #[test]
    fn equal_patterns_share_a_number() {
        let (_, numbers) = Automaton::build(&[1, 2, 3, 1, 2], &[2, 3, 5]);
        assert_eq!(numbers, [0, 1, 0]);
    }

    proptest! {
        #[test]
        fn agrees_with_trying_every_pattern_everywhere(
            patterns in prop::collection::vec(prop::collection::vec(0u32..4, 1..7), 0..40),
            text in prop::collection::vec(0u32..5, 0..200),
        ) {
            let patterns: Vec<&[u32]> = patterns.iter().map(Vec::as_slice).collect();
            check(&patterns, &text);
        }
    }
}
