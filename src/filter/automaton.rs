//! Thousands of patterns in one pass over folded text: Aho-Corasick over symbols.
//!
//! A bitmap over the first three symbols of the patterns stands in front, small enough for the
//! cache, so that harmless text rarely touches the automaton. States are slots of one hash
//! table, which builds faster than a double array and asks the memory once a step.
//! Time is linear in the text: a step back along `fail` undoes a step forward.

/// States of depth 1 have no slot: they are their symbol with this bit.
const FIRST: u32 = 1 << 31;
/// Where patterns of one symbol start; also "no state", "no pattern" and "no symbol".
const NONE: u32 = u32::MAX;
/// What an empty slot comes from.
const NOWHERE: u32 = NONE - 1;
/// The bits of a symbol. What is above them is not looked at, here and in the texts.
const SYMBOL: u32 = (1 << SYMBOL_BITS) - 1;
const SYMBOL_BITS: u32 = 21;
/// How many beginnings share a word of the bitmap.
const MEMBERS_PER_WORD: usize = 4;
const WORDS_MIN: usize = 64;
/// 256 KiB: beyond it a larger bitmap costs more in cache than it saves in steps.
const WORDS_MAX: usize = 1 << 15;

/// One state: the step that leads to it, and what it means to be in it.
#[derive(Clone, Copy)]
struct Slot {
    from: u32,
    /// The symbol, and above it one bit for each class of symbols that lead on from here: most
    /// steps that lead nowhere are known without a look at another slot.
    symbol: u32,
    /// The state of the longest proper ending that is a beginning too, or [`NONE`].
    fail: u32,
    /// Index into the table of [`Ends`], or [`NONE`] when no pattern ends here.
    ends: u32,
}

/// The patterns that end in one state.
#[derive(Clone, Copy)]
struct Ends {
    /// The pattern that led here, or [`NONE`].
    pattern: u32,
    /// The [`Ends`] of the nearest state on the way back along `fail`, or [`NONE`].
    shorter: u32,
}

pub struct Automaton {
    slots: Box<[Slot]>,
    ends: Vec<Ends>,
    beginnings: Beginnings,
    /// Symbols that are patterns by themselves; seldom any.
    singles: Beginnings,
}

