//! One list against its own words in disguise, and against everyday messages.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;

use super::kind::Kind;
use super::mutator::Mutator;
use crate::filter::{
    CompileError, Filter, ListSet, ListSpec, Match, Options, Role, Scratch, is_pattern,
};
use crate::policy::WordList;

/// Disguises that were not found and are told, of each kind.
const MISSES_TOLD_MAX: usize = 3;

/// A list that is ready to be tried.
pub(super) struct Trial {
    filter: Filter,
    set: ListSet,
    scratch: Scratch,
    words: ListSpec,
}

/// What became of one kind of disguise.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub kind: Kind,
    /// The list's options see through it.
    pub on: bool,
    pub tried: usize,
    pub found: usize,
    /// Phrases that this kind does not fit, so that they were left out.
    pub phrases_left_out: usize,
    /// The first disguise that was tried.
    pub example: Option<String>,
    /// The first ones that were not found.
    pub misses: Vec<Miss>,
}

/// A word that was not found in its disguise.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    /// From 1; 0 for a word of the policy.
    pub line: u32,
    pub entry: String,
    pub text: String,
}

/// An entry found in an everyday message.
#[derive(Clone, Debug)]
pub(super) struct FalseHit {
    /// In English; empty when nobody knows.
    pub language: &'static str,
    pub line: u32,
    pub entry: String,
    pub message: String,
}

/// How many words are tried, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub seed: u64,
    /// Entries, chosen at random if there are more.
    pub entries_max: usize,
    /// Disguises of each kind for each entry.
    pub variants: usize,
}

impl Tally {
    /// From 0 to 1; `None` when nothing was tried.
    pub(super) fn recall(&self) -> Option<f64> {
        (self.tried > 0).then(|| self.found as f64 / self.tried as f64)
    }
}

