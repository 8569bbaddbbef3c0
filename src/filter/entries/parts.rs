//! Entries with options of their own: a list in parts, each of which is compiled like a list.

use std::collections::HashMap;

use crate::filter::entry_table::{EntryRef, EntryTable};
use crate::filter::list::{EntryId, ListId, ListSpec, Role};
use crate::filter::options::Options;

/// The entries of a list that share options of their own.
pub(crate) struct Part {
    list: u32,
    /// Their numbers in the list.
    entries: Vec<u32>,
}

impl Part {
    pub(crate) fn list(&self) -> ListId {
        ListId(self.list)
    }

    pub(crate) fn holds(&self, list: ListId, entry: EntryId) -> bool {
        self.list == list.0 && self.entries.binary_search(&entry.0).is_ok()
    }

    /// The entry of the list that is the part's entry of this number.
    pub(crate) fn entry(&self, number: u32) -> EntryId {
        EntryId(self.entries[number as usize])
    }
}

/// Appends a list for every part. The entries stay in their own lists too, which do not compile
/// them, so that numbers of entries stay what they are.
pub(crate) fn append(lists: &mut Vec<ListSpec>) -> Vec<Part> {
    let mut parts = Vec::new();
    for id in 0..lists.len() {
        if lists[id].role == Role::Allow {
            continue;
        }
        let mut own: Vec<ListSpec> = Vec::new();
        let first = parts.len();
        let mut known: HashMap<&Options, usize> = HashMap::new();
        for (number, entry) in lists[id].entries.iter().enumerate() {
            let Some(options) = entry.options else {
                continue;
            };
            let at = *known.entry(options).or_insert_with(|| {
                own.push(ListSpec {
                    name: lists[id].name.clone(),
                    role: Role::Match,
                    options: Options {
                        combos: Vec::new(),
                        ..Options::clone(options)
                    },
                    entries: EntryTable::default(),
                });
                parts.push(Part {
                    list: id as u32,
                    entries: Vec::new(),
                });
                own.len() - 1
            });
            own[at].entries.push(EntryRef {
                options: None,
                ..entry
            });
            parts[first + at].entries.push(number as u32);
        }
        lists.extend(own);
    }
    parts
}
