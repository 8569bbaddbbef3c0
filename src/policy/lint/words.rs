//! Entries that are an everyday word of some language, or that differ from one by accents alone.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::entries::spares;
use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{Role, Scratch};
use crate::policy::everyday::{Everyday, everyday_words, language_name};

/// Languages that are named in one finding.
const LANGUAGES_MAX: usize = 3;

impl Lint<'_> {
    pub(super) fn everyday_words(&self, findings: &mut Findings) {
        // Whoever lets every everyday message be found lets every word be.
        if self.spec.lint.everyday_share_max >= 1.0 {
            return;
        }
        for (id, list) in self.lists.iter().enumerate() {
            if list.words.role == Role::Match {
                self.everyday_words_of((id, list), findings);
            }
        }
    }

    fn everyday_words_of(&self, (id, list): (usize, &List), findings: &mut Findings) {
        let allowed = self.lists.iter().filter(|other| spares(self, other, list));
        let allowed = allowed.map(|allow| &*allow.words.name);
        let names: Vec<&str> = allowed.chain([&*list.words.name]).collect();
        let set = self.filter().list_set(&names);
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        let mut found: BTreeMap<usize, Vec<Everyday>> = BTreeMap::new();
        for word in everyday_words() {
            matches.clear();
            self.filter()
                .scan(word.text, &set, &mut scratch, &mut matches);
            let whole = matches
                .iter()
                .filter(|one| one.span.bytes == (0..word.text.len()));
            // Words of combinations come after the entries that were written.
            let entries = whole.map(|one| one.entry.index());
            for entry in entries.filter(|entry| *entry < list.words.written().len()) {
                let words = found.entry(entry).or_default();
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        for (entry, words) in found {
            let bare = list.text(entry).trim_matches('*').trim();
            let (what, hint) = told(bare, &words);
            findings.add(Kind::EverydayWord, (id, entry), |_| what, hint);
        }
    }
}

/// What is said about an entry that is found where these words stand, and the way out.
fn told(entry: &str, words: &[Everyday]) -> (String, &'static str) {
    let lower = |text: &str| -> String { text.to_lowercase().nfc().collect() };
    let bare = |text: &str| -> String {
        let parts = text.nfd().filter(|c| !is_combining_mark(*c));
        parts.collect::<String>().to_lowercase()
    };
    let same = words.iter().any(|word| lower(word.text) == lower(entry));
    let first = words[0].text;
    let of_it = words
        .iter()
        .filter(|word| same && lower(word.text) == lower(entry) || !same && word.text == first);
    let languages: Vec<&str> = of_it
        .map(|word| language_name(word.language))
        .take(LANGUAGES_MAX)
        .collect();
    let languages = languages.join(" and ");
    if same {
        return (
            format!("`{entry}` is an everyday word in {languages}"),
            "write a longer phrase, or spare what is meant otherwise with an allow list",
        );
    }
    let what = format!("`{entry}` is found in `{first}`, an everyday word in {languages}");
    if bare(entry) == bare(first) {
        return (
            format!("{what} that differs by accents alone"),
            "tell accents apart with `marks: zalgo`, or spare that word with an allow list",
        );
    }
    (
        what,
        "spare that word with an allow list, or write a longer phrase",
    )
}
