//! Word lists as they are given to the filter, and matches as it gives them back.

use std::sync::Arc;

use super::entry_table::{Entry, EntryRef, EntryTable};
use super::options::{Combo, Options};
use crate::event::Span;

/// The longest entry, in characters after folding: time per character of text grows with it in
/// the worst case, lists of words that are endings of each other.
pub const ENTRY_CHARS_MAX: usize = 128;

/// What an occurrence of a list's entry means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is a match.
    Match,
    /// It spares matches of other lists. Of its options none counts: phrases are read with the
    /// options of the list that they spare.
    Allow,
}

/// A word list as its file says.
#[derive(Clone, Debug)]
pub struct ListSpec {
    /// Unique among the lists that are compiled together.
    pub name: Arc<str>,
    pub role: Role,
    pub options: Options,
    pub entries: EntryTable,
}

/// What is wrong with one entry, or, with `line` 0, with a list as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("list `{list}`, line {line}: {what}")]
pub struct CompileError {
    pub list: Arc<str>,
    pub line: u32,
    pub what: String,
}

impl CompileError {
    pub(super) fn of_list(list: &ListSpec, what: String) -> CompileError {
        CompileError {
            list: list.name.clone(),
            line: 0,
            what,
        }
    }
}

/// A list of a [`Filter`](super::Filter), in the order given to its `compile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub(super) u32);

/// An entry of a list, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub(super) u32);

impl ListId {
    /// The list's number among those that were compiled together, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl EntryId {
    /// The entry of this number, from 0.
    pub fn new(number: u32) -> EntryId {
        EntryId(number)
    }
}

/// An entry found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub list: ListId,
    pub entry: EntryId,
    /// From the first character of the match to its last, and over the marks that follow.
    pub span: Span,
}

/// A match that an allowed phrase spares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    pub found: Match,
    /// The list of the phrase.
    pub list: ListId,
    pub phrase: EntryId,
}

impl EntryId {
    /// The entry's number in its list, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ListSpec {
    /// The entries as they were given, without the words of combinations, which come after them.
    pub fn written(
        &self,
    ) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + ExactSizeIterator + Clone {
        self.entries.range(0..self.first_combined() as usize)
    }

    /// The number of the first word of the list's combinations, which were appended.
    pub(super) fn first_combined(&self) -> u32 {
        let combos = match self.role {
            Role::Match => &self.options.combos[..],
            Role::Allow => &[],
        };
        let count: usize = combos.iter().map(|combo| combo.words().count()).sum();
        (self.entries.len() - count) as u32
    }

    /// Makes the words of the combinations entries of the list. Gives back the number of the first.
    pub(super) fn append_combined(&mut self) -> u32 {
        let first = self.entries.len() as u32;
        if self.role == Role::Match {
            for combo in &self.options.combos {
                self.entries.extend(combo.words().map(|text| Entry {
                    text: text.clone(),
                    line: 0,
                    tags: [combo.id.clone()].into(),
                    options: None,
                }));
            }
        }
        first
    }
}

impl Combo {
    /// Those that must stand together, and behind them those that must not.
    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.all.iter().chain(&self.none)
    }
}
