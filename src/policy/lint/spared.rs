//! Allowed phrases that spare more than they were written for.

use std::collections::BTreeSet;

use super::entries::spares;
use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{AllowMode, FoldedList};

impl Lint<'_> {
    /// Phrases that spare an entry wherever it is found, and a list of which nothing is left.
    pub(super) fn spared(
        &self,
        (id, list): (usize, &List),
        folded: &FoldedList,
        findings: &mut Findings,
    ) {
        let mut left = vec![true; folded.count()];
        let mut by = BTreeSet::new();
        for (allow_id, allow) in self.lists.iter().enumerate() {
            if spares(self, allow, list) {
                let pairs = self.pairs(list, folded, allow);
                tell(&pairs, list, (allow_id, allow), findings);
                for (_, entry) in &pairs {
                    left[*entry] = false;
                    by.insert(&*allow.words.name);
                }
            }
        }
        if !left.is_empty() && !left.contains(&true) {
            let by: Vec<&str> = by.into_iter().collect();
            let what = format!(
                "the list never finds anything: `{}` spares every entry",
                by.join("` and `")
            );
            findings.add_about_list(id, what, "remove the phrases that spare it");
        }
    }

    /// A phrase, and an entry that it spares wherever that is found; the first phrase of each.
    fn pairs(&self, list: &List, folded: &FoldedList, allow: &List) -> Vec<(usize, usize)> {
        let phrases = self
            .filter()
            .folded_list(&allow.words.name, &list.words.name);
        let Some(phrases) = phrases else {
            return Vec::new();
        };
        let overlaps = list.words.options.allow_mode == AllowMode::Overlap;
        let mut phrase_of: Vec<Option<usize>> = vec![None; folded.count()];
        phrases.each_inside(&phrases.index(), folded, |entry, inside| {
            // A phrase needs no boundary, so it is found wherever the entry is.
            if overlaps || !inside.shorter {
                let first = phrase_of[entry].unwrap_or(inside.entry);
                phrase_of[entry] = Some(first.min(inside.entry));
            }
        });
        let pairs = phrase_of.iter().enumerate();
        let pairs = pairs.filter_map(|(entry, phrase)| phrase.map(|phrase| (phrase, entry)));
        pairs.collect()
    }
}

fn tell(
    pairs: &[(usize, usize)],
    list: &List,
    (allow_id, allow): (usize, &List),
    findings: &mut Findings,
) {
    for (phrase, entry) in pairs {
        let what = |at: &_| {
            let (text, spared) = (allow.text(*phrase), list.text(*entry));
            let (name, place) = (&list.words.name, list.place_in_words(*entry, at));
            format!("`{text}` spares `{spared}` of `{name}` ({place}) wherever it is found")
        };
        let hint = "write the longer phrase that is meant, or remove the entry";
        findings.add(Kind::Spares, (allow_id, *phrase), what, hint);
    }
}
