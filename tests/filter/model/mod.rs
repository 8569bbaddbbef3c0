//! A second filter, slow and obvious, that the filter is compared with.
//!
//! It follows the semantics word by word: every entry is written in every way that the options
//! allow (`form`), laid over the folded text (`fold`) from every start in every way (`align`),
//! and what breaks no rule (`rules`) is an occurrence; of those the leftmost and longest that no
//! allowed phrase covers are reported. Nothing here is fast, and nothing is shared with the
//! filter but the curated choice of letters that look Latin.

mod agreement;
mod align;
mod bidi;
mod character;
mod code_point;
mod combo;
mod fold;
mod form;
mod mask;
pub mod random;
mod rules;
mod selfmask;
mod sign;

use std::collections::BTreeSet;
use std::ops::Range;

use callgate::filter::{AllowMode, Mode, Options, Pinyin, WholeWord};

use self::align::Page;
use unicode_segmentation::UnicodeSegmentation;

use self::character::{is_combining, is_letter_mark, is_prepended, is_trailing};
use self::code_point::CodePoints;
use self::fold::Symbol;
use self::form::{Entry, Form};
use crate::cases::{
    Case, Finding, Reading, check_cases, check_evasions, fixtures, options_from_json,
};

/// A list of words and the phrases that it allows.
pub struct Model {
    options: Options,
    points: CodePoints,
    /// The words, then those of the combinations.
    entries: Vec<Entry>,
    allowed: Vec<Entry>,
    combos: Vec<Combo>,
}

/// A combination, with its words as numbers of entries.
struct Combo {
    all: Range<usize>,
    none: Vec<Entry>,
    window: Option<u32>,
}

/// An entry and the characters of the text that it matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    start: usize,
    end: usize,
    entry: usize,
}

impl Model {
    pub fn new(words: &[String], allow: &[String], options: &Options) -> Model {
        let points = CodePoints::new(options);
        let new = |words: &[String]| -> Vec<Entry> {
            let words = words.iter();
            words
                .map(|word| Entry::new(word, &points, options))
                .collect()
        };
        let mut entries = new(words);
        let mut combos = Vec::new();
        for combo in &options.combos {
            let first = entries.len();
            entries.extend(new(&combo.all));
            combos.push(Combo {
                all: first..entries.len(),
                none: new(&combo.none),
                window: combo.window,
            });
        }
        Model {
            allowed: allow
                .iter()
                .map(|phrase| Entry::new(phrase, &points, &phrases(options)))
                .collect(),
            entries,
            combos,
            options: options.clone(),
            points,
        }
    }

    /// The most ways to write one of its words.
    pub fn forms_max(&self) -> usize {
        let entries = self.entries.iter();
        let counts = entries.map(|entry| match entry.is_cut {
            true => usize::MAX,
            false => entry.forms.len(),
        });
        counts.max().unwrap_or(0)
    }

    pub fn run(&self, text: &str) -> Reading {
        let hits = self.find(text);
        let spans: Vec<[usize; 2]> = hits.iter().map(|hit| [hit.start, hit.end]).collect();
        let found = hits.iter().map(|hit| {
            let word = &self.entries[hit.entry].word;
            Finding::at(word, text, [hit.start, hit.end])
        });
        Reading {
            found: found.collect(),
            masked: mask::masked(text, &spans, &self.options.mask),
        }
    }

    fn find(&self, text: &str) -> Vec<Hit> {
        let mut occurrences = self.occurrences(text, &self.entries, &self.options);
        let allowed = self.spans(text, &self.allowed, &phrases(&self.options));
        occurrences.retain(|hit| !allowed.iter().any(|phrase| self.spares(phrase, hit)));
        let of = |entries: Range<usize>| -> BTreeSet<Hit> {
            let hits = occurrences.iter();
            hits.filter(|hit| entries.contains(&hit.entry))
                .cloned()
                .collect()
        };
        let alone = self.entries.len()
            - self
                .combos
                .iter()
                .map(|combo| combo.all.len())
                .sum::<usize>();
        let mut hits = of(0..alone);
        for combo in &self.combos {
            let parts: Vec<BTreeSet<Hit>> =
                combo.all.clone().map(|part| of(part..part + 1)).collect();
            let harmless = self.occurrences(text, &combo.none, &self.options);
            hits.append(&mut combo::together(&parts, &harmless, combo.window));
        }
        match self.options.mode {
            Mode::All => each_span(hits),
            Mode::Longest => longest(hits),
        }
    }

