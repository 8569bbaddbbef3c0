//! Whether an entry that matched once is still in a policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::hash::hash_of;
use crate::policy::Snapshot;

/// An entry as a policy has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryNow {
    /// From 1; 0 where it stands in the policy itself.
    pub line: u32,
    pub text: String,
}

/// Entries of the lists of one policy, by their hashes; made when it is asked for a list first.
#[derive(Debug, Default)]
pub(super) struct InForce {
    known: Mutex<Known>,
}

type Entries = HashMap<u64, EntryNow>;

#[derive(Debug, Default)]
struct Known {
    policy: Option<Arc<str>>,
    lists: HashMap<String, Arc<Entries>>,
}

impl InForce {
    pub(super) fn find(&self, snapshot: &Snapshot, list: &str, entry: u64) -> Option<EntryNow> {
        self.list(snapshot, list).get(&entry).cloned()
    }

    fn list(&self, snapshot: &Snapshot, list: &str) -> Arc<Entries> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.policy.as_ref() != Some(&snapshot.version.hash) {
            known.policy = Some(Arc::clone(&snapshot.version.hash));
            known.lists.clear();
        }
        if let Some(entries) = known.lists.get(list) {
            return Arc::clone(entries);
        }
        let mut entries = Entries::new();
        snapshot.each_entry(list, |line, text| {
            let now = EntryNow {
                line,
                text: text.to_owned(),
            };
            entries.entry(hash_of(text)).or_insert(now);
        });
        let entries = Arc::new(entries);
        // A list that is not there now may have any name.
        if snapshot.list(list).is_some() {
            known.lists.insert(list.to_owned(), Arc::clone(&entries));
        }
        entries
    }
}
