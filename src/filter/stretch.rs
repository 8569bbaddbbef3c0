//! Runs of equal symbols that stand for shorter ones of an entry.
//!
//! A run stands for one of the entry if it is as long, or longer and long enough. Of the first and
//! the last run a match may take a part: up to noise, or just as much as the entry has.

use std::ops::Range;

use super::leet::Letters;
use super::matcher::Limits;
use super::seen::{Seen, stands_free};

/// An entry whose runs, one by one, may stand in a text.
pub struct Stretch<'a> {
    pub seen: &'a Seen<'a>,
    pub limits: Limits,
    /// What must not stand before and behind it.
    pub left: u32,
    pub right: u32,
    /// How long its runs are.
    pub counts: &'a [u8],
    /// Its symbols, where a view does not say all about them.
    pub form: Option<&'a [u32]>,
    pub leet: bool,
}

impl Stretch<'_> {
    /// Reports where the entry stands in the runs that start at `starts`, the last of which is
    /// behind them, as ranges of the view.
    pub fn find(&self, starts: &[u32], mut found: impl FnMut(Range<usize>)) {
        let runs: Vec<Range<usize>> = starts
            .windows(2)
            .map(|bounds| bounds[0] as usize..bounds[1] as usize)
            .collect();
        if let [run] = &runs[..] {
            for part in self.parts(run, false) {
                match self
                    .alone(&part)
                    .filter(|range| self.holds(range, std::slice::from_ref(range)))
                {
                    Some(range) => found(range),
                    None => self
                        .parts(&part, true)
                        .into_iter()
                        .filter_map(|part| self.alone(&part))
                        .filter(|range| self.holds(range, std::slice::from_ref(range)))
                        .for_each(&mut found),
                }
            }
            return;
        }
        // First over blanks: a word that is spelled out; then only between them.
        for parted in [false, true] {
            let mut taken = runs.clone();
            let last = taken.len() - 1;
            let (Some(first_taken), Some(last_taken)) =
                (self.first(&runs[0], parted), self.last(&runs[last], parted))
            else {
                return;
            };
            (taken[0], taken[last]) = (first_taken, last_taken);
            let lengths = taken.iter().zip(self.counts);
            let fits = lengths
                .clone()
                .all(|(run, count)| self.fits(run.len(), *count));
            let longer = lengths
                .clone()
                .any(|(run, count)| run.len() > usize::from(*count));
            let range = taken[0].start..taken[last].end;
            if fits && longer && self.holds(&range, &taken) {
                return found(range);
            }
        }
    }

    fn fits(&self, length: usize, count: u8) -> bool {
        let count = usize::from(count);
        length == count || length > count && length >= self.limits.repeat as usize
    }

    /// The part of a run that a match takes as its first.
    fn first(&self, run: &Range<usize>, parted: bool) -> Option<Range<usize>> {
        let part = self.parts(run, parted).pop()?;
        let free = |start: &usize| {
            self.fits(part.end - start, self.counts[0]) && self.seen.is_left_free(*start, self.left)
        };
        let inner = (part.start + 1..part.end).filter(|index| self.seen.gap_before(*index) > 0);
        let start = std::iter::once(part.start).chain(inner).find(free);
        let cut = run.end.checked_sub(usize::from(self.counts[0]));
        let start = start.or(cut.filter(|cut| *cut >= run.start))?;
        Some(start..run.end)
    }

    /// The part of a run that a match takes as its last.
    fn last(&self, run: &Range<usize>, parted: bool) -> Option<Range<usize>> {
        let count = *self.counts.last()?;
        let part = self.parts(run, parted).into_iter().next()?;
        let free = |end: &usize| {
            self.fits(end - part.start, count) && self.seen.is_right_free(*end, self.right)
        };
        let inner = (part.start + 1..part.end).rev();
        let inner = inner.filter(|index| self.seen.gap_before(*index) > 0);
        let end = std::iter::once(part.end).chain(inner).find(free);
        let cut = run.start + usize::from(count);
        let end = end.or(Some(cut).filter(|cut| *cut <= run.end))?;
        Some(run.start..end)
    }

    /// The part of a run that a match of an entry of one run takes.
    fn alone(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let gap = |index: &usize| self.seen.gap_before(*index) > 0;
        let starts = (part.start + 1..part.end).filter(gap);
        let start = std::iter::once(part.start)
            .chain(starts)
            .find(|start| self.seen.is_left_free(*start, self.left))?;
        let ends = (start + 1..part.end).rev().filter(gap);
        let end = std::iter::once(part.end)
            .chain(ends)
            .find(|end| self.seen.is_right_free(*end, self.right))?;
        let longer = end - start > usize::from(self.counts[0]);
        (longer && self.fits(end - start, self.counts[0])).then_some(start..end)
    }

    /// A run in the parts that gaps make of it which are too long; with `parted`, those with a
    /// blank between letters too.
    fn parts(&self, run: &Range<usize>, parted: bool) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = run.start;
        for index in run.start + 1..run.end {
            let far = self.seen.gap_before(index) > self.limits.max_gap as usize;
            if far || parted && self.seen.is_parted_before(index) {
                parts.push(start..index);
                start = index;
            }
        }
        parts.push(start..run.end);
        parts
    }

    /// What stands there is the entry, alone, and with allowed gaps.
    fn holds(&self, range: &Range<usize>, runs: &[Range<usize>]) -> bool {
        let seen = self.seen;
        let (first, behind) = (seen.place(range.start), seen.place(range.end - 1) + 1);
        if !stands_free(seen.stream, first, behind, self.left, self.right) {
            return false;
        }
        let Some(form) = self.form else {
            return seen.gaps_are_small(None, range.clone(), self.limits.max_gap);
        };
        let (mut rest, mut letters) = (form, Letters::default());
        // The symbol of the entry that each of the match stands for.
        let mut aligned = Vec::with_capacity(range.len());
        for (run, count) in runs.iter().zip(self.counts) {
            let (own, others) = rest.split_at(usize::from(*count));
            rest = others;
            let last = own.len() - 1;
            aligned.extend((0..run.len()).map(|index| own[index.min(last)]));
            let text = run.clone().map(|index| seen.stream[seen.place(index)]);
            if self.leet && letters.add_run(own, text).is_none() {
                return false;
            }
        }
        letters.are_enough()
            && seen.gaps_are_small(Some(&aligned), range.clone(), self.limits.max_gap)
    }
}
