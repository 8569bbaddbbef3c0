//! Lists that cost much to look for, measured on texts: in steps, which are the same everywhere.

use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{Budget, Role, STEPS_PER_BYTE, Scratch, is_pattern};
use crate::policy::everyday::everyday_messages;

/// Bytes of a text that is made of a list's own entries.
const SAMPLE_BYTES: usize = 16 << 10;
/// Steps for each byte of everyday messages that a list takes without a warning.
const EVERYDAY_STEPS_MAX: u64 = 12;
/// Steps for each byte that a regular expression takes without a warning.
const REGEX_STEPS_MAX: usize = 8;
/// Ways to read a text that one list takes without a warning.
const WAYS_MAX: usize = 16;

impl Lint<'_> {
    /// Finds lists and regular expressions that cost more than others.
    pub(super) fn cost(&self, findings: &mut Findings) {
        for (id, list) in self.lists.iter().enumerate() {
            if list.words.role == Role::Match {
                self.cost_of((id, list), findings);
            }
        }
        for (list, entry, steps) in self.filter().regex_prices() {
            let list = self.filter().list_name(list);
            let id = self
                .lists
                .iter()
                .position(|known| known.words.name == *list);
            if let Some(id) = id.filter(|_| steps > REGEX_STEPS_MAX) {
                let text = self.lists[id].text(entry.index());
                let most = self.spec.filters.costs.regex_work_max / steps as u64;
                let what = |_: &_| {
                    format!(
                        "`{text}` takes {steps} steps for each byte of a text where others take one, so texts of more than {most} bytes may be left unsearched (class `unfiltered`)"
                    )
                };
                let hint = "write a shorter one, with fewer repetitions in it";
                findings.add(Kind::Costly, (id, entry.index()), what, hint);
            }
        }
    }

    fn cost_of(&self, (id, list): (usize, &List), findings: &mut Findings) {
        let ways = self.filter().ways_to_read(&list.words.name);
        if ways > WAYS_MAX {
            let what = format!(
                "entries with options of their own make it {ways} ways to read every text, each of which costs as much as a list"
            );
            let hint = "let entries share their options, or make lists of those that do";
            findings.add_about_list(id, what, hint);
        }
        let everyday: String = everyday_messages()
            .flat_map(|message| [message.text, "\n"])
            .collect();
        let (steps, _) = self.steps_per_byte(list, &everyday);
        if steps > EVERYDAY_STEPS_MAX {
            let what = format!(
                "every byte of everyday messages costs {steps} steps, where most lists take one to five"
            );
            findings.add_about_list(id, what, "leave out options, or entries with options");
        }
        let own = ["", " "].map(|blank| sample_of(list, blank));
        let own = own.iter().map(|text| self.steps_per_byte(list, text));
        let (steps, all) = own.max().unwrap_or_default();
        if steps > STEPS_PER_BYTE {
            let at_least = if all { "" } else { "at least " };
            let what = format!(
                "every byte of a text of its own entries costs {at_least}{steps} steps, and {STEPS_PER_BYTE} is what long texts may: such texts are left unsearched (class `unfiltered`)"
            );
            let hint = "leave out entries that are endings of others, or options";
            findings.add_about_list(id, what, hint);
        }
    }

    /// What a byte of the text costs, and whether that is all that it costs.
    fn steps_per_byte(&self, list: &List, text: &str) -> (u64, bool) {
        let set = self.filter().list_set(&[&list.words.name]);
        let budget = Budget::of_bytes(text.len());
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        self.filter()
            .scan_within(&budget, text, &set, &mut scratch, &mut matches);
        let steps = budget.steps() / (text.len() as u64).max(1);
        (steps, budget.spent().is_none())
    }
}

/// A text of a list's own entries, from the first on and again.
fn sample_of(list: &List, between: &str) -> String {
    let entries = list.words.written();
    let words = entries.map(|entry| entry.text.trim().trim_matches('*'));
    let words: Vec<&str> = words
        .filter(|word| !word.is_empty() && !is_pattern(word))
        .collect();
    let mut text = String::new();
    for word in words.iter().cycle() {
        if text.len() + word.len() > SAMPLE_BYTES {
            break;
        }
        text.push_str(word);
        text.push_str(between);
    }
    text
}
