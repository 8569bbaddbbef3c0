//! Words that are hits only where they stand together.

use super::hit::Hit;
use super::hits::Hits;
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
    pub(crate) fn settle(&self, text: &str, words: &[Hit], hits: &mut Hits) {
        for combo in &self.0 {
            let mut own: Vec<Word> = words
                .iter()
                .filter(|hit| hit.list == combo.list)
                .filter_map(|hit| {
                    let part = hit.entry.checked_sub(combo.first)?;
                    (part < combo.all + combo.none).then_some(Word {
                        hit: *hit,
                        part,
                        chars: (0, 0),
                    })
                })
                .collect();
            count_chars(text, &mut own);
            for word in combo.together(own) {
                hits.push(word.hit);
            }
        }
    }
}

/// A word of a combination in a text.
#[derive(Clone, Copy)]
struct Word {
    hit: Hit,
    /// Which word of the combination.
    part: u32,
    /// Where it starts and ends, in characters.
    chars: (u32, u32),
}

/// Sets `chars` of every word, in one pass over the text.
fn count_chars(text: &str, words: &mut [Word]) {
    let mut places: Vec<(u32, u32)> = words
        .iter()
        .flat_map(|word| [(word.hit.start, 0), (word.hit.end, 0)])
        .collect();
    places.sort_unstable();
    places.dedup();
    let (mut byte, mut chars) = (0, 0);
    for place in &mut places {
        chars += text[byte..place.0 as usize].chars().count() as u32;
        byte = place.0 as usize;
        place.1 = chars;
    }
    let chars_at = |byte: u32| {
        let at = places.binary_search_by_key(&byte, |(byte, _)| *byte);
        places[at.expect("every place of a word was counted")].1
    };
    for word in words {
        word.chars = (chars_at(word.hit.start), chars_at(word.hit.end));
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