impl Trial {
    pub(super) fn new(list: &WordList) -> Result<Trial, Vec<CompileError>> {
        let mut lists = list.allowed.clone();
        lists.push(list.words.clone());
        let names: Vec<String> = lists.iter().map(|list| list.name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let filter = Filter::compile(lists)?;
        Ok(Trial {
            set: filter.list_set(&names),
            filter,
            scratch: Scratch::default(),
            words: list.words.clone(),
        })
    }

    /// Tries every kind on the words.
    pub(super) fn recall(&mut self, kinds: &[Kind], effort: Effort) -> Vec<Tally> {
        let entries = self.chosen(effort);
        let options = self.words.options.clone();
        let tallies = kinds.iter().map(|kind| {
            // A seed of its own for each kind, so that choosing kinds changes no disguise.
            let seed = effort.seed ^ (*kind as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut mutator = Mutator::new(&options.aliases, options.repeat, seed);
            self.tally(*kind, &entries, &mut mutator, effort.variants)
        });
        tallies.collect()
    }

    /// Words, no patterns, without the `*` that says that they may go on.
    fn chosen(&self, effort: Effort) -> Vec<(u32, String, Options)> {
        let words = self.words.entries.iter();
        let mut words: Vec<_> = words.filter(|entry| !is_pattern(entry.text)).collect();
        if words.len() > effort.entries_max {
            Rng::with_seed(effort.seed).shuffle(&mut words);
            words.truncate(effort.entries_max);
            words.sort_by_key(|entry| entry.line);
        }
        let words = words.into_iter().map(|entry| {
            let bare = entry.text.trim_matches('*');
            let text = if bare.is_empty() { entry.text } else { bare };
            let options = entry.options.map_or(&self.words.options, |own| own).clone();
            (entry.line, text.to_owned(), options)
        });
        words.collect()
    }

    fn tally(
        &mut self,
        kind: Kind,
        entries: &[(u32, String, Options)],
        mutator: &mut Mutator,
        variants: usize,
    ) -> Tally {
        let mut tally = Tally {
            kind,
            on: kind.is_on(&self.words.options),
            tried: 0,
            found: 0,
            phrases_left_out: 0,
            example: None,
            misses: Vec::new(),
        };
        for (line, entry, options) in entries {
            // An entry with options of its own may be read in another way than its list.
            if kind.is_on(options) != tally.on {
                continue;
            }
            let before = tally.tried;
            for _ in 0..variants {
                let Some(dressed) = mutator.mutate(kind, entry) else {
                    continue;
                };
                let (text, place) = in_a_message(kind, &dressed, mutator.rng());
                tally.tried += 1;
                tally.example.get_or_insert_with(|| dressed.clone());
                if self.is_found(&text, &place) {
                    tally.found += 1;
                } else if tally.misses.len() < MISSES_TOLD_MAX {
                    tally.misses.push(Miss {
                        line: *line,
                        entry: entry.clone(),
                        text,
                    });
                }
            }
            let is_phrase = entry.trim().contains(char::is_whitespace);
            tally.phrases_left_out += usize::from(is_phrase && tally.tried == before);
        }
        tally
    }

    /// Whether the list finds anything that touches this place.
    fn is_found(&mut self, text: &str, place: &Range<usize>) -> bool {
        let matches = self.matches(text);
        let mut spans = matches.iter().map(|found| &found.span.bytes);
        spans.any(|span| span.start < place.end && place.start < span.end)
    }

    /// The list's matches, without those of allowed phrases.
    fn matches(&mut self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        self.filter
            .scan(text, &self.set, &mut self.scratch, &mut matches);
        let name = &self.words.name;
        matches.retain(|found| self.filter.list_name(found.list) == name);
        matches
    }

    /// The messages in which the list finds something; each entry once for each message.
    pub(super) fn false_hits<'m>(
        &mut self,
        messages: impl Iterator<Item = (&'static str, &'m str)>,
    ) -> Vec<FalseHit> {
        let mut hits = Vec::new();
        for (language, message) in messages {
            let mut guilty = BTreeMap::new();
            for found in self.matches(message) {
                let entry = self.filter.entry(found.list, found.entry);
                guilty.insert((entry.line, entry.text.to_owned()), ());
            }
            hits.extend(guilty.into_keys().map(|(line, entry)| FalseHit {
                language,
                line,
                entry,
                message: message.to_owned(),
            }));
        }
        hits
    }
}

/// The list of a table: these words, with these options.
pub(super) fn list_of(words: &[&str], options: Options) -> WordList {
    let entries = words
        .iter()
        .zip(1..)
        .map(|(word, line)| crate::filter::Entry {
            text: (*word).to_owned(),
            line,
            tags: [].into(),
            options: None,
        });
    WordList {
        words: ListSpec {
            name: "words".into(),
            role: Role::Match,
            options,
            entries: entries.collect(),
        },
        file: None,
        allowed: Vec::new(),
    }
}

/// A message around a disguise, and where in it that stands. Where the disguise begins or ends
/// with a letter or a digit there is a blank beside it.
fn in_a_message(kind: Kind, dressed: &str, rng: &mut Rng) -> (String, Range<usize>) {
    const OPEN: [(&str, &str); 3] = [("", ""), ("看看", "吧"), ("hey ", " ok")];
    const APART: [(&str, &str); 3] = [("", ""), ("hey ", " ok"), ("看 ", " 吧")];
    let is_han = |c: Option<char>| c.is_some_and(|c| ('\u{3400}'..='\u{9FFF}').contains(&c));
    let ends = [dressed.chars().next(), dressed.chars().next_back()];
    let around = match kind {
        Kind::Beside => [("", ""); 3],
        _ if ends.into_iter().all(is_han) => OPEN,
        _ => APART,
    };
    let (before, behind) = rng.choice(around).unwrap_or_default();
    let place = before.len()..before.len() + dressed.len();
    (format!("{before}{dressed}{behind}"), place)
}
