//! The entries of a list, all in one piece of memory.
//!
//! A list has many thousands of entries for as long as its policy is in force, and most of them
//! are a few letters without anything of their own: what a `String` and two pointers cost each
//! would be more than the automaton that finds them.

use std::ops::Range;
use std::sync::Arc;

use super::options::Options;

/// One entry of a word list.
///
/// A Latin, Greek or Cyrillic letter or a digit at an end of `text` must not have another beside
/// it ([`Options::whole_word`]), unless the entry has a `*` there: `cat*`, `*cat`, `*cat*`.
#[derive(Clone, Debug)]
pub struct Entry {
    pub text: String,
    /// The line in the list's file, from 1; 0 when there is none.
    pub line: u32,
    pub tags: Arc<[String]>,
    /// Instead of the list's, with its `combos` left out. Counts in lists of role
    /// [`Role::Match`](super::Role::Match) alone, and not for combinations.
    pub options: Option<Arc<Options>>,
}

/// An [`Entry`] of a table.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    pub text: &'a str,
    pub line: u32,
    pub tags: &'a Arc<[String]>,
    pub options: Option<&'a Arc<Options>>,
}

/// Entries in their order.
#[derive(Clone, Debug, Default)]
pub struct EntryTable {
    /// All texts, one behind the other.
    texts: String,
    rows: Vec<Row>,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    /// Where its text ends.
    end: usize,
    line: u32,
    kind: u32,
}

/// What most entries of a list have in common.
#[derive(Clone, Debug)]
struct Kind {
    tags: Arc<[String]>,
    options: Option<Arc<Options>>,
}

/// How many of the last kinds are compared with that of another entry.
const KINDS_COMPARED: usize = 8;

impl EntryTable {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Panics: there is no entry of this number, counted from 0.
    pub fn get(&self, number: usize) -> EntryRef<'_> {
        let row = self.rows[number];
        let start = number
            .checked_sub(1)
            .map_or(0, |before| self.rows[before].end);
        let kind = &self.kinds[row.kind as usize];
        EntryRef {
            text: &self.texts[start..row.end],
            line: row.line,
            tags: &kind.tags,
            options: kind.options.as_ref(),
        }
    }

    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + ExactSizeIterator + Clone {
        self.range(0..self.len())
    }

    /// The entries of these numbers.
    pub fn range(
        &self,
        numbers: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + ExactSizeIterator + Clone {
        numbers.map(|number| self.get(number))
    }

    pub fn push(&mut self, entry: EntryRef<'_>) {
        self.texts.push_str(entry.text);
        let kind = self.kind(entry);
        self.rows.push(Row {
            end: self.texts.len(),
            line: entry.line,
            kind,
        });
    }

    /// Gives back what was kept for entries that did not come.
    pub fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.kinds.shrink_to_fit();
    }

    fn kind(&mut self, entry: EntryRef<'_>) -> u32 {
        let first = self.kinds.len().saturating_sub(KINDS_COMPARED);
        let known = self.kinds[first..].iter().rposition(|kind| {
            kind.tags == *entry.tags && same(kind.options.as_ref(), entry.options)
        });
        let kind = known.map_or(self.kinds.len(), |known| first + known);
        if known.is_none() {
            self.kinds.push(Kind {
                tags: entry.tags.clone(),
                options: entry.options.cloned(),
            });
        }
        kind as u32
    }
}

fn same(one: Option<&Arc<Options>>, other: Option<&Arc<Options>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl Entry {
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef {
            text: &self.text,
            line: self.line,
            tags: &self.tags,
            options: self.options.as_ref(),
        }
    }
}

impl Extend<Entry> for EntryTable {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        for entry in entries {
            self.push(entry.as_ref());
        }
    }
}

impl FromIterator<Entry> for EntryTable {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> EntryTable {
        let mut table = EntryTable::default();
        table.extend(entries);
        table
    }
}

impl<'a> Extend<EntryRef<'a>> for EntryTable {
    fn extend<I: IntoIterator<Item = EntryRef<'a>>>(&mut self, entries: I) {
        for entry in entries {
            self.push(entry);
        }
    }
}

impl<'a> FromIterator<EntryRef<'a>> for EntryTable {
    fn from_iter<I: IntoIterator<Item = EntryRef<'a>>>(entries: I) -> EntryTable {
        let mut table = EntryTable::default();
        table.extend(entries);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, line: u32, tags: &[&str], options: Option<&Arc<Options>>) -> Entry {
        Entry {
            text: text.to_owned(),
            line,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            options: options.cloned(),
        }
    }

    #[test]
    fn entries_come_back_as_they_were_given() {
        let options = [(); 2].map(|()| Arc::new(Options::default()));
        let tags: [&[&str]; 3] = [&[], &["a"], &["a", "b"]];
        let given: Vec<Entry> = (0..200)
            .map(|number: usize| {
                let text = "赌博x".chars().cycle().take(number % 7).collect::<String>();
                let own = options
                    .get(number % 3)
                    .filter(|_| number.is_multiple_of(11));
                entry(&text, number as u32, tags[number / 3 % 3], own)
            })
            .collect();
        let table: EntryTable = given.iter().cloned().collect();
        assert_eq!(table.len(), given.len());
        for (found, given) in table.iter().zip(&given) {
            assert_eq!((found.text, found.line), (&*given.text, given.line));
            assert_eq!(found.tags, &given.tags);
            assert!(same(found.options, given.options.as_ref()));
        }
        let copy: EntryTable = table.range(3..9).collect();
        assert_eq!(copy.get(5).text, given[8].text);
    }

    #[test]
    fn what_entries_have_in_common_is_kept_once() {
        let table: EntryTable = (0..10_000)
            .map(|number| entry("word", number, [&["a"][..], &[]][number as usize % 2], None))
            .collect();
        assert_eq!(table.kinds.len(), 2);
    }
}
