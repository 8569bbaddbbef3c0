//! Folded entries and where they are found: the automaton, whose patterns they are, and what
//! must hold around and inside of a candidate.

use std::ops::Range;

use super::automaton::Automaton;
use super::seen::{self, Seen};
use super::stretch::Stretch;
use super::word::{Candidate, EntryOf, JOINT, Limits, PART, SYLLABLE, Word};
use crate::filter::text::{Lens, Runs, Sounds, leet};

/// No further owner.
const LAST: u32 = u32::MAX;

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
                });
            }
            matcher.own(number as usize, owner as u32);
            start = end;
        }
        matcher
    }

    /// Makes `owner` one of the owners of a pattern, unless an earlier entry of its list matches
    /// wherever it does.
    fn own(&mut self, pattern: usize, owner: u32) {
        let new = self.owners[owner as usize];
        let first = self.patterns[pattern].first_owner;
        let mut known = first;
        while let Some(old) = self.owners.get(known as usize) {
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
        limits: impl Fn(u32) -> Limits,
        mut found: impl FnMut(Candidate),
    ) {
        self.automaton.find(seen.symbols, |number, last| {
            let pattern = &self.patterns[number as usize];
            let end = last + 1;
            let start = end - pattern.symbols as usize;
            self.each_owner(pattern, active, |number, owner| {
                let (first, behind) = (seen.place(start), seen.place(last) + 1);
                if seen::stands_free(seen.stream, first, behind, owner.left, owner.right)
                    && (seen.at.is_none() && self.forms.is_none()
                        || self.holds(number, seen, start..end, &limits(owner.entry.list)))
                    && (!owner.mixed || seen.is_mixed(start..end))
                {
                    found(Candidate {
                        of: owner.entry,
                        start: first,
                        end: behind,
                    });
                }
            });
        });
    }

    /// The same where runs of the text stand for shorter ones of an entry.
    pub(crate) fn find_runs(
        &self,
        seen: &Seen,
        runs: &Runs,
        active: &[bool],
        limits: impl Fn(u32) -> Limits,
        mut found: impl FnMut(Candidate),
    ) {
        self.automaton.find(&runs.symbols, |number, last| {
            let pattern = &self.patterns[number as usize];
            let starts = &runs.starts[last + 1 - pattern.symbols as usize..last + 2];
            self.each_owner(pattern, active, |number, owner| {
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
            });
        });
    }

    #[inline]
    fn each_owner(&self, pattern: &Pattern, active: &[bool], mut see: impl FnMut(u32, &Owner)) {
        let mut next = pattern.first_owner;
        while let Some(owner) = self.owners.get(next as usize) {
            if active[owner.entry.list as usize] {
                see(next, owner);
            }
            next = owner.next;
        }
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
