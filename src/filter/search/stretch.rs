//! Runs of equal symbols that stand for shorter ones of an entry.
//!
//! A run of the text stands for one of the entry if it is as long, or longer where one of the runs
//! that are is long enough: it proves that the word is stretched. Of the first and the last run a match may take a part: just as much as the entry has, or, if it
//! takes more, up to noise or to a sign. Of matches inside of each other the widest counts: a
//! stretched word is one match, however many of its symbols could be left out.
//!
//! The rows of the entry are laid over the text from the last one to the first, and for every
//! place where one may begin it is known how far the entry reaches from there. So the time is
//! linear in the runs, whatever the number of ways to part them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use super::seen::{Seen, stands_free};
use super::word::{BLANKS_MAX, JOINT, Limits, PART, SYLLABLE, of_form};
use crate::filter::text::leet::{self, Written};
use crate::filter::text::{LETTER, SYMBOL, are_letters, is_blank};

/// What laying an entry over runs costs, however short they are.
const STEPS_FOR_STRETCH: usize = 64;
/// What each symbol of the runs costs.
const STEPS_A_SYMBOL: usize = 8;

/// An entry whose runs, one by one, may stand in a text.
pub(super) struct Stretch<'a> {
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
    /// behind them, as ranges of the view. What stands there in the entry's own length is left to
    /// the matcher that knows no runs.
    pub(super) fn find(&self, starts: &[u32], mut found: impl FnMut(Range<usize>)) {
        let runs: Vec<Range<usize>> = starts
            .windows(2)
            .map(|bounds| bounds[0] as usize..bounds[1] as usize)
            .collect();
        let own = self.own(&runs);
        let laid = |blanks: Blanks| {
            let laid = Laid {
                stretch: self,
                own: &own,
                runs: &runs,
                blanks,
                keeps_blanks: !self.limits.blanks && own.iter().any(|own| own & JOINT != 0),
            };
            laid.widest()
        };
        let mut all = laid(Blanks::Nowhere);
        if self.has_blanks(&runs) {
            all.extend(laid(Blanks::Anywhere));
            all.sort_unstable_by_key(|range| (range.start, Reverse(range.end)));
        }
        let mut reach = 0;
        for range in all {
            if range.end > reach {
                reach = range.end;
                let joints = self.joints(&own, &runs, range.start);
                let is_joint = |at: usize| joints.contains(&at);
                if !self.seen.is_number_or_contraction(range.clone(), is_joint) {
                    found(range);
                }
            }
        }
    }

    /// What [`Self::find`] costs: every symbol of the runs is looked at for each row of the entry
    /// that is laid over its run.
    pub(super) fn steps(&self, starts: &[u32]) -> usize {
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else {
            return 0;
        };
        let (first, last) = (*first as usize, (*last as usize).saturating_sub(1));
        let symbols = self.seen.place(last) - self.seen.place(first) + 1;
        let rows = match self.leet || self.form.is_some() {
            // Each letter of a run may be a row, or be looked at where one begins.
            true => self.counts.iter().copied().max().map_or(1, usize::from),
            false => 1,
        };
        STEPS_FOR_STRETCH + symbols * STEPS_A_SYMBOL * rows
    }

    /// Some run is longer than the entry's and long enough, and none is too short. Most candidates
    /// end here; only such as pass are for [`Self::find`].
    pub(super) fn may_be_stretched(&self, starts: &[u32]) -> bool {
        let mut proved = false;
        let mut runs = starts.windows(2).zip(self.counts);
        let fit = runs.all(|(bounds, count)| {
            let (length, count) = ((bounds[1] - bounds[0]) as usize, usize::from(*count));
            proved |= length > count && length >= self.limits.repeat as usize;
            length >= count
        });
        fit && proved
    }

    /// The symbols of the entry; where the view says all about them, those of the text are like
    /// them.
    fn own(&self, runs: &[Range<usize>]) -> Cow<'_, [u32]> {
        if let Some(form) = self.form {
            return Cow::Borrowed(form);
        }
        let symbols = runs.iter().zip(self.counts).flat_map(|(run, count)| {
            let symbol = self.seen.stream[self.seen.place(run.start)];
            std::iter::repeat_n(of_form(symbol), usize::from(*count))
        });
        symbols.collect()
    }

    /// The symbols of the view behind a blank of the entry, where a match begins at `start`.
    fn joints(&self, own: &[u32], runs: &[Range<usize>], start: usize) -> Vec<usize> {
        let mut joints = Vec::new();
        let mut before = 0;
        for (nth, (run, count)) in runs.iter().zip(self.counts).enumerate() {
            let first = if nth == 0 { start } else { run.start };
            let row = own[before..before + usize::from(*count)].iter();
            let of_row = row.enumerate().filter(|(_, own)| **own & JOINT != 0);
            joints.extend(of_row.map(|(place, _)| first + place));
            before += usize::from(*count);
        }
        joints
    }

    fn has_blanks(&self, runs: &[Range<usize>]) -> bool {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
            return false;
        };
        let (start, end) = (self.seen.place(first.start), self.seen.place(last.end - 1));
        let is_parted = end - start > last.end - 1 - first.start;
        is_parted
            && self.seen.stream[start..end]
                .iter()
                .any(|symbol| is_blank(*symbol))
    }
}