impl Automaton {
    /// Builds the automaton and gives each pattern its number; equal patterns get the same one,
    /// and numbers are given in the order of first appearance.
    ///
    /// `bounds` holds the end of each pattern in `symbols`, ascending; no pattern is empty and
    /// every symbol is below 2^21.
    pub fn build(symbols: &[u32], bounds: &[usize]) -> (Automaton, Vec<u32>) {
        let patterns = Patterns { symbols, bounds };
        let mut automaton = Automaton::with_room_for(&patterns);
        let mut numbers = Vec::with_capacity(bounds.len());
        let mut next = 0;
        for pattern in patterns.iter() {
            let state = automaton.insert(pattern);
            let ends = automaton.ends_of(state);
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
    /// Symbols in `stream` may carry flags above their 21 bits.
    pub fn find(&self, stream: &[u32], mut found: impl FnMut(u32, usize)) {
        if !self.singles.is_empty() {
            self.find_singles(stream, &mut found);
        }
        let mut at = 0;
        while at + 1 < stream.len() {
            let (first, second) = (stream[at] & SYMBOL, stream[at + 1] & SYMBOL);
            let third = stream.get(at + 2).map_or(NONE, |third| third & SYMBOL);
            at += 1;
            if self.beginnings.may_hold(first, second, third)
                && let Some(state) = self.step(first | FIRST, second)
            {
                at = self.walk(state, stream, at, &mut found);
            }
        }
    }

    fn find_singles(&self, stream: &[u32], found: &mut impl FnMut(u32, usize)) {
        for (at, symbol) in stream.iter().enumerate() {
            let symbol = symbol & SYMBOL;
            if self.singles.may_hold(NONE, symbol, NONE)
                && let Some(state) = self.step(NONE, symbol)
            {
                self.report(state, at, found);
            }
        }
    }

    /// Follows the text from a state of depth 2, which ends at `at`, until less than two symbols
    /// are a beginning; returns the index of the last symbol that may begin a pattern.
    fn walk(
        &self,
        mut state: u32,
        stream: &[u32],
        mut at: usize,
        found: &mut impl FnMut(u32, usize),
    ) -> usize {
        loop {
            self.report(state, at, found);
            at += 1;
            let Some(symbol) = stream.get(at) else {
                return at;
            };
            let symbol = symbol & SYMBOL;
            state = loop {
                let slot = &self.slots[state as usize];
                if slot.symbol & class_bit(symbol) != 0
                    && let Some(next) = self.step(state, symbol)
                {
                    break next;
                }
                state = slot.fail;
                if state == NONE {
                    return at - 1;
                }
            };
        }
    }

    #[inline]
    fn report(&self, state: u32, at: usize, found: &mut impl FnMut(u32, usize)) {
        let mut next = self.slots[state as usize].ends;
        while let Some(ends) = self.ends.get(next as usize) {
            if ends.pattern != NONE {
                found(ends.pattern, at);
            }
            next = ends.shorter;
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
            let slot = &self.slots[at];
            if slot.from == from && slot.symbol & SYMBOL == symbol || slot.from == NOWHERE {
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
        let longer = patterns.iter().filter(|pattern| pattern.len() > 1).count();
        let empty = Slot {
            from: NOWHERE,
            symbol: 0,
            fail: NONE,
            ends: NONE,
        };
        Automaton {
            slots: vec![empty; slots].into(),
            ends: Vec::with_capacity(patterns.iter().len()),
            beginnings: Beginnings::with_room_for(longer),
            singles: Beginnings::with_room_for(patterns.iter().len() - longer),
        }
    }

    fn insert(&mut self, pattern: &[u32]) -> u32 {
        match *pattern {
            [single] => {
                self.singles.insert(NONE, single, NONE);
                self.enter(NONE, single)
            }
            [first, second, ref rest @ ..] => {
                let third = rest.first().copied().unwrap_or(NONE);
                self.beginnings.insert(first, second, third);
                let start = self.enter(first | FIRST, second);
                rest.iter()
                    .fold(start, |state, symbol| self.enter(state, *symbol))
            }
            [] => unreachable!("the caller gives no empty pattern"),
        }
    }

    fn enter(&mut self, from: u32, symbol: u32) -> u32 {
        let slot = self.probe(from, symbol);
        let entered = &mut self.slots[slot];
        if entered.from == NOWHERE {
            (entered.from, entered.symbol) = (from, symbol);
        }
        if let Some(parent) = self.slots.get_mut(from as usize) {
            parent.symbol |= class_bit(symbol);
        }
        slot as u32
    }

    /// The ends of a state, which may be none so far.
    fn ends_of(&mut self, state: u32) -> &mut Ends {
        let slot = &mut self.slots[state as usize];
        if slot.ends == NONE {
            slot.ends = self.ends.len() as u32;
            self.ends.push(Ends {
                pattern: NONE,
                shorter: NONE,
            });
        }
        &mut self.ends[slot.ends as usize]
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
        let mut back = self.slots[parent as usize].fail;
        let fail = loop {
            if back == NONE {
                break self.step(before | FIRST, symbol).unwrap_or(NONE);
            }
            if let Some(next) = self.step(back, symbol) {
                break next;
            }
            back = self.slots[back as usize].fail;
        };
        let shorter = self.slots.get(fail as usize).map_or(NONE, |slot| slot.ends);
        let slot = &mut self.slots[state as usize];
        slot.fail = fail;
        match self.ends.get_mut(slot.ends as usize) {
            // Patterns share states, so this one may have been linked before.
            Some(_) if slot.ends == shorter => {}
            Some(ends) => ends.shorter = shorter,
            None => slot.ends = shorter,
        }
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

/// How patterns begin, as a set with false positives: a bitmap of one load a question.
///
/// The first two symbols choose the word. In it one bit says that they are a whole pattern, and
/// other bits, chosen by the third symbol too, that a longer one begins with the three.
struct Beginnings {
    words: Box<[u64]>,
    /// How far a hash is shifted to be the number of a word.
    shift: u32,
}

impl Beginnings {
    fn with_room_for(members: usize) -> Beginnings {
        if members == 0 {
            return Beginnings {
                words: Box::default(),
                shift: 0,
            };
        }
        let words = (members / MEMBERS_PER_WORD)
            .next_power_of_two()
            .clamp(WORDS_MIN, WORDS_MAX);
        Beginnings {
            words: vec![0; words].into(),
            shift: 64 - words.trailing_zeros(),
        }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn insert(&mut self, first: u32, second: u32, third: u32) {
        let pair = pair_hash(first, second);
        self.words[(pair >> self.shift) as usize] |= third_bit(pair, third);
    }

    /// Whether a pattern of the first two symbols or one that begins with all three may exist;
    /// `third` is [`NONE`] at the end of a text.
    #[inline]
    fn may_hold(&self, first: u32, second: u32, third: u32) -> bool {
        let pair = pair_hash(first, second);
        match self.words.get((pair >> self.shift) as usize) {
            Some(word) => word & (third_bit(pair, NONE) | third_bit(pair, third)) != 0,
            None => false,
        }
    }
}

/// One of the bits above the symbol in a slot.
#[inline]
fn class_bit(symbol: u32) -> u32 {
    let class = symbol.wrapping_mul(0x9E37_79B1) >> 16;
    1 << (SYMBOL_BITS + (class * (32 - SYMBOL_BITS) >> 16))
}

/// The bit of a third symbol in the word of a pair.
#[inline]
fn third_bit(pair: u64, third: u32) -> u64 {
    let mixed = (pair as u32 ^ third).wrapping_mul(0x9E37_79B1);
    1 << (mixed >> 26)
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
        automaton.find(text, |pattern, at| found.push((pattern, at)));
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
