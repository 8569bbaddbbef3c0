//! Thousands of patterns in one pass over folded text: Aho-Corasick over symbols.
//!
//! A bitmap over the first two symbols of the patterns stands in front, small enough for the
//! cache, so that harmless text rarely touches the automaton. States are slots of one hash
//! table, which builds faster than a double array and asks the memory once a step.
//! Time is linear in the text: a step back along `fail` undoes a step forward.

/// States of depth 1 have no slot: they are their symbol with this bit.
const FIRST: u32 = 1 << 31;
/// Where patterns of one symbol start; also "no state".
const NONE: u32 = u32::MAX;
/// Bits of the bitmap for each pair that it holds.
const BITS_PER_PAIR: usize = 8;
/// 32 KiB: beyond it a larger bitmap costs more in cache than it saves in steps.
const BITS_MAX: usize = 1 << 21;

/// One state: the step that leads to it.
#[derive(Clone, Copy)]
struct Slot {
    from: u32,
    symbol: u32,
}

/// What ends in one state.
#[derive(Clone, Copy)]
struct Ends {
    /// The pattern that ends here, or [`NONE`].
    pattern: u32,
    /// The nearest state on the way back along `fail` where one ends, or [`NONE`].
    shorter: u32,
}

pub struct Automaton {
    slots: Box<[Slot]>,
    fail: Box<[u32]>,
    ends: Box<[Ends]>,
    pairs: Bitmap,
    /// Symbols that are patterns by themselves; empty in most lists.
    singles: Bitmap,
}

impl Automaton {
    /// Builds the automaton and gives each pattern its number; equal patterns get the same one,
    /// and numbers are given in the order of first appearance.
    ///
    /// `bounds` holds the end of each pattern in `symbols`, ascending; no pattern is empty and
    /// no symbol reaches bit 31.
    pub fn build(symbols: &[u32], bounds: &[usize]) -> (Automaton, Vec<u32>) {
        let patterns = Patterns { symbols, bounds };
        let mut automaton = Automaton::with_room_for(&patterns);
        let mut numbers = Vec::with_capacity(bounds.len());
        let mut next = 0;
        for pattern in patterns.iter() {
            let state = automaton.insert(pattern);
            let ends = &mut automaton.ends[state as usize];
            if ends.pattern == NONE {
                ends.pattern = next;
                next += 1;
            }
            numbers.push(ends.pattern);
        }
        automaton.link(&patterns);
        (automaton, numbers)
    }

    /// Reports every pattern in the text: its number and the index of its last symbol.
    ///
    /// `stream` may carry flags above the bits of `mask`, which are not looked at.
    pub fn find(&self, stream: &[u32], mask: u32, mut found: impl FnMut(u32, usize)) {
        if !self.singles.is_empty() {
            self.find_singles(stream, mask, &mut found);
        }
        let mut at = 0;
        while at + 1 < stream.len() {
            let (first, second) = (stream[at] & mask, stream[at + 1] & mask);
            at += 1;
            if self.pairs.holds(pair_hash(first, second))
                && let Some(state) = self.step(first | FIRST, second)
            {
                at = self.walk(state, stream, mask, at, &mut found);
            }
        }
    }

    fn find_singles(&self, stream: &[u32], mask: u32, found: &mut impl FnMut(u32, usize)) {
        for (at, symbol) in stream.iter().enumerate() {
            let symbol = symbol & mask;
            if self.singles.holds(pair_hash(NONE, symbol))
                && let Some(state) = self.step(NONE, symbol)
            {
                found(self.ends[state as usize].pattern, at);
            }
        }
    }

    /// Follows the text from a state of depth 2, which ends at `at`, until less than two symbols
    /// are a beginning; returns the index of the last symbol that may begin a pattern.
    fn walk(
        &self,
        mut state: u32,
        stream: &[u32],
        mask: u32,
        mut at: usize,
        found: &mut impl FnMut(u32, usize),
    ) -> usize {
        loop {
            self.report(state, at, found);
            at += 1;
            let Some(symbol) = stream.get(at) else {
                return at;
            };
            state = loop {
                if let Some(next) = self.step(state, symbol & mask) {
                    break next;
                }
                state = self.fail[state as usize];
                if state == NONE {
                    return at - 1;
                }
            };
        }
    }

    #[inline]
    fn report(&self, state: u32, at: usize, found: &mut impl FnMut(u32, usize)) {
        let mut ends = self.ends[state as usize];
        loop {
            if ends.pattern != NONE {
                found(ends.pattern, at);
            }
            if ends.shorter == NONE {
                return;
            }
            ends = self.ends[ends.shorter as usize];
        }
    }

    #[inline]
    fn step(&self, from: u32, symbol: u32) -> Option<u32> {
        let slot = self.probe(from, symbol);
        (self.slots[slot].from == from).then_some(slot as u32)
    }

