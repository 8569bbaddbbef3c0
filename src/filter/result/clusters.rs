//! What a reader sees as one character: a match begins and ends with one, and takes the marks
//! behind it along.

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::hit::Hit;
use super::trailing::Trailing;
use crate::filter::text::Stream;

/// The clusters of one text, known once somebody asks about one that is not plain.
#[derive(Default)]
pub(crate) struct Clusters {
    bounds: Vec<u32>,
    trailing: Trailing,
}

impl Clusters {
    pub(crate) fn clear(&mut self) {
        self.bounds.clear();
        self.trailing.clear();
    }

    /// A hit with the marks behind it.
    pub(crate) fn with_marks(&mut self, text: &str, stream: &Stream, hit: Hit) -> Hit {
        Hit {
            end: self.trailing.end(text, stream, hit.end),
            ..hit
        }
    }

    /// The same, if it parts no cluster.
    pub(crate) fn whole(&mut self, text: &str, stream: &Stream, hit: Hit) -> Option<Hit> {
        let hit = self.with_marks(text, stream, hit);
        (self.begins(text, hit.start) && self.ends(text, hit.end)).then_some(hit)
    }

    /// What stands in front of a cluster is no part of what is sought.
    fn begins(&mut self, text: &str, start: u32) -> bool {
        let (before, rest) = text.split_at(start as usize);
        let prepended = before.chars().next_back().is_some_and(is_prepended);
        prepended || self.is_between(text, rest.chars().next(), start)
    }

    fn ends(&mut self, text: &str, end: u32) -> bool {
        let (before, rest) = text.split_at(end as usize);
        // What stands in front of a cluster is one with it, however plain that begins.
        if !rest.is_empty() && before.chars().next_back().is_some_and(is_prepended) {
            return self.is_bound(text, end);
        }
        self.is_between(text, rest.chars().next(), end)
    }

    /// No mark goes on with what stands before it, whatever Unicode counts as a cluster: the vowels
    /// of Burmese begin one there.
    fn is_between(&mut self, text: &str, next: Option<char>, byte: u32) -> bool {
        match next {
            None => true,
            Some(next) if is_plain(next) => true,
            Some(next) => (byte == 0 || !is_combining_mark(next)) && self.is_bound(text, byte),
        }
    }

    fn is_bound(&mut self, text: &str, byte: u32) -> bool {
        if self.bounds.is_empty() {
            let clusters = text.grapheme_indices(true);
            self.bounds.extend(clusters.map(|(at, _)| at as u32));
            self.bounds.push(text.len() as u32);
        }
        self.bounds.binary_search(&byte).is_ok()
    }
}

/// A cluster begins with it, whatever stands before.
fn is_plain(c: char) -> bool {
    match c {
        '\n' | '\u{A9}' | '\u{AE}' => false,
        c => {
            c < '\u{300}'
                || ('\u{370}'..='\u{482}').contains(&c)
                || ('\u{48A}'..='\u{590}').contains(&c)
                || ('\u{3041}'..='\u{3096}').contains(&c)
                || ('\u{30A1}'..='\u{9FFF}').contains(&c) && c != '\u{3297}' && c != '\u{3299}'
        }
    }
}

/// Stands before a character and is of one cluster with it (Unicode's `Prepend`).
fn is_prepended(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{605}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}'
        | '\u{D4E}' | '\u{110BD}' | '\u{110CD}' | '\u{111C2}'..='\u{111C3}' | '\u{113D1}'
        | '\u{1193F}' | '\u{11941}' | '\u{11A3A}' | '\u{11A84}'..='\u{11A89}' | '\u{11D46}'
        | '\u{11F02}')
}
