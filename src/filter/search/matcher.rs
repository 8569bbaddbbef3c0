//! Folded entries and where they are found: the automaton, whose patterns they are, and what
//! must hold around and inside of a candidate.

use std::ops::Range;

use super::automaton::{Automaton, Next};
use super::seen::{self, Seen};
use super::stretch::Stretch;
use super::word::{BARRED, Candidate, EntryOf, JOINT, Limits, PART, SYLLABLE, Word};
use crate::filter::budget::Budget;
use crate::filter::text::{Lens, MORE, REGIONAL, Runs, Sounds, leet};

/// No further owner.
const LAST: u32 = u32::MAX;
/// Owners of one pattern that a new one is compared with. It is left out where another finds all
/// that it would; more of the same only cost time.
const COMPARED_MAX: usize = 32;
/// What a candidate costs that is one, beside the look at it: it is located, kept and sorted.
const STEPS_TO_KEEP: usize = 5;

/// Patterns on their way into a [`Matcher`], one owner for each.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    forms: Forms,
    owners: Vec<Owner>,
    /// Some form says where gaps may be.
    jointed: bool,
}

/// Symbols of entries with their flags, one entry after the other.
#[derive(Clone, Default)]
struct Forms {
    symbols: Vec<u32>,
    ends: Vec<u32>,
}

impl Forms {
    fn get(&self, number: usize) -> &[u32] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.symbols[start as usize..self.ends[number] as usize]
    }
}

/// Which entry a pattern is, and what must not stand beside it.
#[derive(Clone, Copy, PartialEq)]
struct Owner {
    entry: EntryOf,
    /// Flags of symbols that must not stand before and behind the entry.
    left: u32,
    right: u32,
    next: u32,
    combined: bool,
    mixed: bool,
}

impl Draft {
    /// Adds a form of a word, which is not empty.
    pub(crate) fn push(&mut self, word: Word, form: &[u32]) {
        let (left, right) = word.ends.barred(form);
        self.forms.symbols.extend(form);
        self.forms.ends.push(self.forms.symbols.len() as u32);
        self.jointed |= form
            .iter()
            .any(|symbol| symbol & (SYLLABLE | PART | JOINT) != 0);
        self.owners.push(Owner {
            entry: word.of,
            left,
            right,
            next: LAST,
            combined: word.combined,
            mixed: word.mixed,
        });
    }

    /// The number of forms, and of symbols in them.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.owners.len(), self.forms.symbols.len())
    }
}

pub(crate) struct Matcher {
    automaton: Automaton,
    patterns: Vec<Pattern>,
    owners: Vec<Owner>,
    /// By owner; kept where a pattern does not say all about its forms.
    forms: Option<Forms>,
    /// By owner, where the lengths of its runs begin in `counts`; empty in a matcher of no runs.
    runs: Vec<u32>,
    counts: Vec<u8>,
    leet: bool,
}

struct Pattern {
    symbols: u32,
    first_owner: u32,
    /// What must stand behind neither it nor any shorter pattern that ends with it: of many
    /// endings of one word all are known to be none by one look.
    right: u32,
}

impl Matcher {
    /// Builds a matcher for views through `lens`, or, with `runs`, for their runs.
    pub(crate) fn build(draft: Draft, lens: Lens, runs: bool, sounds: &Sounds) -> Matcher {
        let Draft {
            forms,
            owners,
            jointed,
        } = draft;
        let mut seen = Vec::with_capacity(forms.symbols.len());
        let mut bounds = Vec::with_capacity(owners.len());
        let (mut starts, mut counts) = (Vec::new(), Vec::new());
        for number in 0..owners.len() {
            let start = seen.len();
            lens.entry(forms.get(number), sounds, &mut seen);
            if runs {
                starts.push(counts.len() as u32);
                collapse(&mut seen, start, &mut counts);
            }
            bounds.push(seen.len());
        }
        let (automaton, numbers) = Automaton::build(&seen, &bounds);
        let keep = lens.leet || jointed;
        let mut matcher = Matcher {
            automaton,
            patterns: Vec::new(),
            owners,
            forms: keep.then_some(forms),
            runs: starts,
            counts,
            leet: lens.leet,
        };
        let mut start = 0;
        for (owner, number) in numbers.into_iter().enumerate() {
            let end = bounds[owner];
            if number as usize == matcher.patterns.len() {
                matcher.patterns.push(Pattern {
                    symbols: (end - start) as u32,
                    first_owner: LAST,
                    right: u32::MAX,
                });
            }
            matcher.patterns[number as usize].right &= matcher.owners[owner].right;
            matcher.own(number as usize, owner as u32);
            start = end;
        }
        matcher.bar_right();
        matcher.shrink();
        matcher
    }

