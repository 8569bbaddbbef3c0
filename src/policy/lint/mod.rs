//! Findings about word lists: entries that are allowed, but that an operator would not want.
//!
//! Nothing here decides on a message, and nothing keeps a policy from coming into force: a
//! finding is a warning with file and line, for `callgate check`.

mod entries;
mod everyday;
mod phone;
mod spared;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::POLICY_FILE;
use super::compile::{Surroundings, line_of};
use super::problem::{At, Problem, Problems};
use super::reader::Section;
use super::snapshot::Snapshot;
use super::sources::{self, FileSet, inside};
use super::spec::{self, LintSpec, ListSpec, Spec};
use crate::filter::{self, Filter};

/// Looks at every word list of a policy that was compiled from these files.
pub fn lint(files: &FileSet, surroundings: &Surroundings, snapshot: &Snapshot) -> Vec<Problem> {
    let problems = Problems::default();
    // The snapshot was compiled from the same files, so what is wrong with them is known.
    let known = Problems::default();
    let settings = sources::read(files, &surroundings.env, &known);
    let file = At::file(&files.shown(POLICY_FILE));
    if let Some(settings) = settings {
        let spec = spec::read(&Section::root(&settings, file, &known));
        let lists: Vec<List> = spec
            .lists
            .iter()
            .zip(snapshot.filter.lists())
            .map(|(spec, words)| List::new(spec, words, files))
            .collect();
        let lint = Lint {
            spec: &spec,
            snapshot,
            lists,
        };
        let mut findings = Findings::new(&lint.spec.lint, &lint.lists);
        lint.entries(&mut findings);
        lint.everyday(&mut findings);
        findings.report(&problems);
    }
    problems.into_sorted()
}

struct Lint<'a> {
    spec: &'a Spec,
    snapshot: &'a Snapshot,
    lists: Vec<List<'a>>,
}

/// One list, as the policy names it and as it was compiled.
struct List<'a> {
    spec: &'a ListSpec,
    words: &'a filter::ListSpec,
    file: Option<Arc<str>>,
}

impl<'a> List<'a> {
    fn new(spec: &'a ListSpec, words: &'a filter::ListSpec, files: &FileSet) -> List<'a> {
        let file = spec.file.as_ref();
        List {
            spec,
            words,
            file: file.map(|file| files.shown(inside(&file.name))),
        }
    }

    /// Where an entry was written. Those of the file come first, then those of the policy.
    fn at(&self, entry: usize) -> At {
        let from_file = self.words.written().len() - self.spec.words.len();
        match (&self.file, entry.checked_sub(from_file)) {
            (_, Some(word)) => self.spec.words[word].at.clone(),
            (Some(file), None) => line_of(file, self.words.written()[entry].line),
            (None, None) => self.spec.at.clone(),
        }
    }

    /// Where an entry was written, for a sentence about one that stands at `here`.
    fn place_in_words(&self, entry: usize, here: &At) -> String {
        let place = self.at(entry).place;
        if place.file == here.place.file {
            format!("line {}", place.line)
        } else {
            format!("{}:{}", place.file, place.line)
        }
    }

    fn text(&self, entry: usize) -> &'a str {
        &self.words.written()[entry].text
    }
}

impl Lint<'_> {
    fn filter(&self) -> &Filter {
        &self.snapshot.filter
    }

    /// Whether some hook sends its texts through both lists.
    fn stand_together(&self, list: &List, other: &List) -> bool {
        let mut hooks = self.snapshot.hooks();
        hooks.any(|rules| {
            let has = |list: &List| rules.lists.contains(&list.words.name);
            has(list) && has(other)
        })
    }
}

/// What a finding is about. The order is the one in which one entry's findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    OneCharacter,
    Repeated,
    Covered,
    PhoneNumber,
    Spares,
    Everyday,
}

impl Kind {
    /// What `count` more findings of one kind are, in words.
    fn more(self, count: usize) -> String {
        match self {
            Kind::OneCharacter => format!("{count} more entries are one character"),
            Kind::Repeated => format!("{count} more entries are repeated"),
            Kind::Covered => format!("{count} more entries are covered by shorter ones"),
            Kind::PhoneNumber => format!("{count} more entries hold a phone number"),
            Kind::Spares => format!("{count} more phrases spare an entry everywhere"),
            Kind::Everyday => format!("{count} more entries are found in everyday messages"),
        }
    }
}

/// Findings so far: those of one kind about one list are told up to a limit, then only counted.
struct Findings<'a> {
    limits: &'a LintSpec,
    lists: &'a [List<'a>],
    told: Vec<(At, String, &'static str)>,
    /// By list and kind.
    counts: BTreeMap<(usize, Kind), usize>,
}

impl<'a> Findings<'a> {
    fn new(limits: &'a LintSpec, lists: &'a [List<'a>]) -> Findings<'a> {
        Findings {
            limits,
            lists,
            told: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Adds a finding about an entry; `what` is given the entry's place.
    fn add(
        &mut self,
        kind: Kind,
        (list, entry): (usize, usize),
        what: impl FnOnce(&At) -> String,
        way_out: &'static str,
    ) {
        let count = self.counts.entry((list, kind)).or_default();
        *count += 1;
        if *count <= self.limits.warnings_max {
            let at = self.lists[list].at(entry);
            self.told.push((at.clone(), what(&at), way_out));
        }
    }

    fn add_about_list(&mut self, list: usize, what: String, way_out: &'static str) {
        self.told
            .push((self.lists[list].spec.at.clone(), what, way_out));
    }

    fn report(self, problems: &Problems) {
        for (at, what, way_out) in self.told {
            problems.warning(&at, what, way_out);
        }
        for ((list, kind), count) in self.counts {
            if let Some(more) = count
                .checked_sub(self.limits.warnings_max)
                .filter(|n| *n > 0)
            {
                let list = &self.lists[list];
                let at = match &list.file {
                    Some(file) => At::file(file),
                    None => list.spec.at.clone(),
                };
                let way_out = "`lint.warnings_max` in policy.yaml tells more of them";
                problems.warning(&at, kind.more(more), way_out);
            }
        }
    }
}