    fn spares(&self, phrase: &Hit, hit: &Hit) -> bool {
        match self.options.allow_mode {
            AllowMode::Contain => phrase.start <= hit.start && hit.end <= phrase.end,
            AllowMode::Overlap => phrase.start < hit.end && hit.start < phrase.end,
        }
    }

    /// Every occurrence that begins and ends with a character as a reader sees it.
    fn occurrences(&self, text: &str, entries: &[Entry], options: &Options) -> BTreeSet<Hit> {
        let chars: Vec<char> = text.chars().collect();
        let clusters = text.graphemes(true);
        let bounds: BTreeSet<usize> = clusters
            .scan(0, |at, cluster| {
                let start = *at;
                *at += cluster.chars().count();
                Some(start)
            })
            .chain([chars.len()])
            .collect();
        let mut hits = self.spans(text, entries, options);
        hits.retain(|hit| {
            let prepended = hit.start > 0 && is_prepended(chars[hit.start - 1]);
            let is_between = |at: usize| {
                let goes_on = at > 0 && chars.get(at).is_some_and(|c| is_combining(*c));
                bounds.contains(&at) && !goes_on
            };
            (prepended || is_between(hit.start)) && is_between(hit.end)
        });
        hits
    }

    /// Every place of every entry, in the text and in the order in which it is shown, with the
    /// marks behind it.
    fn spans(&self, text: &str, entries: &[Entry], options: &Options) -> BTreeSet<Hit> {
        let written = fold::fold(text, &self.points, options);
        let mut readings = vec![written];
        if options.bidi {
            readings.push(fold::turned(&readings[0], &bidi::turned(text)));
        }
        let mut hits = BTreeSet::new();
        // A mark that was put in its canonical place is what stands there.
        let chars = fold::ordered(text);
        let first = &readings[0];
        let with_trailing = |end: usize| {
            let is_letter = |at: usize| first.iter().any(|symbol| symbol.from == at);
            let behind = (end..chars.len()).find(|at| {
                !is_trailing(chars[*at]) || is_letter_mark(chars[*at]) && is_letter(*at)
            });
            behind.unwrap_or(chars.len())
        };
        for (number, sign) in entries.iter().enumerate() {
            for [start, end] in sign.sign.iter().flat_map(|sign| sign::places(sign, &chars)) {
                hits.insert(Hit {
                    start,
                    end: with_trailing(end),
                    entry: number,
                });
            }
        }
        for (nth, symbols) in readings.iter().enumerate() {
            // Letters are looked for behind signs in the text as it is written.
            let options = &Options {
                selfmask: options.selfmask && nth == 0,
                ..options.clone()
            };
            for (number, entry) in entries.iter().enumerate() {
                if entry.sign.is_some() {
                    continue;
                }
                for [first, last] in places(entry, symbols, options) {
                    let taken = &symbols[first..=last];
                    let start = taken.iter().map(|symbol| symbol.from).min();
                    let end = taken.iter().map(|symbol| symbol.to).max();
                    let end = end.expect("it takes symbols");
                    let start = start.expect("it takes symbols");
                    hits.insert(Hit {
                        start,
                        end: with_trailing(end),
                        entry: number,
                    });
                }
            }
        }
        hits
    }
}

/// Phrases are folded and skipped like the list; what else disguises a word disguises no phrase.
fn phrases(options: &Options) -> Options {
    Options {
        leet: false,
        repeat: 0,
        whole_word: WholeWord::Off,
        pinyin: Pinyin::None,
        homophone: false,
        split: false,
        selfmask: false,
        bidi: false,
        ..options.clone()
    }
}

