//! Which entries of a call repeat the latest ones of their series.
//!
//! A caller that heard no answer sends its call again, perhaps with more behind it. So the lines
//! of a series in the latest call count together: a call that begins with them repeats them, and
//! one that begins with the last of them repeats that one.

use std::collections::BTreeMap;

use super::entry::{NewEntry, Series};

/// Lines of one series in one call that are kept to be compared; of more, the last alone.
const LINES_MAX: usize = 32;

/// The places of a call's entries, by their series, in their order.
pub(super) fn by_series<'a>(
    entries: impl IntoIterator<Item = &'a NewEntry>,
) -> BTreeMap<&'a str, Vec<(usize, &'a Series)>> {
    let mut series: BTreeMap<&str, Vec<(usize, &Series)>> = BTreeMap::new();
    for (place, entry) in entries.into_iter().enumerate() {
        if let Some(of) = &entry.series {
            series.entry(&of.name).or_default().push((place, of));
        }
    }
    series
}

/// For each line of a call, whether it is a repeat of `latest`, the lines of the call before.
pub(super) fn repeats<T: PartialEq>(latest: &[T], lines: &[T]) -> Vec<bool> {
    let again = match latest.last() {
        Some(_) if lines.starts_with(latest) => latest.len(),
        Some(last) if lines.first() == Some(last) => 1,
        _ => 0,
    };
    let is_repeat = |place: usize| place < again || (place > 0 && lines[place] == lines[place - 1]);
    (0..lines.len()).map(is_repeat).collect()
}

/// What is kept of a call's lines.
pub(super) fn kept<T>(mut lines: Vec<T>) -> Vec<T> {
    if lines.len() > LINES_MAX {
        lines.drain(..lines.len() - 1);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter is a line; `=` marks those that are repeats.
    fn check(latest: &str, lines: &str, expected: &str) {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let repeats = repeats(&letters(latest), &letters(lines));
        let shown = lines.chars().zip(repeats);
        let shown: String = shown
            .map(|(line, repeat)| if repeat { '=' } else { line })
            .collect();
        assert_eq!(shown, expected, "{lines} after {latest}");
    }

    #[test]
    fn only_the_latest_lines_can_be_repeated() {
        check("", "a", "a");
        check("a", "a", "=");
        check("b", "a", "a");
        check("a", "ab", "=b");
        check("ab", "ab", "==");
        check("ab", "abc", "==c");
        check("ab", "b", "=");
        check("ab", "a", "a");
        check("aba", "aba", "===");
        check("", "aab", "a=b");
    }
}
