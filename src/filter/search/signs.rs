//! Entries that are one sign or emoji: they are sought in the original, as that sign, and never as
//! the letters that it is made of.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use super::word::EntryOf;
use crate::filter::budget::Budget;
use crate::filter::result::Hit;
use crate::filter::text::{FoldTable, is_other_sign};

/// What comparing a sign costs, and keeping it.
const STEPS_FOR_SIGN: usize = 4;

/// The frame around the key before it.
const KEYCAP: char = '\u{20E3}';

#[derive(Default)]
pub(crate) struct Signs {
    /// By first character: what follows it, and the entries.
    known: HashMap<char, Vec<(String, EntryOf)>>,
}

/// Neither the look of an emoji nor the colour of its skin makes another sign of it.
fn is_look(c: char) -> bool {
    matches!(c, '\u{FE0E}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}')
}

/// The entry is one sign that folding would make letters or digits of, or would take apart. What
/// folding drops is no sign, and neither is the frame of a keycap without its key.
pub(crate) fn is_sign(entry: &str, table: &FoldTable) -> bool {
    let mut clusters = entry.graphemes(true);
    let one = clusters.next().is_some() && clusters.next().is_none();
    let first = entry.chars().next().filter(|_| one);
    let Some(first) = first.filter(|c| *c != KEYCAP && !table.drops(*c)) else {
        return false;
    };
    let keycap = entry.ends_with(KEYCAP);
    let joined = entry.contains('\u{200D}') && is_other_sign(first);
    keycap || joined || is_other_sign(first) && table.symbol(first) != Some(u32::from(first))
}

impl Signs {
    /// Adds an entry that [`is_sign`].
    pub(crate) fn add(&mut self, of: EntryOf, entry: &str) {
        let mut chars = entry.chars().filter(|c| !is_look(*c));
        if let Some(first) = chars.next() {
            self.known
                .entry(first)
                .or_default()
                .push((chars.collect(), of));
        }
    }

    /// Reports every sign of the `active` lists.
    pub(crate) fn find(
        &self,
        text: &str,
        active: &[bool],
        budget: &Budget,
        mut found: impl FnMut(Hit),
    ) {
        if self.known.is_empty() || !budget.take(text.len()) {
            return;
        }
        for (start, c) in text.char_indices() {
            for (rest, of) in self.known.get(&c).into_iter().flatten() {
                if !budget.take(STEPS_FOR_SIGN) {
                    return;
                }
                let behind = start + c.len_utf8();
                let end = end_of(&text[behind..], rest).map(|length| behind + length);
                // With tags behind it a black flag is that of a part of a country.
                let is_it = |end: &usize| {
                    c != '🏴'
                        || !text[*end..].starts_with(|c| ('\u{E0020}'..='\u{E007F}').contains(&c))
                };
                if let Some(end) = end.filter(is_it).filter(|_| active[of.list as usize]) {
                    found(Hit {
                        list: of.list,
                        entry: of.entry,
                        start: start as u32,
                        end: end as u32,
                    });
                }
            }
        }
    }
}

/// How many bytes of a text the rest of a sign takes, whatever its look; `None` if another stands
/// there.
fn end_of(text: &str, rest: &str) -> Option<usize> {
    let mut left = rest.chars().peekable();
    for (at, c) in text.char_indices() {
        match left.peek() {
            None => return Some(at),
            Some(next) if *next == c => drop(left.next()),
            Some(_) if is_look(c) => {}
            Some(_) => return None,
        }
    }
    left.peek().is_none().then_some(text.len())
}
