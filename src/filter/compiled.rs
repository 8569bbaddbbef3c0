//! Lists compiled together, and texts read with them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::budget::Budget;
use super::entries::{self, Part};
use super::entry_table::EntryRef;
use super::find::{Rules, Sought, Work};
use super::group::{Group, Shared};
use super::list::{CompileError, EntryId, ListId, ListSpec, Match, Role, Spared};
use super::options::{Mask, Options, SkipClasses};
use super::result::{Evasion, Hit, Places};
use super::search::{Limits, PATTERNS_MAX, is_pattern};
use super::text::is_trailing;
use crate::event::Span;

/// The most entries of all lists that are compiled together; each is up to two patterns.
pub const ENTRIES_MAX: usize = PATTERNS_MAX / 2;

/// The most allowed phrases, times the ways to read them if these are several: about a gigabyte.
const PHRASES_READ_MAX: usize = 4_000_000;

/// Some lists of a [`Filter`], to scan with; allowed phrases count only where their list is one
/// of them.
#[derive(Clone, Debug)]
pub struct ListSet {
    active: Box<[bool]>,
    /// The groups with a list that can match.
    groups: Box<[usize]>,
    allow: bool,
}

/// Memory that scans reuse: once warm, a scan allocates nothing.
#[derive(Default)]
pub struct Scratch {
    work: Work,
    hits: Vec<Hit>,
    places: Places,
}

/// Compiled word lists, never changed.
pub struct Filter {
    pub(super) lists: Vec<ListSpec>,
    rules: Vec<Rules>,
    pub(super) groups: Vec<Group>,
    /// The group of each list that can match.
    pub(super) group_of: Vec<Option<usize>>,
    /// What the lists behind the given ones are parts of.
    pub(super) parts: Vec<Part>,
}

impl Filter {
    /// Compiles lists. Errors: every entry and option that cannot be honoured, at once.
    pub fn compile(mut lists: Vec<ListSpec>) -> Result<Filter, Vec<CompileError>> {
        let mut problems = Vec::new();
        check_lists(&lists, &mut problems);
        let parts = entries::part(&mut lists);
        let rules = lists.iter_mut().map(rules_of).collect();
        check_count(&lists)?;
        check_phrases(&lists)?;
        let mut filter = Filter {
            rules,
            group_of: vec![None; lists.len()],
            groups: Vec::new(),
            parts,
            lists,
        };
        filter.build_groups(&mut problems);
        for list in &mut filter.lists {
            list.entries.shrink();
        }
        if problems.is_empty() {
            return Ok(filter);
        }
        problems.sort_by_key(|problem| {
            let list = filter
                .lists
                .iter()
                .position(|list| list.name == problem.list);
            (list, problem.line)
        });
        problems.dedup();
        Err(problems)
    }

    /// Builds a group of all lists that fold alike.
    fn build_groups(&mut self, problems: &mut Vec<CompileError>) {
        let mut known: HashMap<Options, usize> = HashMap::new();
        let (mut foldings, mut members): (Vec<Options>, Vec<Vec<bool>>) = Default::default();
        for (id, list) in self.lists.iter().enumerate() {
            if list.role == Role::Match {
                let folding = list.options.folding();
                let group = *known.entry(folding).or_insert_with_key(|folding| {
                    foldings.push(folding.clone());
                    members.push(vec![false; self.lists.len()]);
                    foldings.len() - 1
                });
                members[group][id] = true;
                self.group_of[id] = Some(group);
            }
        }
        let shared = Shared::of(&self.lists, &foldings, problems);
        for (folding, members) in foldings.iter().zip(&members) {
            let group = Group::build(folding, &self.lists, members, &shared, problems);
            self.groups.extend(group);
        }
    }

    /// The lists of these names; an unknown name is a mistake of the caller, and panics.
    pub fn list_set(&self, names: &[&str]) -> ListSet {
        let mut active = vec![false; self.lists.len()];
        for name in names {
            let list = self.lists.iter().position(|list| *list.name == **name);
            active[list.expect("the caller names lists that it compiled")] = true;
        }
        let given = self.lists.len() - self.parts.len();
        for (part, of) in self.parts.iter().enumerate() {
            active[given + part] = active[of.list().0 as usize];
        }
        let chosen = |id: &usize| active[*id];
        let mut groups: Vec<usize> = (0..self.lists.len())
            .filter(chosen)
            .filter_map(|id| self.group_of[id])
            .collect();
        groups.sort_unstable();
        groups.dedup();
        ListSet {
            groups: groups.into(),
            allow: (0..self.lists.len())
                .filter(chosen)
                .any(|id| self.lists[id].role == Role::Allow),
            active: active.into(),
        }
    }

