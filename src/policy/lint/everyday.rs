//! Entries that are found in what everybody says.

use super::entries::spares;
use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{Role, Scratch};
use crate::policy::everyday::everyday_messages;

/// Where an entry was found, and how often.
#[derive(Clone, Copy)]
struct Found {
    messages: u32,
    first: &'static str,
}

impl Lint<'_> {
    pub(super) fn everyday(&self, findings: &mut Findings) {
        for (id, list) in self.lists.iter().enumerate() {
            if list.words.role == Role::Match {
                self.everyday_of((id, list), findings);
            }
        }
    }

    fn everyday_of(&self, (id, list): (usize, &List), findings: &mut Findings) {
        let allowed = self.lists.iter().filter(|other| spares(self, other, list));
        let allowed = allowed.map(|allow| &*allow.words.name);
        let names: Vec<&str> = allowed.chain([&*list.words.name]).collect();
        let set = self.filter().list_set(&names);
        let mut found: Vec<Option<Found>> = vec![None; list.words.written().len()];
        let (mut scratch, mut matches, mut count) = (Scratch::default(), Vec::new(), 0_u32);
        for message in everyday_messages() {
            count += 1;
            matches.clear();
            self.filter()
                .scan(message, &set, &mut scratch, &mut matches);
            let mut entries: Vec<usize> = matches.iter().map(|one| one.entry.index()).collect();
            // Words of combinations come after the entries that were written.
            entries.retain(|entry| *entry < found.len());
            entries.sort_unstable();
            entries.dedup();
            for entry in entries {
                let already = found[entry].unwrap_or(Found {
                    messages: 0,
                    first: message,
                });
                found[entry] = Some(Found {
                    messages: already.messages + 1,
                    ..already
                });
            }
        }
        let most = self.spec.lint.everyday_share_max * f64::from(count);
        for (entry, found) in found.iter().enumerate() {
            if let Some(Found { messages, first }) = found
                && f64::from(*messages) > most
            {
                let what = |_: &_| {
                    let text = list.text(entry);
                    format!(
                        "`{text}` is found in {messages} of {count} everyday messages, such as `{first}`"
                    )
                };
                let hint = "write a longer phrase, or spare those messages with an allow list";
                findings.add(Kind::Everyday, (id, entry), what, hint);
            }
        }
    }
}