    /// The slot that holds this step, or the empty one where it belongs.
    #[inline]
    fn probe(&self, from: u32, symbol: u32) -> usize {
        let mut at = place(pair_hash(from, symbol), self.slots.len());
        loop {
            let slot = self.slots[at];
            if slot.symbol == symbol && slot.from == from || slot.symbol == NONE {
                return at;
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }

    fn with_room_for(patterns: &Patterns) -> Automaton {
        let steps = patterns.iter().map(|pattern| pattern.len().max(2) - 1);
        let states: usize = steps.sum();
        // Half of the slots stay empty, so that a probe is short and always ends.
        let slots = states * 2 + 2;
        let pairs = patterns.iter().filter(|pattern| pattern.len() > 1).count();
        let empty = Slot {
            from: NONE - 1,
            symbol: NONE,
        };
        let nothing = Ends {
            pattern: NONE,
            shorter: NONE,
        };
        Automaton {
            slots: vec![empty; slots].into(),
            fail: vec![NONE; slots].into(),
            ends: vec![nothing; slots].into(),
            pairs: Bitmap::with_room_for(pairs),
            singles: Bitmap::with_room_for(patterns.iter().len() - pairs),
        }
    }

    fn insert(&mut self, pattern: &[u32]) -> u32 {
        match *pattern {
            [single] => {
                self.singles.insert(pair_hash(NONE, single));
                self.enter(NONE, single)
            }
            [first, second, ref rest @ ..] => {
                self.pairs.insert(pair_hash(first, second));
                let start = self.enter(first | FIRST, second);
                rest.iter()
                    .fold(start, |state, symbol| self.enter(state, *symbol))
            }
            [] => unreachable!("the caller gives no empty pattern"),
        }
    }

    fn enter(&mut self, from: u32, symbol: u32) -> u32 {
        let slot = self.probe(from, symbol);
        self.slots[slot] = Slot { from, symbol };
        slot as u32
    }

    /// Sets `fail` and `shorter` of every state, shallow states first.
    fn link(&mut self, patterns: &Patterns) {
        let mut growing: Vec<(u32, &[u32])> = patterns
            .iter()
            .filter(|pattern| pattern.len() > 2)
            .map(|pattern| (pattern[0] | FIRST, pattern))
            .collect();
        let mut depth = 1;
        while !growing.is_empty() {
            growing.retain_mut(|(state, pattern)| {
                let parent = *state;
                let symbol = pattern[depth];
                *state = self
                    .step(parent, symbol)
                    .expect("every pattern was inserted");
                if depth > 1 {
                    self.link_state(*state, parent, pattern[depth - 1], symbol);
                }
                depth + 1 < pattern.len()
            });
            depth += 1;
        }
    }

    fn link_state(&mut self, state: u32, parent: u32, before: u32, symbol: u32) {
        let mut back = self.fail[parent as usize];
        let fail = loop {
            if back == NONE {
                break self.step(before | FIRST, symbol).unwrap_or(NONE);
            }
            if let Some(next) = self.step(back, symbol) {
                break next;
            }
            back = self.fail[back as usize];
        };
        self.fail[state as usize] = fail;
        self.ends[state as usize].shorter = match fail {
            NONE => NONE,
            fail if self.ends[fail as usize].pattern != NONE => fail,
            fail => self.ends[fail as usize].shorter,
        };
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

/// A set of hashes with false positives.
struct Bitmap {
    words: Box<[u64]>,
    /// How far a hash is shifted to be the number of a bit.
    shift: u32,
}

impl Bitmap {
    fn with_room_for(members: usize) -> Bitmap {
        if members == 0 {
            return Bitmap {
                words: Box::default(),
                shift: 0,
            };
        }
        let bits = (members * BITS_PER_PAIR)
            .next_power_of_two()
            .clamp(1 << 12, BITS_MAX);
        Bitmap {
            words: vec![0; bits / 64].into(),
            shift: 64 - bits.trailing_zeros(),
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn insert(&mut self, hash: u64) {
        let bit = hash >> self.shift;
        self.words[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    #[inline]
    fn holds(&self, hash: u64) -> bool {
        let bit = hash >> self.shift;
        match self.words.get((bit / 64) as usize) {
            Some(word) => word >> (bit % 64) & 1 == 1,
            None => false,
        }
    }
}

/// Mixes a step into 64 bits; the high ones are the good ones.
#[inline]
fn pair_hash(from: u32, symbol: u32) -> u64 {
    let key = u64::from(from) << 32 | u64::from(symbol);
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Where a hash belongs among `slots` slots.
#[inline]
fn place(hash: u64, slots: usize) -> usize {
    ((hash >> 32) * slots as u64 >> 32) as usize
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
        automaton.find(text, u32::MAX >> 1, |pattern, at| found.push((pattern, at)));
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

    fn check(patterns: &[&[u32]], text: &[u32]) {
        assert_eq!(found(patterns, text), obvious(patterns, text));
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
            text in prop::collection::vec(0u32..5, 0..60),
        ) {
            let patterns: Vec<&[u32]> = patterns.iter().map(Vec::as_slice).collect();
            check(&patterns, &text);
        }
    }
}
