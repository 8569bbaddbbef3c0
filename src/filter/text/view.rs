//! Views: what the options between folding and matching make of a folded text.
//!
//! Noise is left out, signs become the letters that they may stand for, Han characters their
//! sound. Entries pass through the same view. In a second step runs of one symbol become one.

use super::leet;
use super::sound::Sounds;
use super::stream::{REGIONAL, SYMBOL};
use super::symbol::Noise;
use crate::filter::options::{Options, SkipClasses};

/// What a view changes. Lists that look through the same lens share a view and an automaton.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lens {
    /// Left out, unless `signs` keeps it.
    pub skip: SkipClasses,
    /// Signs that may be letters stay.
    pub signs: bool,
    pub leet: bool,
    pub homophone: bool,
}

impl Lens {
    /// The lens of a list's entries that hold no noise themselves.
    pub(crate) fn of(options: &Options) -> Lens {
        Lens {
            skip: options.skip,
            signs: false,
            leet: options.leet,
            homophone: options.homophone,
        }
    }

    /// Changes nothing.
    pub(crate) fn is_clear(self) -> bool {
        self == Lens::default()
    }

    /// An entry as it is in the view; it holds no noise.
    pub(crate) fn entry(self, symbols: &[u32], sounds: &Sounds, seen: &mut Vec<u32>) {
        seen.extend(
            symbols
                .iter()
                .map(|symbol| self.seen(symbol & SYMBOL, sounds)),
        );
    }

    #[inline]
    fn seen(self, symbol: u32, sounds: &Sounds) -> u32 {
        match symbol {
            symbol if symbol < 0x100 && self.leet => leet::class(symbol),
            symbol if symbol >= 0x100 && self.homophone => sounds.of(symbol),
            symbol => symbol,
        }
    }
}

/// A folded text through a lens.
#[derive(Default)]
pub(crate) struct View {
    pub symbols: Vec<u32>,
    /// Where in the stream each symbol stands.
    pub at: Vec<u32>,
    /// The most equal symbols in a row: 1, 2, or 3 for three and more.
    pub longest_run: u32,
    /// There are signs that may be letters or noise.
    pub has_signs: bool,
    /// There are regional indicators that may be letters or noise.
    pub may_be_flags: bool,
}

impl View {
    /// Fills the view from a stream. With `flags`, regional indicators are no letters but noise.
    pub(crate) fn fill(&mut self, lens: Lens, sounds: &Sounds, stream: &[u32], flags: bool) {
        let noise = Noise::new(lens.skip);
        let flags = if flags { REGIONAL } else { 0 };
        self.symbols.resize(stream.len(), 0);
        self.at.resize(stream.len(), 0);
        let (mut kept, mut seen, mut signs) = (0, 0, false);
        for (at, symbol) in stream.iter().enumerate() {
            let plain = symbol & SYMBOL;
            let is_noise = noise.holds(*symbol) || symbol & flags != 0;
            let sign = lens.leet && is_noise && leet::is_sign(plain);
            signs |= sign;
            self.symbols[kept] = lens.seen(plain, sounds) | symbol & REGIONAL;
            self.at[kept] = at as u32;
            kept += usize::from(!is_noise || sign && lens.signs);
            seen |= symbol;
        }
        self.symbols.truncate(kept);
        self.at.truncate(kept);
        self.has_signs = signs;
        self.may_be_flags = seen & REGIONAL != 0 && lens.skip.contains(SkipClasses::SYMBOL);
        self.longest_run = longest_run(&self.symbols);
    }
}

/// The most equal symbols in a row: 0, 1, 2, or 3 for three and more.
pub(crate) fn longest_run(symbols: &[u32]) -> u32 {
    let (mut two, mut three) = (false, false);
    let (mut before, mut last) = (u32::MAX, u32::MAX);
    for symbol in symbols {
        let symbol = symbol & SYMBOL;
        two |= symbol == last;
        three |= symbol == last && last == before;
        (before, last) = (last, symbol);
    }
    match (two, three) {
        (_, true) => 3,
        (true, false) => 2,
        (false, false) => u32::from(!symbols.is_empty()),
    }
}

/// A view in which each run of equal symbols is one.
#[derive(Default)]
pub(crate) struct Runs {
    pub symbols: Vec<u32>,
    /// Where each run starts in the view; one more at the end.
    pub starts: Vec<u32>,
}

impl Runs {
    pub(crate) fn fill(&mut self, symbols: &[u32]) {
        self.symbols.clear();
        self.starts.clear();
        let mut last = u32::MAX;
        for (at, symbol) in symbols.iter().enumerate() {
            let symbol = symbol & SYMBOL;
            if symbol != last {
                self.symbols.push(symbol);
                self.starts.push(at as u32);
                last = symbol;
            }
        }
        self.starts.push(symbols.len() as u32);
    }
}