/// The first and last symbol of every occurrence of an entry.
fn places(entry: &Entry, symbols: &[Symbol], options: &Options) -> Vec<[usize; 2]> {
    let forms = entry.forms.iter();
    let breaks = match options.whole_word {
        WholeWord::Segment => rules::breaks(symbols),
        _ => Vec::new(),
    };
    let places = forms.flat_map(|form| {
        let ends = [form.letters[0].c, form.letters[form.letters.len() - 1].c];
        let is_free = |place: &[usize; 2]| {
            rules::is_whole_word(symbols, *place, ends, entry.open, options, &breaks)
        };
        places_of(form, symbols, options, &is_free)
    });
    places.collect()
}

/// The same of a form, where `is_free` says that it may stand.
fn places_of(
    form: &Form,
    symbols: &[Symbol],
    options: &Options,
    is_free: &dyn Fn(&[usize; 2]) -> bool,
) -> Vec<[usize; 2]> {
    let mut places = Vec::new();
    let mut readings = vec![(false, false), (false, true)];
    if form.letters.iter().any(|letter| align::has_sign(letter.c)) {
        readings.extend([(true, false), (true, true)]);
    }
    for (signs, flags) in readings {
        let page = Page::new(form, symbols, options, align::Reading { signs, flags });
        let (mut stretched, mut odd_ones) = (Vec::new(), Vec::new());
        for start in 0..symbols.len() {
            for steps in page.alignments(start) {
                let place = [start, steps[steps.len() - 1].symbol];
                let odd = rules::is_number_or_contraction(&page, &steps);
                if !is_free(&place) || !rules::hold(&page, &steps) {
                } else if steps.len() > form.letters.len() {
                    stretched.push(place);
                    if odd {
                        odd_ones.push(place);
                    }
                } else if !odd {
                    places.push(place);
                }
            }
        }
        let widest = widest(&stretched).into_iter();
        places.extend(widest.filter(|place| !odd_ones.contains(place)));
    }
    for start in 0..symbols.len() {
        let end = start + form.letters.len();
        let text = symbols.get(start..end);
        let place = [start, end.wrapping_sub(1)];
        if options.selfmask
            && text.is_some_and(|text| selfmask::is_masked(form, text))
            && is_free(&place)
        {
            places.push(place);
        }
    }
    places
}

/// The places that are in no wider one: a stretched word is one occurrence, however many of its
/// letters could be left out.
fn widest(places: &[[usize; 2]]) -> Vec<[usize; 2]> {
    let is_in = |one: &[usize; 2], other: &[usize; 2]| {
        one != other && other[0] <= one[0] && one[1] <= other[1]
    };
    let is_widest = |place: &&[usize; 2]| !places.iter().any(|other| is_in(place, other));
    places.iter().filter(is_widest).copied().collect()
}

/// Every span once, as that of the earliest entry in the list.
fn each_span(hits: BTreeSet<Hit>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = hits.into_iter().collect();
    hits.dedup_by_key(|hit| (hit.start, hit.end));
    hits
}

/// The leftmost, then the longest, then the earliest in the list; none overlap.
fn longest(hits: BTreeSet<Hit>) -> Vec<Hit> {
    let mut hits: Vec<Hit> = hits.into_iter().collect();
    hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.entry));
    let mut kept: Vec<Hit> = Vec::new();
    for hit in hits {
        if kept.last().is_none_or(|last| last.end <= hit.start) {
            kept.push(hit);
        }
    }
    kept
}

/// The model reads no patterns.
fn without_patterns(case: &Case) -> bool {
    !case.list.iter().any(|word| word.starts_with("re:"))
}

#[test]
fn model_passes_the_cases() {
    let files = fixtures("cases", "CALLGATE_CASES");
    check_cases(&files, without_patterns, |case| {
        let options = options_from_json(&case.options)?;
        Ok(Model::new(&case.list, &case.allow, &options).run(&case.text))
    });
}

#[test]
fn model_sees_through_the_evasions() {
    check_evasions(
        &fixtures("evasion", "CALLGATE_EVASION"),
        |words, options| {
            let model = Model::new(words, &[], &options);
            Ok(move |text: &str| model.run(text).found)
        },
    );
}
