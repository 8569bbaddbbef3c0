//! What is looked at: the lists of a policy, as it names them and as they were compiled.

use std::sync::Arc;

use crate::filter::{self, Filter};
use crate::policy::lists::line_of;
use crate::policy::snapshot::Snapshot;
use crate::policy::sources::{FileSet, inside};
use crate::policy::spec::{ListSpec, Spec};
use crate::settings::At;

pub(super) struct Lint<'a> {
    pub spec: &'a Spec,
    pub snapshot: &'a Snapshot,
    pub lists: Vec<List<'a>>,
}

/// One list, as the policy names it and as it was compiled.
pub(super) struct List<'a> {
    pub spec: &'a ListSpec,
    pub words: &'a filter::ListSpec,
    pub file: Option<Arc<str>>,
}

impl<'a> List<'a> {
    pub(super) fn new(
        spec: &'a ListSpec,
        words: &'a filter::ListSpec,
        files: &FileSet,
    ) -> List<'a> {
        let file = spec.file.as_ref();
        List {
            spec,
            words,
            file: file.map(|file| files.shown(inside(&file.name))),
        }
    }

    /// Where an entry was written. Those of the file come first, then those of the policy.
    pub(super) fn at(&self, entry: usize) -> At {
        let from_file = self.words.written().len() - self.spec.words.len();
        match (&self.file, entry.checked_sub(from_file)) {
            (_, Some(word)) => self.spec.words[word].at.clone(),
            (Some(file), None) => line_of(file, self.words.entries.get(entry).line),
            (None, None) => self.spec.at.clone(),
        }
    }

    /// Stands in the list's file, where a TAB parts a word from its tags.
    pub(super) fn is_of_file(&self, entry: usize) -> bool {
        entry < self.words.written().len() - self.spec.words.len()
    }

    /// Where an entry was written, for a sentence about one that stands at `here`.
    pub(super) fn place_in_words(&self, entry: usize, here: &At) -> String {
        let place = self.at(entry).place;
        if place.file == here.place.file {
            format!("line {}", place.line)
        } else {
            format!("{}:{}", place.file, place.line)
        }
    }

    pub(super) fn text(&self, entry: usize) -> &'a str {
        self.words.entries.get(entry).text
    }
}

impl Lint<'_> {
    pub(super) fn filter(&self) -> &Filter {
        &self.snapshot.filter
    }

    /// Whether some hook sends its texts through both lists.
    pub(super) fn stand_together(&self, list: &List, other: &List) -> bool {
        let mut hooks = self.snapshot.hooks();
        hooks.any(|rules| {
            let has = |list: &List| rules.lists.contains(&list.words.name);
            has(list) && has(other)
        })
    }
}
