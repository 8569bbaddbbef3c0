//! Hiding parts of a text.

use std::cmp::Reverse;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::filter::options::{Mask, MaskBy};

/// Masks ranges of a text; bytes outside of them are untouched.
///
/// Units: ranges are in bytes, on character boundaries. Ranges that overlap become one, under
/// the mask of the leftmost (of equal ones the longest). What is `protected` stays, and a range
/// across it is masked piece by piece. `keep_length` keeps the length in UTF-16 units, whatever
/// the mask says, because offsets beside the text point into it.
pub fn mask(
    text: &str,
    cuts: &[(Range<usize>, &Mask)],
    protected: &[Range<usize>],
    keep_length: bool,
) -> String {
    let masked = mask_within(text, cuts, protected, keep_length, usize::MAX);
    masked.expect("no text has more bytes than can be counted")
}

/// The same, unless the text would have more than `bytes_max` bytes: a long mask for each of many
/// matches.
pub fn mask_within(
    text: &str,
    cuts: &[(Range<usize>, &Mask)],
    protected: &[Range<usize>],
    keep_length: bool,
    bytes_max: usize,
) -> Option<String> {
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    let protected = united(protected);
    for (cut, mask) in joined(cuts) {
        for piece in outside(cut, &protected) {
            masked.push_str(&text[copied..piece.start]);
            copied = piece.end;
            hide(&text[piece], mask, keep_length, &mut masked);
            if masked.len() > bytes_max {
                return None;
            }
        }
    }
    masked.push_str(&text[copied..]);
    (masked.len() <= bytes_max).then_some(masked)
}

/// The protected ranges in order; those that overlap are one.
fn united(protected: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut sorted = protected.to_vec();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut united: Vec<Range<usize>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match united.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

/// The cuts in order; those that overlap are one.
fn joined<'a>(cuts: &[(Range<usize>, &'a Mask)]) -> Vec<(Range<usize>, &'a Mask)> {
    let mut sorted: Vec<_> = cuts.iter().filter(|(cut, _)| !cut.is_empty()).collect();
    sorted.sort_by_key(|(cut, _)| (cut.start, Reverse(cut.end)));
    let mut joined: Vec<(Range<usize>, &Mask)> = Vec::with_capacity(sorted.len());
    for (cut, mask) in sorted {
        match joined.last_mut() {
            Some((last, _)) if cut.start < last.end => last.end = last.end.max(cut.end),
            _ => joined.push((cut.clone(), mask)),
        }
    }
    joined
}

/// The pieces of a cut that are not protected.
fn outside(cut: Range<usize>, protected: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces = Vec::with_capacity(1);
    let mut start = cut.start;
    let first = protected.partition_point(|range| range.end <= cut.start);
    let within = protected[first..].iter();
    for range in within.take_while(|range| range.start < cut.end) {
        if range.start > start {
            pieces.push(start..range.start);
        }
        start = range.end;
    }
    if start < cut.end {
        pieces.push(start..cut.end);
    }
    pieces
}

fn hide(piece: &str, mask: &Mask, keep_length: bool, masked: &mut String) {
    let hidden = hidden(piece, mask);
    masked.push_str(&piece[..hidden.start]);
    push_mask(&piece[hidden.clone()], mask, keep_length, masked);
    masked.push_str(&piece[hidden.end..]);
}

/// The part that `keep_first` and `keep_last` leave to hide.
fn hidden(piece: &str, mask: &Mask) -> Range<usize> {
    if (mask.keep_first, mask.keep_last) == (0, 0) {
        return 0..piece.len();
    }
    let starts: Vec<usize> = match mask.by {
        MaskBy::Grapheme => piece.grapheme_indices(true).map(|(at, _)| at).collect(),
        MaskBy::Char | MaskBy::Fixed | MaskBy::Word => {
            piece.char_indices().map(|(at, _)| at).collect()
        }
    };
    let (first, last) = (mask.keep_first as usize, mask.keep_last as usize);
    if first.saturating_add(last) >= starts.len() {
        return 0..piece.len();
    }
    let end = match last {
        0 => piece.len(),
        last => starts[starts.len() - last],
    };
    starts[first]..end
}

