//! Where words begin and end in scripts that write no blanks between them: Thai, Lao, Khmer and
//! Burmese. Only a list that says so asks, and only where there is a candidate.

use std::cell::OnceCell;

use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;

use crate::filter::text::{SYMBOL, is_unspaced};

/// The words of one folded text, known once somebody asks.
#[derive(Default)]
pub(crate) struct Segments {
    /// Where words begin and end, as numbers of symbols, ascending.
    breaks: OnceCell<Vec<usize>>,
}

impl Segments {
    pub(crate) fn clear(&mut self) {
        self.breaks.take();
    }

    /// Whether a word begins or ends before the symbol at `at` of the text that this is about.
    pub(crate) fn is_end(&self, stream: &[u32], at: usize) -> bool {
        let beside = stream.get(at.wrapping_sub(1)..=at);
        let inside = beside.is_some_and(|beside| beside.iter().all(|c| is_unspaced(*c)));
        let breaks = || self.breaks.get_or_init(|| breaks(stream));
        !inside || breaks().binary_search(&at).is_ok()
    }
}

fn breaks(stream: &[u32]) -> Vec<usize> {
    let mut text = String::with_capacity(stream.len() * 3);
    let mut starts = Vec::with_capacity(stream.len() + 1);
    for symbol in stream {
        starts.push(text.len());
        // What is of no such script parts words, and the segmenter knows nothing about it.
        let c = char::from_u32(symbol & SYMBOL).filter(|_| is_unspaced(*symbol));
        text.push(c.unwrap_or(' '));
    }
    starts.push(text.len());
    let segmenter = WordSegmenter::new_lstm(WordBreakInvariantOptions::default());
    let bytes = segmenter.segment_str(&text);
    bytes
        .filter_map(|at| starts.binary_search(&at).ok())
        .collect()
}
