//! Entries that are one sign, sought in the text as they stand.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use super::character::{is_digit, is_regional};
use super::code_point::CodePoints;

/// What an entry that is one sign is made of, whatever its look; `None` for all others.
pub fn of_entry(entry: &str, points: &CodePoints) -> Option<Vec<char>> {
    let first = entry.chars().next()?;
    let symbol = first.general_category_group() == GeneralCategoryGroup::Symbol;
    let number = first.is_numeric() && !first.is_alphabetic() && !is_digit(first);
    let sign = !first.is_ascii() && (symbol || number || first == 'ℹ');
    let joined = sign && entry.contains('\u{200D}');
    let is_itself = || {
        let pieces = points.fold(first);
        pieces.len() == 1 && pieces[0].c == first && !is_regional(first) && first != '🏴'
    };
    let is_one = entry.graphemes(true).count() == 1;
    let is_sign = entry.ends_with('\u{20E3}') || joined || sign && !is_itself();
    (is_one && is_sign).then(|| entry.chars().filter(|c| !is_look(*c)).collect())
}

fn is_look(c: char) -> bool {
    matches!(c, '\u{FE0E}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}')
}

/// Where the sign stands.
pub fn places(sign: &[char], text: &[char]) -> Vec<[usize; 2]> {
    let starts = (0..text.len()).filter(|at| text[*at] == sign[0]);
    let place = |start: usize| {
        let (mut end, mut next) = (start + 1, 1);
        while next < sign.len() {
            match text.get(end)? {
                c if *c == sign[next] => next += 1,
                c if is_look(*c) => {}
                _ => return None,
            }
            end += 1;
        }
        let tag = text
            .get(end)
            .is_some_and(|c| ('\u{E0020}'..='\u{E007F}').contains(c));
        (sign[0] != '🏴' || !tag).then_some([start, end])
    };
    starts.filter_map(place).collect()
}
