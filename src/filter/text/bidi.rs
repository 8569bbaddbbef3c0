//! Text under a right-to-left override, in the order in which it is shown.

use super::character::{self, Noise};
use super::stream::Stream;

const OVERRIDE: char = '\u{202E}';
const ISOLATE: char = '\u{2067}';
const END_OF_OVERRIDE: char = '\u{202C}';
const END_OF_ISOLATE: char = '\u{2069}';

pub(crate) fn is_overridden(text: &str) -> bool {
    text.contains([OVERRIDE, ISOLATE])
}

/// The folded text as it is shown: what stands under an override, up to its end or that of the
/// line, is reversed. Origins are no longer in order.
pub(crate) fn as_shown(text: &str, stream: &Stream) -> Stream {
    let mut shown = stream.copy();
    for (start, end) in overridden(text) {
        let place = |byte: usize| {
            let origins = &stream.origins;
            origins.partition_point(|origin| (*origin as usize) < byte)
        };
        shown.reverse(place(start)..place(end));
    }
    shown
}

/// Where text is under an override, in bytes. One inside another is part of it.
fn overridden(text: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut open: Option<(usize, char, usize)> = None;
    for (at, c) in text.char_indices() {
        open = match (open, c) {
            (None, OVERRIDE) => Some((at, END_OF_OVERRIDE, 1)),
            (None, ISOLATE) => Some((at, END_OF_ISOLATE, 1)),
            (None, _) => None,
            (Some((start, _, _)), c) if character::noise(c) == Some(Noise::Newline) => {
                ranges.push((start, at));
                None
            }
            (Some((start, end, 1)), c) if c == end => {
                ranges.push((start, at));
                None
            }
            (Some((start, end, depth)), c) if c == end => Some((start, end, depth - 1)),
            (Some((start, END_OF_OVERRIDE, depth)), OVERRIDE) => {
                Some((start, END_OF_OVERRIDE, depth + 1))
            }
            (Some((start, END_OF_ISOLATE, depth)), ISOLATE) => {
                Some((start, END_OF_ISOLATE, depth + 1))
            }
            (open, _) => open,
        };
    }
    ranges.extend(open.map(|(start, _, _)| (start, text.len())));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = overridden(text)
            .into_iter()
            .map(|(start, end)| text[start..end].trim_start_matches([OVERRIDE, ISOLATE]))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn overrides_end_where_they_are_closed_or_the_line_ends() {
        check("plain", &[]);
        check("a\u{202E}bc\u{202C}d", &["bc"]);
        check("a\u{202E}bc\nd\u{2067}ef", &["bc", "ef"]);
        check("a\u{202E}bc\u{2028}d\u{2067}ef\u{85}g", &["bc", "ef"]);
        check(
            "\u{202E}b\u{202E}c\u{202C}d\u{202C}e",
            &["b\u{202E}c\u{202C}d"],
        );
        check("\u{2067}b\u{202C}c\u{2069}d", &["b\u{202C}c"]);
    }
}