fn push_mask(hidden: &str, mask: &Mask, keep_length: bool, masked: &mut String) {
    let count = if keep_length {
        hidden.chars().map(char::len_utf16).sum()
    } else {
        match mask.by {
            MaskBy::Char => hidden.chars().count(),
            MaskBy::Grapheme => hidden.graphemes(true).count(),
            MaskBy::Fixed => mask.n as usize,
            MaskBy::Word => {
                masked.push_str(&mask.text);
                return;
            }
        }
    };
    let char = match mask.char {
        wide if keep_length && wide.len_utf16() > 1 => '*',
        char => char,
    };
    masked.extend(std::iter::repeat_n(char, count));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by(by: MaskBy) -> Mask {
        Mask {
            by,
            text: "[x]".into(),
            ..Mask::default()
        }
    }

    fn check(text: &str, cuts: &[(usize, usize)], mask: Mask, expected: &str) {
        let cuts: Vec<_> = cuts
            .iter()
            .map(|(start, end)| (*start..*end, &mask))
            .collect();
        assert_eq!(super::mask(text, &cuts, &[], false), expected);
    }

    fn check_protected(text: &str, cut: Range<usize>, protected: Range<usize>, expected: &str) {
        let mask = Mask::default();
        assert_eq!(
            super::mask(text, &[(cut, &mask)], &[protected], false),
            expected
        );
    }

    fn check_keeping_length(text: &str, mask: Mask, expected: &str) {
        assert_eq!(
            super::mask(text, &[(0..text.len(), &mask)], &[], true),
            expected
        );
    }

    #[test]
    fn each_way_of_counting() {
        check("ab\u{336}c", &[(1, 4)], by(MaskBy::Char), "a**c");
        check("ab\u{336}c", &[(1, 4)], by(MaskBy::Grapheme), "a*c");
        check("abcdef", &[(1, 5)], by(MaskBy::Fixed), "a***f");
        check("abcdef", &[(1, 5)], by(MaskBy::Word), "a[x]f");
    }

    #[test]
    fn overlapping_cuts_are_one_and_touching_ones_two() {
        check("abcdef", &[(2, 4), (0, 3)], by(MaskBy::Word), "[x]ef");
        check("abcdef", &[(0, 2), (2, 4)], by(MaskBy::Word), "[x][x]ef");
    }

    #[test]
    fn first_and_last_characters_stay_unless_nothing_would_be_hidden() {
        let keep = |keep_first, keep_last| Mask {
            keep_first,
            keep_last,
            ..Mask::default()
        };
        check("abcde", &[(0, 5)], keep(1, 2), "a**de");
        check("abc", &[(0, 3)], keep(1, 2), "***");
        check("abc", &[(0, 3)], keep(u32::MAX, u32::MAX), "***");
    }

    #[test]
    fn protected_ranges_stay() {
        check_protected("ab@u1 cd", 1..7, 2..6, "a*@u1 *d");
        check_protected("@u1 cd", 0..4, 0..4, "@u1 cd");
    }

    #[test]
    fn length_in_utf16_stays_when_asked() {
        check_keeping_length("a😀", by(MaskBy::Word), "***");
        let wide = Mask {
            char: '😀',
            ..Mask::default()
        };
        check_keeping_length("ab", wide, "**");
    }

    #[test]
    fn no_more_bytes_than_may_be_are_written() {
        let long = Mask {
            text: "x".repeat(100),
            ..by(MaskBy::Word)
        };
        let cuts: Vec<_> = (0..10).map(|at| (at..at + 1, &long)).collect();
        let masked = |bytes_max| mask_within("0123456789!", &cuts, &[], false, bytes_max);
        assert_eq!(masked(1_001).map(|masked| masked.len()), Some(1_001));
        assert_eq!(masked(1_000), None);
        assert_eq!(masked(0), None);
    }

    proptest! {
        #[test]
        fn only_the_cuts_change(
            text in "[a-c赌😀\u{301}]{0,12}",
            at in 0usize..12,
            length in 0usize..6,
        ) {
            let starts = text.char_indices().map(|(at, _)| at);
            let bounds: Vec<usize> = starts.chain([text.len()]).collect();
            let start = bounds[at.min(bounds.len() - 1)];
            let end = bounds[(at + length).min(bounds.len() - 1)];
            let masked = mask(&text, &[(start..end, &Mask::default())], &[], true);
            prop_assert!(masked.starts_with(&text[..start]));
            prop_assert!(masked.ends_with(&text[end..]));
            prop_assert_eq!(masked.encode_utf16().count(), text.encode_utf16().count());
        }
    }
}
