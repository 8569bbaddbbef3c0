//! Words that are hits only where they stand together.

use super::hit::Hit;
use super::hits::Hits;
use crate::filter::budget::Budget;
use crate::filter::list::ListSpec;

/// The combinations of a group's lists.
#[derive(Default)]
pub(crate) struct Combos(Vec<Known>);

/// A combination whose words are entries of its list: those that must stand together, and behind
/// them those that must not.
struct Known {
    list: u32,
    first: u32,
    /// How many must stand together.
    all: u32,
    none: u32,
    window: Option<u32>,
}

impl Combos {
    /// The combinations of the lists that are `members`, whose words were appended.
    pub(crate) fn of(lists: &[ListSpec], members: &[bool]) -> Combos {
        let mut known = Vec::new();
        for (id, list) in lists.iter().enumerate().filter(|(id, _)| members[*id]) {
            let mut first = list.first_combined();
            for combo in &list.options.combos {
                known.push(Known {
                    list: id as u32,
                    first,
                    all: combo.all.len() as u32,
                    none: combo.none.len() as u32,
                    window: combo.window,
                });
                first += combo.words().count() as u32;
            }
        }
        Combos(known)
    }

    /// Moves the words that do stand together to `hits`.
    pub(crate) fn settle(&self, text: &str, budget: &Budget, words: &mut [Hit], hits: &mut Hits) {
        words.sort_unstable_by_key(|hit| (hit.list, hit.entry, hit.start));
        let chars = CharsAt::of(text, words);
        for combo in &self.0 {
            let first = (combo.list, combo.first);
            let behind = (combo.list, combo.first + combo.all + combo.none);
            let place = |at| words.partition_point(|hit| (hit.list, hit.entry) < at);
            let own = &words[place(first)..place(behind)];
            // Each word is compared with the latest of every other.
            if !budget.take(STEPS_FOR_COMBO + own.len() * (combo.all as usize + STEPS_FOR_WORD)) {
                return;
            }
            if own.is_empty() {
                continue;
            }
            let own = own.iter().map(|hit| Word {
                hit: *hit,
                part: hit.entry - combo.first,
                chars: (chars.at(hit.start), chars.at(hit.end)),
            });
            for word in combo.together(own.collect()) {
                hits.push(word.hit);
            }
        }
    }
}

/// What a combination costs none of whose words is there.
const STEPS_FOR_COMBO: usize = 4;
/// What a word costs that is.
const STEPS_FOR_WORD: usize = 16;

/// A word of a combination in a text.
#[derive(Clone, Copy)]
struct Word {
    hit: Hit,
    /// Which word of the combination.
    part: u32,
    /// Where it starts and ends, in characters.
    chars: (u32, u32),
}

/// How many characters stand before the places of some words.
struct CharsAt(Vec<(u32, u32)>);

impl CharsAt {
    /// Counts in one pass over the text.
    fn of(text: &str, words: &[Hit]) -> CharsAt {
        let places = words.iter().flat_map(|hit| [(hit.start, 0), (hit.end, 0)]);
        let mut places: Vec<(u32, u32)> = places.collect();
        places.sort_unstable();
        places.dedup();
        let (mut byte, mut chars) = (0, 0);
        for place in &mut places {
            chars += text[byte..place.0 as usize].chars().count() as u32;
            byte = place.0 as usize;
            place.1 = chars;
        }
        CharsAt(places)
    }

    fn at(&self, byte: u32) -> u32 {
        let at = self.0.binary_search_by_key(&byte, |(byte, _)| *byte);
        self.0[at.expect("every place of a word was counted")].1
    }
}

impl Known {
    /// The words that stand in a window with all others, and no word beside them that makes them
    /// harmless.
    fn together(&self, mut words: Vec<Word>) -> Vec<Word> {
        words.sort_unstable_by_key(|word| (word.chars.1, word.chars.0));
        let (words, harmless): (Vec<Word>, Vec<Word>) =
            words.into_iter().partition(|word| word.part < self.all);
        let window = self.window.unwrap_or(u32::MAX);
        let harmless = Harmless::new(harmless);
        let mut live = vec![false; words.len()];
        // The last start of each part among the words that end at or before the current one.
        let mut latest: Vec<Option<u32>> = vec![None; self.all as usize];
        let mut marked = 0;
        for (index, word) in words.iter().enumerate() {
            let known = &mut latest[word.part as usize];
            *known = (*known).max(Some(word.chars.0));
            let Some(start) = latest.iter().copied().reduce(Option::min).flatten() else {
                continue;
            };
            let end = word.chars.1;
            if end - start > window || harmless.stands_near(start, end, window) {
                continue;
            }
            for (earlier, live) in live.iter_mut().enumerate().take(index + 1).skip(marked) {
                *live |= end.saturating_sub(words[earlier].chars.0) <= window;
            }
            marked = index + 1;
        }
        let live = live.into_iter();
        words
            .into_iter()
            .zip(live)
            .filter_map(|(word, live)| live.then_some(word))
            .collect()
    }
}

/// The words that make a combination harmless.
struct Harmless {
    /// Start of each, ascending, with the least end among it and those behind it.
    starts: Vec<(u32, u32)>,
}

impl Harmless {
    fn new(words: Vec<Word>) -> Harmless {
        let mut starts: Vec<(u32, u32)> = words.into_iter().map(|word| word.chars).collect();
        starts.sort_unstable();
        let mut least = u32::MAX;
        for (_, end) in starts.iter_mut().rev() {
            least = least.min(*end);
            *end = least;
        }
        Harmless { starts }
    }

    /// One of them is in a window with what stands from `start` to `end`.
    fn stands_near(&self, start: u32, end: u32, window: u32) -> bool {
        let earliest = end.saturating_sub(window);
        let first = self.starts.partition_point(|(start, _)| *start < earliest);
        let latest = start.saturating_add(window);
        self.starts
            .get(first)
            .is_some_and(|(_, end)| *end <= latest)
    }
}