    /// Gives back what was kept for patterns that did not come.
    fn shrink(&mut self) {
        self.patterns.shrink_to_fit();
        self.owners.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.counts.shrink_to_fit();
    }

    /// Lets the shorter patterns have their say in what must not stand behind each, the shortest
    /// first.
    fn bar_right(&mut self) {
        let mut by_length: Vec<u32> = (0..self.patterns.len() as u32).collect();
        by_length.sort_by_key(|number| self.patterns[*number as usize].symbols);
        for number in by_length {
            if let Some(shorter) = self.automaton.shorter(number) {
                let right = self.patterns[shorter as usize].right;
                self.patterns[number as usize].right &= right;
            }
        }
    }

    /// Makes `owner` one of the owners of a pattern, unless an earlier entry of its list matches
    /// wherever it does.
    fn own(&mut self, pattern: usize, owner: u32) {
        let new = self.owners[owner as usize];
        let first = self.patterns[pattern].first_owner;
        let mut known = first;
        for _ in 0..COMPARED_MAX {
            let Some(old) = self.owners.get(known as usize) else {
                break;
            };
            let same = (old.entry.list, old.left, old.right, old.mixed)
                == (new.entry.list, new.left, new.right, new.mixed);
            let hidden = same && !new.combined && !old.combined;
            if hidden && self.form(known) == self.form(owner) && self.has_runs_of(known, owner) {
                return;
            }
            known = old.next;
        }
        self.owners[owner as usize].next = first;
        self.patterns[pattern].first_owner = owner;
    }

    fn has_runs_of(&self, one: u32, other: u32) -> bool {
        let counts = |owner: u32| {
            let owner = owner as usize;
            let end = self
                .runs
                .get(owner + 1)
                .map_or(self.counts.len(), |end| *end as usize);
            self.runs
                .get(owner)
                .map(|start| &self.counts[*start as usize..end])
        };
        counts(one) == counts(other)
    }

    fn form(&self, owner: u32) -> Option<&[u32]> {
        let forms = self.forms.as_ref()?;
        Some(forms.get(owner as usize))
    }

    /// Reports every entry of the `active` lists that stands in the text as a word.
    pub(crate) fn find(
        &self,
        seen: &Seen,
        active: &[bool],
        budget: &Budget,
        limits: impl Fn(u32) -> Limits,
        mut found: impl FnMut(Candidate),
    ) {
        let checks_all = seen.at.is_none() && self.forms.is_none();
        self.automaton.find(seen.symbols, |number, last| {
            let pattern = &self.patterns[number as usize];
            let behind = seen.place(last) + 1;
            if is_barred(seen.stream, behind, pattern.right & BARRED) {
                return going_on(budget.take(1), Next::Elsewhere);
            }
            let end = last + 1;
            let start = end - pattern.symbols as usize;
            let first = seen.place(start);
            let steps = if checks_all { 0 } else { (behind - first) / 4 };
            let goes_on = self.each_owner(pattern, active, |number, owner| {
                if !budget.take(1 + steps) {
                    return false;
                }
                if seen::stands_free(seen.stream, first, behind, owner.left, owner.right)
                    && (checks_all
                        || self.holds(number, seen, start..end, &limits(owner.entry.list)))
                    && (!owner.mixed || seen.is_mixed(start..end))
                    && seen.are_words(first..behind, owner.left, owner.right)
                {
                    found(Candidate {
                        of: owner.entry,
                        start: first,
                        end: behind,
                    });
                    return budget.take(STEPS_TO_KEEP);
                }
                true
            });
            going_on(goes_on, Next::Shorter)
        });
    }