    /// Appends the matches in `text` to `matches`, sorted by start, then by list, within the
    /// budget that a text of its length has. False if that did not suffice: there may be more.
    ///
    /// Texts are shorter than 4 GiB, or it panics.
    pub fn scan(
        &self,
        text: &str,
        lists: &ListSet,
        scratch: &mut Scratch,
        matches: &mut Vec<Match>,
    ) -> bool {
        let budget = Budget::of_bytes(text.len());
        self.scan_within(&budget, text, lists, scratch, matches);
        budget.spent().is_none()
    }

    /// The same within a budget, of which it takes what the scan costs. Once it is spent, the
    /// matches are those that were found until then.
    pub fn scan_within(
        &self,
        budget: &Budget,
        text: &str,
        lists: &ListSet,
        scratch: &mut Scratch,
        matches: &mut Vec<Match>,
    ) {
        u32::try_from(text.len()).expect("the limits on bodies keep texts far below 4 GiB");
        let sought = Sought {
            text,
            active: &lists.active,
            allow: lists.allow,
            rules: &self.rules,
            budget,
        };
        scratch.hits.clear();
        for group in &lists.groups {
            self.groups[*group].find(&sought, &mut scratch.work, &mut scratch.hits);
        }
        if scratch.hits.is_empty() {
            return;
        }
        scratch.places.locate(text, &scratch.hits);
        let already = matches.len();
        matches.extend(scratch.hits.iter().map(|hit| {
            let (list, entry) = self.written_as(hit.list, hit.entry);
            Match {
                list,
                entry,
                span: scratch.places.span(hit),
            }
        }));
        matches[already..].sort_unstable_by_key(|found| {
            (found.span.bytes.start, found.list, found.span.bytes.end)
        });
    }

    /// The steps that each byte of a text usually takes, regular expressions included; known
    /// without a text.
    pub fn steps_per_byte(&self, lists: &ListSet) -> u64 {
        let groups = lists.groups.iter();
        let steps = groups.map(|group| self.groups[*group].steps_per_byte(&lists.active));
        steps.sum()
    }

    /// The matches that are not reported because an allowed phrase spares them, the first `most`
    /// of them, for the person who asks why.
    pub fn spared(&self, text: &str, lists: &ListSet, most: usize) -> Vec<Spared> {
        let (mut scratch, mut unspared, mut all) = Default::default();
        self.scan(text, lists, &mut scratch, &mut unspared);
        let without = ListSet {
            allow: false,
            ..lists.clone()
        };
        self.scan(text, &without, &mut scratch, &mut all);
        // Both are in the same order.
        let mut unspared = unspared.iter().peekable();
        all.retain(|found| unspared.next_if(|next| *next == found).is_none());
        all.truncate(most);
        let spared = all.into_iter().filter_map(|found| {
            let sought = Sought {
                text,
                active: &lists.active,
                allow: true,
                rules: &self.rules,
                budget: &Budget::of_bytes(text.len()),
            };
            let at = self.compiled_as(&found);
            let group = &self.groups[self.group_of[at]?];
            let Span { bytes, .. } = &found.span;
            let phrase = group.sparing(&sought, at, bytes.start as u32..bytes.end as u32)?;
            Some(Spared {
                found,
                list: ListId(phrase.list),
                phrase: EntryId(phrase.entry),
            })
        });
        spared.collect()
    }

    /// A text as a list's entries are compared with it, for the person who asks why; `None` for
    /// a list that cannot match.
    pub fn folded(&self, list: &str, text: &str) -> Option<String> {
        let id = self.lists.iter().position(|known| *known.name == *list)?;
        let group = self.group_of[id]?;
        Some(self.groups[group].folded(text))
    }

    pub fn list_name(&self, id: ListId) -> &Arc<str> {
        &self.lists[id.0 as usize].name
    }

