//! Folded entries and where they are found: the automaton, whose patterns they are, and what
//! must hold around and inside of a candidate.

use std::ops::Range;

use super::automaton::Automaton;
use super::fold::{DIGIT, LETTER, MORE, REGIONAL, SYMBOL, is_blank};
use super::leet;
use super::options::WholeWord;
use super::sound::Sounds;
use super::view::{Lens, Runs};

/// No further owner.
const LAST: u32 = u32::MAX;

/// In a form of an entry: begins what is typed for one character of it.
pub const SYLLABLE: u32 = 1 << 28;

/// In a form of an entry: belongs to the symbol before it; nothing may stand between the two.
pub const PART: u32 = 1 << 27;

/// Patterns on their way into a [`Matcher`], one owner for each.
#[derive(Clone, Default)]
pub struct Draft {
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
}

/// An entry of a list, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryOf {
    pub list: u32,
    pub entry: u32,
}

/// Which ends of an entry need a boundary.
#[derive(Clone, Copy)]
pub struct Ends {
    pub whole_word: WholeWord,
    pub left_open: bool,
    pub right_open: bool,
}

impl Ends {
    /// What must not stand before and behind these symbols, which are not empty.
    pub fn barred(self, folded: &[u32]) -> (u32, u32) {
        let (Some(first), Some(last)) = (folded.first(), folded.last()) else {
            unreachable!("the caller refused entries of which nothing is left");
        };
        (
            barred(*first, self.whole_word, self.left_open),
            barred(*last, self.whole_word, self.right_open),
        )
    }
}

impl Draft {
    /// Adds a form of an entry, which is not empty.
    pub fn push(&mut self, entry: EntryOf, form: &[u32], ends: Ends) {
        let (left, right) = ends.barred(form);
        self.forms.symbols.extend(form);
        self.forms.ends.push(self.forms.symbols.len() as u32);
        self.jointed |= form.iter().any(|symbol| symbol & (SYLLABLE | PART) != 0);
        self.owners.push(Owner {
            entry,
            left,
            right,
            next: LAST,
        });
    }

    /// The number of forms, and of symbols in them.
    pub fn size(&self) -> (usize, usize) {
        (self.owners.len(), self.forms.symbols.len())
    }
}

/// What must not stand beside an end with this symbol.
fn barred(symbol: u32, whole_word: WholeWord, open: bool) -> u32 {
    match whole_word {
        _ if open || symbol & (LETTER | DIGIT) == 0 => 0,
        WholeWord::Alnum => LETTER | DIGIT,
        WholeWord::Alpha => LETTER,
        WholeWord::Off => 0,
    }
}

pub struct Matcher {
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

/// What a list says about what may stand in its matches.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_gap: u32,
    /// From how many equal symbols on they may stand for fewer; 0 is never.
    pub repeat: u32,
}

/// A text as a matcher reads it.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// With everything that is in the text.
    pub stream: &'a [u32],
    pub symbols: &'a [u32],
    /// Where in `stream` each of `symbols` stands; `None` when they are the same.
    pub at: Option<&'a [u32]>,
}

impl Seen<'_> {
    #[inline]
    fn place(&self, index: usize) -> usize {
        match self.at {
            None => index,
            Some(at) => at[index] as usize,
        }
    }

    /// A run of one symbol in the parts that blanks make of it, where it is of letters.
    fn parts(&self, run: Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> {
        let cuts = run
            .clone()
            .skip(1)
            .filter(|index| self.is_cut_before(*index));
        let mut bounds: Vec<usize> = std::iter::once(run.start).chain(cuts).collect();
        bounds.push(run.end);
        let parts: Vec<Range<usize>> = bounds.windows(2).map(|part| part[0]..part[1]).collect();
        parts.into_iter()
    }

    /// Where a match may begin in a run that is its first, outermost first: behind the last blank
    /// between letters, and behind any noise.
    fn starts(&self, run: Range<usize>) -> impl Iterator<Item = usize> {
        let first = self
            .parts(run.clone())
            .next_back()
            .map_or(run.start, |part| part.start);
        std::iter::once(first)
            .chain((first + 1..run.end).filter(|index| self.has_gap_before(*index)))
    }

    /// Where a match may end in a run that is its last, outermost first.
    fn ends(&self, run: Range<usize>) -> impl Iterator<Item = usize> {
        let last = self
            .parts(run.clone())
            .next()
            .map_or(run.end, |part| part.end);
        let inner = (run.start + 1..last).rev();
        std::iter::once(last).chain(inner.filter(|index| self.has_gap_before(*index)))
    }

    fn has_gap_before(&self, index: usize) -> bool {
        self.place(index) - self.place(index - 1) > 1
    }

    /// What stands before the symbol at `index` does not belong to its word.
    fn is_left_free(&self, index: usize, barred: u32) -> bool {
        let start = self.place(index);
        let before = start.checked_sub(1).map_or(0, |before| self.stream[before]);
        is_boundary(before, self.stream[start], barred)
    }

    /// What stands behind the symbol before `index` does not belong to its word.
    fn is_right_free(&self, index: usize, barred: u32) -> bool {
        let last = self.place(index - 1);
        let behind = self.stream.get(last + 1).copied().unwrap_or(0);
        is_boundary(behind, self.stream[last], barred)
    }

    /// A blank stands between a letter and the letter before it.
    fn is_cut_before(&self, index: usize) -> bool {
        let (from, to) = (self.place(index - 1), self.place(index));
        self.stream[from] & self.stream[to] & LETTER != 0
            && self.stream[from + 1..to]
                .iter()
                .any(|symbol| is_blank(*symbol))
    }
}