/// Where blanks may stand between two letters.
#[derive(Clone, Copy, PartialEq)]
enum Blanks {
    Nowhere,
    /// Between any two, if something stands between all of them: the word is spelled out.
    Anywhere,
}

/// Equal symbols in a row of the entry: the first of them, and how many.
#[derive(Clone, Copy)]
struct Row {
    first: usize,
    count: usize,
}

impl Row {
    fn last(self) -> usize {
        self.first + self.count - 1
    }
}

/// Where the rest of an entry ends, the furthest of all ways, and how many of its letters are
/// hidden by signs.
#[derive(Clone, Copy)]
struct Reach {
    end: usize,
    hidden: usize,
}

impl Reach {
    fn is_better(self, than: Option<Reach>) -> bool {
        let order = |reach: Reach| (reach.end, Reverse(reach.hidden));
        than.is_none_or(|than| order(self) > order(than))
    }
}

/// The furthest of all ways, and of those in which a run is long enough to prove the stretching.
#[derive(Clone, Copy, Default)]
struct Reaches {
    any: Option<Reach>,
    proved: Option<Reach>,
}

/// The best of some ways to end a run, and what is known from there.
#[derive(Clone, Copy, Default)]
struct Best(Option<(usize, Reach)>);

impl Best {
    fn offer(&mut self, end: usize, reach: Option<Reach>) {
        if let Some(reach) = reach
            && reach.is_better(self.0.map(|(_, best)| best))
        {
            self.0 = Some((end, reach));
        }
    }
}

/// An entry laid over the runs of a text.
struct Laid<'a> {
    stretch: &'a Stretch<'a>,
    own: &'a [u32],
    runs: &'a [Range<usize>],
    blanks: Blanks,
    /// Blanks stand only where the entry has one.
    keeps_blanks: bool,
}