    pub fn entry(&self, list: ListId, entry: EntryId) -> EntryRef<'_> {
        self.lists[list.0 as usize].entries.get(entry.0 as usize)
    }

    /// The options that an entry is looked for with.
    pub fn options(&self, list: ListId, entry: EntryId) -> &Options {
        let own = self.entry(list, entry).options;
        own.map_or(&self.lists[list.0 as usize].options, |own| own)
    }

    /// What a match in `text` was seen through; nothing for a pattern.
    pub fn evasions(&self, text: &str, found: &Match) -> Vec<Evasion> {
        let entry = self.entry(found.list, found.entry).text;
        let group = self.group_of[self.compiled_as(found)];
        let (Some(group), false) = (group, is_pattern(entry)) else {
            return Vec::new();
        };
        let options = self.options(found.list, found.entry);
        let found = text[found.span.bytes.clone()].trim_end_matches(is_trailing);
        self.groups[group].evasions(entry, found, options)
    }

    /// The list, or the part of one, that a match's entry was compiled with.
    fn compiled_as(&self, found: &Match) -> usize {
        let given = self.lists.len() - self.parts.len();
        let part = self
            .parts
            .iter()
            .position(|part| part.holds(found.list, found.entry));
        part.map_or(found.list.0 as usize, |part| given + part)
    }

    /// The list and the entry that one of a list that was compiled was written as.
    pub(super) fn written_as(&self, list: u32, entry: u32) -> (ListId, EntryId) {
        let given = self.lists.len() - self.parts.len();
        let part = (list as usize).checked_sub(given);
        let part = part.map(|part| &self.parts[part]);
        (
            part.map_or(ListId(list), Part::list),
            part.map_or(EntryId(entry), |part| part.entry(entry)),
        )
    }

    pub fn mask_of(&self, found: &Match) -> &Mask {
        &self.options(found.list, found.entry).mask
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .lists
            .iter()
            .map(|list| (&list.name, list.entries.len()));
        f.debug_map().entries(names).finish()
    }
}

/// What a list says about the text; the words of its combinations become entries of it.
fn rules_of(list: &mut ListSpec) -> Rules {
    let combined_from = list.append_combined();
    let options = &list.options;
    Rules {
        mode: options.mode,
        allow_mode: options.allow_mode,
        limits: Limits {
            max_gap: options.max_gap,
            blanks: options.skip.contains(SkipClasses::SPACE),
            repeat: options.repeat,
        },
        bidi: options.bidi,
        urls: options.urls,
        combined_from,
    }
}

/// Refuses more entries than an automaton can number.
fn check_count(lists: &[ListSpec]) -> Result<(), Vec<CompileError>> {
    let mut count = 0;
    for list in lists {
        count += list.entries.len();
        if count > ENTRIES_MAX {
            let what = format!("more than {ENTRIES_MAX} entries in this list and those before it");
            return Err(vec![CompileError::of_list(list, what)]);
        }
    }
    Ok(())
}

/// Refuses more copies of allowed phrases than memory has room for: each way to fold and to skip has
/// one of all phrases.
fn check_phrases(lists: &[ListSpec]) -> Result<(), Vec<CompileError>> {
    let of_role = |role| lists.iter().filter(move |list| list.role == role);
    let phrases: usize = of_role(Role::Allow).map(|list| list.entries.len()).sum();
    let mut ways = HashSet::new();
    for list in of_role(Role::Match) {
        let is_new = ways.insert((list.options.folding(), list.options.skip));
        if is_new && ways.len() > 1 && phrases * ways.len() > PHRASES_READ_MAX {
            let what = format!(
                "lists and entries with options of their own read {phrases} allowed phrases in more than {} ways; let them share their options, or allow fewer phrases",
                ways.len() - 1
            );
            return Err(vec![CompileError::of_list(list, what)]);
        }
    }
    Ok(())
}

fn check_lists(lists: &[ListSpec], problems: &mut Vec<CompileError>) {
    for (id, list) in lists.iter().enumerate() {
        if lists[..id].iter().any(|other| other.name == list.name) {
            problems.push(CompileError::of_list(list, "the name is taken".to_owned()));
        }
        for combo in &list.options.combos {
            if combo.all.len() < 2 {
                let what = format!("combination `{}`: it takes two words at least", combo.id);
                problems.push(CompileError::of_list(list, what));
            }
        }
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