/// An entry in a stream, from its first symbol to behind its last.
pub struct Candidate {
    pub of: EntryOf,
    pub start: usize,
    pub end: usize,
}

impl Matcher {
    /// Builds a matcher for views through `lens`, or, with `runs`, for their runs.
    pub fn build(draft: Draft, lens: Lens, runs: bool, sounds: &Sounds) -> Matcher {
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
            let same =
                (old.entry.list, old.left, old.right) == (new.entry.list, new.left, new.right);
            if same && self.form(known) == self.form(owner) && self.has_runs_of(known, owner) {
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
    pub fn find(
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
                if stands_free(seen.stream, first, behind, owner.left, owner.right)
                    && (seen.at.is_none() && self.forms.is_none()
                        || self.holds(number, seen, start..end, &limits(owner.entry.list)))
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
    pub fn find_runs(
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
                let limits = limits(owner.entry.list);
                let mut see = |range: Range<usize>| {
                    let (first, behind) = (seen.place(range.start), seen.place(range.end - 1) + 1);
                    if stands_free(seen.stream, first, behind, owner.left, owner.right)
                        && gaps_are_small(None, seen, range, limits.max_gap)
                    {
                        found(Candidate {
                            of: owner.entry,
                            start: first,
                            end: behind,
                        });
                    }
                };
                match *starts {
                    [start, end] => {
                        let parts = seen.parts(start as usize..end as usize);
                        parts
                            .filter_map(|part| {
                                self.stretched_alone(number, seen, part, limits.repeat)
                            })
                            .for_each(see);
                    }
                    _ => self
                        .stretched(number, seen, starts, limits.repeat)
                        .into_iter()
                        .for_each(&mut see),
                }
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
            && !is_leet(
                form,
                range.clone().map(|index| seen.stream[seen.place(index)]),
            )
        {
            return false;
        }
        gaps_are_small(form, seen, range, limits.max_gap)
    }

    /// The symbols of a view that stand for an entry of several runs, if each run is as long as
    /// the entry's, or longer and `repeat` symbols long. Of a longer run at either end only the
    /// part next to the rest is taken where it may not stand for fewer.
    fn stretched(
        &self,
        owner: u32,
        seen: &Seen,
        starts: &[u32],
        repeat: u32,
    ) -> Option<Range<usize>> {
        let of = &self.owners[owner as usize];
        let last = starts.len() - 2;
        let mut range = starts[0] as usize..starts[last + 1] as usize;
        let mut rest = self.form(owner);
        let (mut longer, mut letters) = (false, Letters::default());
        for (index, bounds) in starts.windows(2).enumerate() {
            let count = self.count(owner, index);
            let mut view = bounds[0] as usize..bounds[1] as usize;
            let fits =
                |length: usize| length == count || length > count && length >= repeat as usize;
            if index == 0 {
                let mut starts = seen.starts(view.clone());
                let free =
                    |start: &usize| fits(view.end - start) && seen.is_left_free(*start, of.left);
                let cut = view.end.checked_sub(count).filter(|cut| *cut >= view.start);
                view.start = starts.find(free).or(cut)?;
                range.start = view.start;
            } else if index == last {
                let mut ends = seen.ends(view.clone());
                let free =
                    |end: &usize| fits(end - view.start) && seen.is_right_free(*end, of.right);
                let cut = Some(view.start + count).filter(|cut| *cut <= view.end);
                view.end = ends.find(free).or(cut)?;
                range.end = view.end;
            } else if !fits(view.len()) {
                return None;
            }
            longer |= view.len() > count;
            if let Some(form) = rest.filter(|_| self.leet) {
                let (own, others) = form.split_at(count);
                rest = Some(others);
                let text = view.map(|index| seen.stream[seen.place(index)]);
                letters.add_run(own, text)?;
            }
        }
        (longer && letters.are_enough()).then_some(range)
    }

    /// The same for an entry of one run, in a part of a run without a blank.
    fn stretched_alone(
        &self,
        owner: u32,
        seen: &Seen,
        part: Range<usize>,
        repeat: u32,
    ) -> Option<Range<usize>> {
        let of = &self.owners[owner as usize];
        let start = seen
            .starts(part.clone())
            .find(|start| seen.is_left_free(*start, of.left))?;
        let end = seen
            .ends(part)
            .find(|end| seen.is_right_free(*end, of.right))?;
        let count = self.count(owner, 0);
        let longer = end > start + count && end - start >= repeat as usize;
        (longer && self.is_spelled(owner, seen, &(start..end))).then_some(start..end)
    }

    /// Of an entry of one run enough letters are there.
    fn is_spelled(&self, owner: u32, seen: &Seen, part: &Range<usize>) -> bool {
        let Some(form) = self.form(owner).filter(|_| self.leet) else {
            return true;
        };
        let mut letters = Letters::default();
        let text = part.clone().map(|index| seen.stream[seen.place(index)]);
        letters.add_run(form, text).is_some() && letters.are_enough()
    }

    /// How long a run of an owner's entry is.
    fn count(&self, owner: u32, run: usize) -> usize {
        usize::from(self.counts[self.runs[owner as usize] as usize + run])
    }
}

/// Begins and ends with a character of the original, is no flag of two regional indicators, and
/// has nothing beside it that makes it a part of a word.
#[inline]
pub fn stands_free(stream: &[u32], start: usize, end: usize, left: u32, right: u32) -> bool {
    let flag = end - start == 2 && stream[start] & stream[start + 1] & REGIONAL != 0;
    let before = start.checked_sub(1).map_or(0, |before| stream[before]);
    let behind = stream.get(end).copied().unwrap_or(0);
    !flag
        && (stream[start] | behind) & MORE == 0
        && is_boundary(before, stream[start], left)
        && is_boundary(behind, stream[end - 1], right)
}

/// A flag is no part of the word beside it, though its letters are.
#[inline]
fn is_boundary(neighbour: u32, own: u32, barred: u32) -> bool {
    neighbour & barred == 0 || neighbour & !own & REGIONAL != 0
}

/// What was left out between the symbols of a match: nowhere more than `max_gap` symbols, and no
/// blank between two letters, unless there is a gap between any two: a word that is spelled out.
/// Syllables of one character's pinyin are no letters that belong together.
fn gaps_are_small(form: Option<&[u32]>, seen: &Seen, range: Range<usize>, max_gap: u32) -> bool {
    let (first, last) = (seen.place(range.start), seen.place(range.end - 1));
    if last - first == range.len() - 1 {
        return true;
    }
    let (mut blank, mut closed) = (false, false);
    for (index, at) in range.clone().skip(1).enumerate() {
        let (from, to) = (seen.place(at - 1), seen.place(at));
        if to - from - 1 > max_gap as usize {
            return false;
        }
        let flags = |at: usize, index: usize| form.map_or(seen.stream[at], |form| form[index]);
        let (before, behind) = (flags(from, index), flags(to, index + 1));
        if behind & PART != 0 && to - from > 1 {
            return false;
        }
        if before & behind & LETTER != 0 && behind & SYLLABLE == 0 {
            closed |= to - from == 1;
            let mut gap = seen.stream[from + 1..to].iter();
            blank |= gap.any(|symbol| is_blank(*symbol));
        }
    }
    !(blank && closed)
}

/// How many letters of an entry stand in the text as letters.
#[derive(Default)]
struct Letters {
    all: usize,
    real: usize,
    signs: bool,
}

impl Letters {
    /// Adds a symbol of the entry and what stands for it; `None` if it cannot.
    fn add(&mut self, own: u32, text: u32) -> Option<()> {
        let equal = (own ^ text) & SYMBOL == 0;
        if own & LETTER != 0 {
            self.all += 1;
            self.real += usize::from(equal);
        }
        // What is neither is equal in the view by its sound.
        let other = text & SYMBOL < 0x80 || own & SYMBOL < 0x80;
        if !equal && other {
            self.signs = true;
            return leet::stands_for(text & SYMBOL, own & SYMBOL).then_some(());
        }
        Some(())
    }

    /// Adds a run of the entry, whose symbols are of one class, and a run of the text.
    fn add_run(&mut self, own: &[u32], text: impl Iterator<Item = u32>) -> Option<()> {
        let mut real = true;
        for symbol in text {
            let equal = own.iter().any(|own| (own ^ symbol) & SYMBOL == 0);
            let mut of_own = own.iter();
            if !equal && !of_own.any(|own| Letters::default().add(*own, symbol).is_some()) {
                return None;
            }
            real &= equal;
        }
        let letters = own.iter().filter(|symbol| **symbol & LETTER != 0).count();
        self.all += letters;
        self.real += if real { letters } else { 0 };
        self.signs |= !real;
        Some(())
    }

    /// No sign stands for a letter, or at least half of the letters are there.
    fn are_enough(&self) -> bool {
        !self.signs || self.all > 0 && self.real * 2 >= self.all
    }
}

/// The text is the form, with signs for some of its letters.
fn is_leet(form: &[u32], text: impl Iterator<Item = u32>) -> bool {
    let mut letters = Letters::default();
    let fits = form
        .iter()
        .zip(text)
        .all(|(own, text)| letters.add(*own, text).is_some());
    fits && letters.are_enough()
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
