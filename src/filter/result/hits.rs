//! From everything that was found to what is reported: sparing, and one match per place.

use std::cmp::Reverse;

use super::hit::Hit;
use crate::filter::options::{AllowMode, Mode};

/// Hits that are kept before those that cannot win are thrown out.
const HITS_MAX: usize = 1 << 15;

/// Starts that are remembered: more than an entry has bytes of ASCII.
const LATEST: usize = 256;

/// Hits of one pass, few enough to sort whatever the text.
pub(crate) struct Hits {
    found: Vec<Hit>,
    /// When the next clearing is due.
    limit: usize,
    /// By the low bits of a start, where the last hit of [`Self::push_longest`] is in `found`.
    latest: Box<[u32; LATEST]>,
}

impl Default for Hits {
    fn default() -> Hits {
        Hits {
            found: Vec::new(),
            limit: HITS_MAX,
            latest: Box::new([u32::MAX; LATEST]),
        }
    }
}

impl Hits {
    pub(crate) fn clear(&mut self) {
        self.found.clear();
        self.limit = HITS_MAX;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The list of each.
    pub(crate) fn lists(&self) -> impl Iterator<Item = u32> {
        self.found.iter().map(|hit| hit.list)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    pub(crate) fn push(&mut self, hit: Hit) {
        self.found.push(hit);
    }

    /// Keeps a hit in place of a shorter one of the same list from the same start, or drops it where
    /// a longer one is kept: of many endings of one word most never need to be sorted. For lists
    /// of which the longest counts, and that no phrase spares.
    pub(crate) fn push_longest(&mut self, hit: Hit) {
        let latest = &mut self.latest[hit.start as usize % LATEST];
        match self.found.get_mut(*latest as usize) {
            Some(known) if (known.list, known.start) == (hit.list, hit.start) => {
                if hit.rank() < known.rank() {
                    *known = hit;
                }
            }
            _ => {
                *latest = self.found.len() as u32;
                self.push(hit);
            }
        }
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Hit) -> bool) {
        self.found.retain(keep);
    }

    /// Throws out what a longer hit of the same list from the same start hides. The bytes under
    /// all hits stay the same, so a mask hides no less.
    pub(crate) fn keep_longest(&mut self) {
        self.sort();
        self.found.dedup_by_key(|hit| (hit.list, hit.start));
        self.limit = HITS_MAX.max(self.found.len() * 2);
    }

    /// Moves what is reported into `reported`, list by list.
    pub(crate) fn report(&mut self, mode: impl Fn(u32) -> Mode, reported: &mut Vec<Hit>) {
        self.sort();
        for list in self.found.chunk_by(|a, b| a.list == b.list) {
            match mode(list[0].list) {
                Mode::Longest => report_longest(list, reported),
                Mode::All => {
                    let spans = list.chunk_by(|a, b| (a.start, a.end) == (b.start, b.end));
                    reported.extend(spans.map(|span| span[0]));
                }
            }
        }
        self.clear();
    }

    fn sort(&mut self) {
        self.found.sort_unstable_by_key(Hit::rank);
    }
}

/// The leftmost and longest hits of one list, which is sorted so.
fn report_longest(list: &[Hit], reported: &mut Vec<Hit>) {
    let mut free = 0;
    for hit in list {
        if hit.start >= free {
            free = hit.end;
            reported.push(*hit);
        }
    }
}

/// Where allowed phrases stand in the text.
pub(crate) struct Allowed {
    /// Starts and ends in bytes. Once sealed both ascend strictly: what lies within another
    /// phrase spares nothing that the other does not.
    phrases: Vec<(u32, u32)>,
    /// When the next sealing is due.
    limit: usize,
}

impl Default for Allowed {
    fn default() -> Allowed {
        Allowed {
            phrases: Vec::new(),
            limit: HITS_MAX,
        }
    }
}

impl Allowed {
    pub(crate) fn push(&mut self, start: u32, end: u32) {
        self.phrases.push((start, end));
        if self.phrases.len() >= self.limit {
            self.seal();
            self.limit = HITS_MAX.max(self.phrases.len() * 2);
        }
    }

    /// Sorts the phrases; [`Self::spares`] needs it.
    pub(crate) fn seal(&mut self) {
        self.phrases
            .sort_unstable_by_key(|(start, end)| (*start, Reverse(*end)));
        let mut reach = 0;
        self.phrases.retain(|(_, end)| {
            let further = *end > reach;
            reach = reach.max(*end);
            further
        });
    }

    pub(crate) fn spares(&self, hit: &Hit, mode: AllowMode) -> bool {
        match mode {
            AllowMode::Contain => {
                let last = self
                    .phrases
                    .partition_point(|(start, _)| *start <= hit.start);
                last > 0 && self.phrases[last - 1].1 >= hit.end
            }
            AllowMode::Overlap => {
                let last = self.phrases.partition_point(|(start, _)| *start < hit.end);
                last > 0 && self.phrases[last - 1].1 > hit.start
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit(start: u32, end: u32) -> Hit {
        Hit {
            list: 0,
            entry: end - start,
            start,
            end,
        }
    }

    fn reported(hits: &[Hit], mode: Mode, clear_often: bool) -> Vec<(u32, u32)> {
        let mut all = Hits::default();
        for hit in hits {
            match mode {
                Mode::Longest if clear_often => all.push_longest(*hit),
                _ => all.push(*hit),
            }
            if clear_often && hit.start % 3 == 0 {
                all.keep_longest();
            }
        }
        let mut reported = Vec::new();
        all.report(|_| mode, &mut reported);
        reported.iter().map(|hit| (hit.start, hit.end)).collect()
    }

    fn spans() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let span = (0u32..30, 1u32..8).prop_map(|(start, length)| (start, start + length));
        prop::collection::vec(span, 0..30)
    }

    proptest! {
        #[test]
        fn clearing_changes_no_longest_match(spans in spans()) {
            let hits: Vec<Hit> = spans.iter().map(|(start, end)| hit(*start, *end)).collect();
            prop_assert_eq!(
                reported(&hits, Mode::Longest, true),
                reported(&hits, Mode::Longest, false)
            );
        }

        #[test]
        fn clearing_keeps_every_byte_covered(spans in spans()) {
            let hits: Vec<Hit> = spans.iter().map(|(start, end)| hit(*start, *end)).collect();
            let covered = |spans: &[(u32, u32)]| -> Vec<bool> {
                let within = |at| spans.iter().any(|(start, end)| (*start..*end).contains(&at));
                (0..40).map(within).collect()
            };
            prop_assert_eq!(covered(&reported(&hits, Mode::All, true)), covered(&spans));
        }

        #[test]
        fn sparing_agrees_with_looking_at_every_phrase(
            phrases in spans(),
            start in 0u32..30,
            length in 1u32..8,
        ) {
            let hit = hit(start, start + length);
            let mut allowed = Allowed::default();
            for (start, end) in &phrases {
                allowed.push(*start, *end);
            }
            allowed.seal();
            prop_assert_eq!(
                allowed.spares(&hit, AllowMode::Contain),
                phrases.iter().any(|(start, end)| *start <= hit.start && *end >= hit.end)
            );
            prop_assert_eq!(
                allowed.spares(&hit, AllowMode::Overlap),
                phrases.iter().any(|(start, end)| *start < hit.end && *end > hit.start)
            );
        }
    }
}