    /// The same where runs of the text stand for shorter ones of an entry.
    pub(crate) fn find_runs(
        &self,
        seen: &Seen,
        runs: &Runs,
        active: &[bool],
        budget: &Budget,
        limits: impl Fn(u32) -> Limits,
        mut found: impl FnMut(Candidate),
    ) {
        self.automaton.find(&runs.symbols, |number, last| {
            let pattern = &self.patterns[number as usize];
            let starts = &runs.starts[last + 1 - pattern.symbols as usize..last + 2];
            let goes_on = self.each_owner(pattern, active, |number, owner| {
                let first = self.runs[number as usize] as usize;
                let stretch = Stretch {
                    seen,
                    limits: limits(owner.entry.list),
                    left: owner.left,
                    right: owner.right,
                    counts: &self.counts[first..first + pattern.symbols as usize],
                    form: self.form(number),
                    leet: self.leet,
                };
                if !stretch.may_be_stretched(starts) {
                    return budget.take(1 + starts.len() / 8);
                }
                if !budget.take(stretch.steps(starts)) {
                    return false;
                }
                stretch.find(starts, |range| {
                    if owner.mixed && !seen.is_mixed(range.clone()) {
                        return;
                    }
                    found(Candidate {
                        of: owner.entry,
                        start: seen.place(range.start),
                        end: seen.place(range.end - 1) + 1,
                    });
                });
                true
            });
            going_on(goes_on, Next::Shorter)
        });
    }

    /// Shows the owners of a pattern in active lists, as long as `see` says to go on.
    #[inline]
    fn each_owner(
        &self,
        pattern: &Pattern,
        active: &[bool],
        mut see: impl FnMut(u32, &Owner) -> bool,
    ) -> bool {
        let mut next = pattern.first_owner;
        while let Some(owner) = self.owners.get(next as usize) {
            if active[owner.entry.list as usize] && !see(next, owner) {
                return false;
            }
            next = owner.next;
        }
        true
    }

    /// What stands there is what the owner's form says, and its gaps are allowed.
    fn holds(&self, owner: u32, seen: &Seen, range: Range<usize>, limits: &Limits) -> bool {
        let form = self.form(owner);
        if self.leet
            && let Some(form) = form
            && !leet::spells(
                form,
                range.clone().map(|index| seen.stream[seen.place(index)]),
            )
        {
            return false;
        }
        seen.gaps_are_small(form, range, limits)
    }
}

/// Nothing that bars all of these at its right end may end before `behind`.
#[inline]
fn is_barred(stream: &[u32], behind: usize, right: u32) -> bool {
    let Some(symbol) = stream.get(behind) else {
        return false;
    };
    symbol & MORE != 0 || symbol & right != 0 && symbol & REGIONAL == 0 && !seen::is_parted(*symbol)
}

fn going_on(goes_on: bool, next: Next) -> Next {
    match goes_on {
        true => next,
        false => Next::Nothing,
    }
}

/// The lengths of the runs of equal symbols from `start` on, which become one symbol each.
fn collapse(seen: &mut Vec<u32>, start: usize, counts: &mut Vec<u8>) {
    let mut kept = start;
    for at in start..seen.len() {
        if at > start && seen[at] == seen[kept - 1] {
            let count = counts.last_mut().expect("a run was begun");
            *count = count.saturating_add(1);
        } else {
            seen[kept] = seen[at];
            kept += 1;
            counts.push(1);
        }
    }
    seen.truncate(kept);
}
