//! Entries that are found in what everybody says.

use std::collections::BTreeMap;

use super::entries::spares;
use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{Role, Scratch};
use crate::policy::everyday::{everyday_messages, language_name};

/// Where an entry was found, and how often; by language.
type Found = BTreeMap<&'static str, (u32, &'static str)>;

/// Chinese and English are one: those messages are the longest known, and many.
fn group(language: &'static str) -> &'static str {
    match language {
        "zh" | "en" => "",
        other => other,
    }
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
        let mut found: Vec<Found> = vec![Found::new(); list.words.written().len()];
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for message in everyday_messages() {
            let language = group(message.language);
            *counts.entry(language).or_default() += 1;
            matches.clear();
            self.filter()
                .scan(message.text, &set, &mut scratch, &mut matches);
            let mut entries: Vec<usize> = matches.iter().map(|one| one.entry.index()).collect();
            // Words of combinations come after the entries that were written.
            entries.retain(|entry| *entry < found.len());
            entries.sort_unstable();
            entries.dedup();
            for entry in entries {
                let known = found[entry].entry(language);
                known.or_insert((0, message.text)).0 += 1;
            }
        }
        for (entry, found) in found.iter().enumerate() {
            for (language, (messages, first)) in found {
                let count = counts[language];
                if f64::from(*messages) > self.spec.lint.everyday_share_max * f64::from(count) {
                    let what = |_: &_| told(list.text(entry), language, [*messages, count], first);
                    findings.add(Kind::Everyday, (id, entry), what, hint(language));
                }
            }
        }
    }
}

fn told(entry: &str, language: &str, [messages, count]: [u32; 2], first: &str) -> String {
    let of = match language {
        "" => "everyday messages".to_owned(),
        language => format!("everyday sentences in {}", language_name(language)),
    };
    format!("`{entry}` is found in {messages} of {count} {of}, such as `{first}`")
}

fn hint(language: &str) -> &'static str {
    match language {
        "vi" | "tr" | "es" | "pt" | "de" => {
            "write a longer phrase, spare those messages with an allow list, or tell accents apart with `marks: zalgo`"
        }
        _ => "write a longer phrase, or spare those messages with an allow list",
    }
}