impl Laid<'_> {
    /// The places of the entry that are in no wider one, from left to right.
    fn widest(&self) -> Vec<Range<usize>> {
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else {
            return Vec::new();
        };
        let is_end = |end: usize| end > last.start && self.may_end(end);
        let mut reaches: Vec<Reaches> = (last.start..=last.end)
            .map(|end| Reaches {
                any: is_end(end).then_some(Reach { end, hidden: 0 }),
                proved: None,
            })
            .collect();
        let mut rest = self.own.len();
        for (run, count) in self.runs.iter().zip(self.stretch.counts).rev() {
            if run.end != last.end {
                // The next run is taken from its start.
                let next = reaches[0];
                reaches = vec![Reaches::default(); run.len() + 1];
                reaches[run.len()] = next;
            }
            let start = rest - usize::from(*count);
            for row in self.rows(start..rest).into_iter().rev() {
                reaches = self.reaches_of(row, run, &reaches);
            }
            rest = start;
        }
        let mut widest: Vec<Range<usize>> = Vec::new();
        for (start, reach) in first.clone().zip(reaches) {
            let Some(Reach { end, hidden }) = reach.proved else {
                continue;
            };
            let is_wider = widest.last().is_none_or(|last| end > last.end);
            let is_stretched = end - start > self.own.len();
            if is_wider && is_stretched && self.is_real(hidden) && self.stands_free(start..end) {
                widest.push(start..end);
            }
        }
        widest
    }

    /// The rows of one run of the entry; signs may be several letters.
    fn rows(&self, run: Range<usize>) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for index in run {
            match rows.last_mut() {
                Some(row) if self.is_alike(row.first, index) => row.count += 1,
                _ => rows.push(Row {
                    first: index,
                    count: 1,
                }),
            }
        }
        rows
    }

    /// Two symbols of one run of the entry are the same, or sound so.
    fn is_alike(&self, one: usize, other: usize) -> bool {
        let [one, other] = [one, other].map(|index| self.own[index] & SYMBOL);
        !self.stretch.leet || one == other || one >= 0x80
    }

    /// How far the entry reaches where a row of it begins, for every place of a run. `behind` says
    /// it for the row behind it.
    fn reaches_of(&self, row: Row, run: &Range<usize>, behind: &[Reaches]) -> Vec<Reaches> {
        let ends = self.ends_of(row, run);
        let reals = self.reals(row, run);
        let is_even = self.is_even(row);
        let hidden = |taken: Range<usize>| {
            let taken = taken.start - run.start..taken.end - run.start;
            row.count
                .saturating_sub(reals[taken.end] - reals[taken.start])
        };
        let proof = (row.count + 1).max(self.stretch.limits.repeat as usize);
        let mut reaches = vec![Reaches::default(); run.len() + 1];
        // Of the places where a longer row may end the best: whatever is behind it, with proof
        // behind it, and where the row itself is the proof.
        let (mut block, mut longer) = (0, [Best::default(); 3]);
        let last_start = (run.end + 1).saturating_sub(row.count);
        for start in (run.start..last_start).rev() {
            let own_end = start + row.count;
            let furthest = ends[own_end - 1 - run.start];
            if furthest != block {
                (block, longer) = (furthest, [Best::default(); 3]);
            }
            let [any, after_proof, own_proof] = &mut longer;
            let may_end = |end: usize| {
                end <= furthest
                    && behind[end - run.start].any.is_some()
                    && self.may_go_on(row, run, end, true)
            };
            if may_end(own_end + 1) {
                let known = behind[own_end + 1 - run.start];
                any.offer(own_end + 1, known.any);
                after_proof.offer(own_end + 1, known.proved);
            }
            if may_end(start + proof) {
                own_proof.offer(start + proof, behind[start + proof - run.start].any);
            }
            let ends = &ends[start - run.start..];
            let begins = match is_even {
                true => ends[0] >= own_end,
                false => self.begins(row, start, ends),
            };
            if !begins {
                continue;
            }
            let exact = behind[own_end - run.start];
            let goes_on = exact.any.is_some() && self.may_go_on(row, run, own_end, false);
            let exact = if goes_on { exact } else { Reaches::default() };
            let cut = row.first > 0 || self.is_cut_before(run, start);
            let way = |reach: Option<Reach>| reach.map(|reach| (own_end, reach));
            let longer = longer.map(|best| best.0.filter(|_| cut));
            let best = |ways: &[Option<(usize, Reach)>]| {
                let mut best = None;
                for (end, reach) in ways.iter().flatten() {
                    let reach = Reach {
                        end: reach.end,
                        hidden: reach.hidden + hidden(start..*end),
                    };
                    if reach.is_better(best) {
                        best = Some(reach);
                    }
                }
                best
            };
            reaches[start - run.start] = Reaches {
                any: best(&[way(exact.any), longer[0]]),
                proved: best(&[way(exact.proved), longer[1], longer[2]]),
            };
        }
        reaches
    }

    /// For every place of a run, where the symbols end that may stand for a row's last one; 0
    /// where none does.
    fn ends_of(&self, row: Row, run: &Range<usize>) -> Vec<usize> {
        let last = row.last();
        let mut ends = vec![0; run.len()];
        let mut end = 0;
        for at in run.clone().rev() {
            let goes_on = end > 0 && self.are_linked(last, last, at + 1);
            end = match self.written(last, at) {
                None => 0,
                Some(_) if goes_on => end,
                Some(_) => at + 1,
            };
            ends[at - run.start] = end;
        }
        ends
    }

    /// How many symbols of a run, up to each, are what a row says, and no signs for it.
    fn reals(&self, row: Row, run: &Range<usize>) -> Vec<usize> {
        let mut reals = Vec::with_capacity(run.len() + 1);
        reals.push(0);
        let mut count = 0;
        for at in run.clone() {
            count += usize::from(self.written(row.last(), at) == Some(Written::Itself));
            reals.push(count);
        }
        reals
    }

    /// The same may stand between any two symbols of a row, however long it is.
    fn is_even(&self, row: Row) -> bool {
        let behind = self.own.len().min(row.last() + 2);
        let mut others = self.own[row.first + 1..behind].iter();
        others.all(|own| own & (PART | SYLLABLE | JOINT) == 0)
    }

    /// As many symbols as an uneven row has may stand for it from `start` on. `ends` are those
    /// from there.
    fn begins(&self, row: Row, start: usize, ends: &[usize]) -> bool {
        ends[..row.count].iter().all(|end| *end > 0)
            && (1..row.count)
                .all(|nth| self.are_linked(row.first + nth - 1, row.first + nth, start + nth))
    }

    /// A row of the entry may end there, with the next one behind it.
    fn may_go_on(&self, row: Row, run: &Range<usize>, end: usize, longer: bool) -> bool {
        let next = row.last() + 1;
        if next < self.own.len() {
            self.are_linked(row.last(), next, end)
        } else {
            let cut = end == run.end || self.seen().gap_before(end) > 0;
            !longer || cut || !self.continues(row.last(), end)
        }
    }

    /// A run that is longer than the entry's may begin there.
    fn is_cut_before(&self, run: &Range<usize>, start: usize) -> bool {
        start == run.start || self.seen().gap_before(start) > 0 || !self.continues(0, start - 1)
    }

    /// Beside a longer run this symbol would be a part of it. A sign may be just a sign.
    fn continues(&self, index: usize, at: usize) -> bool {
        matches!(
            self.written(index, at),
            Some(Written::Itself | Written::Digit)
        )
    }

    fn written(&self, index: usize, at: usize) -> Option<Written> {
        if !self.stretch.leet {
            return Some(Written::Itself);
        }
        leet::written(self.own[index], self.seen().stream[self.seen().place(at)])
    }

    /// What stands before the symbol at `at` may stand between these two of the entry, which are
    /// one where the run is longer.
    fn are_linked(&self, index: usize, next: usize, at: usize) -> bool {
        let (before, behind) = (self.own[index], self.own[next]);
        let one = index == next;
        let of_one = one && self.own.get(next + 1).is_some_and(|own| own & PART != 0);
        let letters = are_letters(before, behind) && (one || behind & SYLLABLE == 0);
        let gap = self.seen().gap_before(at);
        if !one && behind & JOINT != 0 {
            return (1..=BLANKS_MAX).contains(&gap);
        }
        if gap > 0 && self.keeps_blanks && self.seen().is_spaced_before(at) {
            return false;
        }
        if gap == 0 {
            return !letters || self.blanks == Blanks::Nowhere;
        }
        let parted = || self.seen().is_parted_before(at);
        gap <= self.stretch.limits.max_gap as usize
            && behind & PART == 0
            && !of_one
            && (!letters || self.blanks == Blanks::Anywhere || !parted())
    }

    fn seen(&self) -> &Seen<'_> {
        self.stretch.seen
    }

    fn may_end(&self, end: usize) -> bool {
        let Stretch { seen, right, .. } = self.stretch;
        let behind = || seen.place(end - 1) + 1;
        seen.is_right_free(end, *right) && seen.are_words(0..behind(), 0, *right)
    }

    fn stands_free(&self, range: Range<usize>) -> bool {
        let (first, behind) = (
            self.seen().place(range.start),
            self.seen().place(range.end - 1) + 1,
        );
        let Stretch { left, right, .. } = *self.stretch;
        stands_free(self.seen().stream, first, behind, left, right)
            && self.seen().are_words(first..behind, left, right)
    }

    /// Half of the letters at least are no signs.
    fn is_real(&self, hidden: usize) -> bool {
        let letters = self.own.iter().filter(|own| **own & LETTER != 0);
        hidden * 2 <= letters.count()
    }
}
