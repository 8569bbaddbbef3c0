//! Words that are matches only where they stand together.

use std::collections::BTreeSet;

use super::Hit;

/// The occurrences of a combination's words that stand together with one of each other, within
/// a window that holds no word that makes them harmless.
pub fn together(
    parts: &[BTreeSet<Hit>],
    harmless: &BTreeSet<Hit>,
    window: Option<u32>,
) -> BTreeSet<Hit> {
    let fits = |hits: &[&Hit]| {
        let start = hits.iter().map(|hit| hit.start).min();
        let end = hits.iter().map(|hit| hit.end).max();
        let length = end.unwrap_or(0) - start.unwrap_or(0);
        window.is_none_or(|window| length <= window as usize)
    };
    let mut together = BTreeSet::new();
    for choice in choices(parts) {
        let spoils = |word: &Hit| fits(&[&choice[..], &[word]].concat());
        if fits(&choice) && !harmless.iter().any(spoils) {
            together.extend(choice.into_iter().cloned());
        }
    }
    together
}

/// Every way to choose one hit of each part.
fn choices(parts: &[BTreeSet<Hit>]) -> Vec<Vec<&Hit>> {
    let mut choices = vec![Vec::new()];
    for hits in parts {
        choices = choices
            .iter()
            .flat_map(|choice| hits.iter().map(move |hit| [&choice[..], &[hit]].concat()))
            .collect();
    }
    choices
}
