//! Text of strangers, shown so that it can do nothing: invisible characters and those that turn
//! the direction of writing are labels, and it stands in a direction of its own.

use std::ops::Range;

use maud::{Markup, Render, html};
use unicode_normalization::char::is_combining_mark;

use super::super::language::Language;
use super::super::visit::Visit;
use super::figures::number;
use super::texts::TEXTS;

/// As much of a text as a page shows.
pub(in super::super) const CHARS_MAX: usize = 2000;
/// More marks than this on one letter hide the lines around it.
const COMBINING_MAX: usize = 3;

/// Characters that have a name people know; others are told by their number.
const NAMES: [(char, &str); 22] = [
    ('\u{0}', "NUL"),
    ('\u{9}', "TAB"),
    ('\u{a}', "LF"),
    ('\u{d}', "CR"),
    ('\u{1b}', "ESC"),
    ('\u{a0}', "NBSP"),
    ('\u{ad}', "SHY"),
    ('\u{61c}', "ALM"),
    ('\u{180e}', "MVS"),
    ('\u{200b}', "ZWSP"),
    ('\u{200c}', "ZWNJ"),
    ('\u{200d}', "ZWJ"),
    ('\u{200e}', "LRM"),
    ('\u{200f}', "RLM"),
    ('\u{202a}', "LRE"),
    ('\u{202b}', "RLE"),
    ('\u{202c}', "PDF"),
    ('\u{202d}', "LRO"),
    ('\u{202e}', "RLO"),
    ('\u{2060}', "WJ"),
    ('\u{fe0f}', "VS16"),
    ('\u{feff}', "BOM"),
];

/// One piece of a text as it is shown.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Plain(&'a str),
    Chip(char),
    /// Marks that stand above each other, beyond those that are shown.
    Marks(usize),
}

/// A text of a stranger, up to [`CHARS_MAX`].
pub(in super::super) fn hostile(visit: &Visit, text: &str) -> Markup {
    marked(visit, text, &[], CHARS_MAX)
}

/// A text of a stranger with spans of bytes marked, cut off behind `chars_max` characters.
pub(in super::super) fn marked(
    visit: &Visit,
    text: &str,
    spans: &[Range<usize>],
    chars_max: usize,
) -> Markup {
    in_language(visit.language(), text, spans, chars_max)
}

fn in_language(language: Language, text: &str, spans: &[Range<usize>], chars_max: usize) -> Markup {
    let texts = TEXTS.of(language);
    let cut = text.char_indices().nth(chars_max).map(|(at, _)| at);
    let shown = &text[..cut.unwrap_or(text.len())];
    let left = text[shown.len()..].chars().count() as u64;
    let combining = texts.marks;
    html! {
        bdi .hostile {
            @for (run, is_marked) in runs(shown, spans) {
                @let pieces = pieces(run);
                @if is_marked { mark { (Pieces(&pieces, combining)) } }
                @else { (Pieces(&pieces, combining)) }
            }
            @if left > 0 { span .chip .cut { "… " (number(left)) " " (texts.more_characters) } }
        }
    }
}

/// Runs of characters that are all marked, or all not.
fn runs<'a>(text: &'a str, spans: &[Range<usize>]) -> Vec<(&'a str, bool)> {
    let mut runs: Vec<(Range<usize>, bool)> = Vec::new();
    for (at, character) in text.char_indices() {
        let is_marked = spans.iter().any(|span| span.contains(&at));
        let end = at + character.len_utf8();
        match runs.last_mut() {
            Some((run, same)) if *same == is_marked => run.end = end,
            _ => runs.push((at..end, is_marked)),
        }
    }
    let text_of = |(run, is_marked): (Range<usize>, bool)| (&text[run], is_marked);
    runs.into_iter().map(text_of).collect()
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut plain = 0;
    let mut before = None;
    let mut combining = 0;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        combining = match is_combining_mark(character) {
            true => combining + 1,
            false => 0,
        };
        let is_hidden = is_hidden(character, before);
        let is_beyond = combining > COMBINING_MAX;
        before = Some(character);
        if !is_hidden && !is_beyond {
            continue;
        }
        if plain < at {
            pieces.push(Piece::Plain(&text[plain..at]));
        }
        plain = end;
        match pieces.last_mut() {
            Some(Piece::Marks(count)) if is_beyond => *count += 1,
            _ if is_beyond => pieces.push(Piece::Marks(1)),
            _ => pieces.push(Piece::Chip(character)),
        }
    }
    if plain < text.len() {
        pieces.push(Piece::Plain(&text[plain..]));
    }
    pieces
}

/// Shows nothing by itself, or changes how its neighbours are shown.
fn is_hidden(character: char, before: Option<char>) -> bool {
    // What joins two pictures, or says that one is in colour, is a part of them.
    let of_picture = matches!(character, '\u{200d}' | '\u{fe0f}');
    if of_picture && before.is_some_and(is_picture) {
        return false;
    }
    character.is_control()
        || matches!(u32::from(character),
            0xa0 | 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3164
            | 0xe000..=0xf8ff | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a | 0xe_0000..=0x10_ffff)
}

fn is_picture(character: char) -> bool {
    matches!(u32::from(character),
        0x203c..=0x2049 | 0x2122..=0x21ff | 0x2300..=0x27bf | 0x2900..=0x2bff | 0xfe0f
        | 0x1_f000..=0x1_faff)
}

struct Pieces<'a>(&'a [Piece<'a>], &'a str);

impl Render for Pieces<'_> {
    fn render(&self) -> Markup {
        html! {
            @for piece in self.0 {
                @match piece {
                    Piece::Plain(text) => (text),
                    Piece::Chip(character) => (Chip(*character)),
                    Piece::Marks(count) => span .chip { "+" (count) " " (self.1) },
                }
            }
        }
    }
}

struct Chip(char);

impl Render for Chip {
    fn render(&self) -> Markup {
        let code = format!("U+{:04X}", u32::from(self.0));
        let name = NAMES.iter().find(|(named, _)| *named == self.0);
        html! {
            @match name {
                Some((_, name)) => span .chip title=(code) { (name) },
                None => span .chip { (code) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, spans: &[Range<usize>], chars_max: usize) -> String {
        in_language(Language::English, text, spans, chars_max).into_string()
    }

    fn check(text: &str, inside: &str) {
        let expected = format!("<bdi class=\"hostile\">{inside}</bdi>");
        assert_eq!(shown(text, &[], 100), expected, "{text:?}");
    }

    #[test]
    fn what_cannot_be_seen_is_a_chip() {
        check("hello 你好", "hello 你好");
        check(
            "<script>alert(1)</script>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        );
        check(
            "a\u{202e}b",
            "a<span class=\"chip\" title=\"U+202E\">RLO</span>b",
        );
        check(
            "v\u{200b}x",
            "v<span class=\"chip\" title=\"U+200B\">ZWSP</span>x",
        );
        check("\u{e0041}", "<span class=\"chip\">U+E0041</span>");
        check("\u{85}", "<span class=\"chip\">U+0085</span>");
        // Ordinary pictures and ordinary letters with marks stay as they are.
        check("👨\u{200d}👩 ❤\u{fe0f}", "👨\u{200d}👩 ❤\u{fe0f}");
        check("e\u{301} नि", "e\u{301} नि");
        check(
            &format!("a{}b", "\u{301}".repeat(40)),
            "a\u{301}\u{301}\u{301}<span class=\"chip\">+37 combining marks</span>b",
        );
    }

    /// Of every character that there is: none of those that hide or turn comes through.
    #[test]
    fn no_character_hides_or_turns() {
        let turning = ['\u{61c}', '\u{200e}', '\u{200f}'];
        let turning = turning.into_iter().chain('\u{202a}'..='\u{202e}');
        let turning: Vec<char> = turning.chain('\u{2066}'..='\u{2069}').collect();
        for character in '\0'..=char::MAX {
            let html = shown(&format!("x{character}x"), &[], 100);
            let is_chip = html.contains("class=\"chip\"");
            if character.is_control() || turning.contains(&character) {
                assert!(is_chip && !html.contains(character), "{character:?}");
            }
        }
    }

    #[test]
    fn spans_are_marked_and_what_is_long_is_cut() {
        let check = |text: &str, spans: &[(usize, usize)], chars_max, inside: &str| {
            let spans: Vec<_> = spans.iter().map(|(start, end)| *start..*end).collect();
            let spans = &spans[..];
            let expected = format!("<bdi class=\"hostile\">{inside}</bdi>");
            assert_eq!(shown(text, spans, chars_max), expected, "{text:?}");
        };
        check("a vip b", &[(2, 5)], 100, "a <mark>vip</mark> b");
        check("你好吗", &[(3, 6)], 100, "你<mark>好</mark>吗");
        let spans = [(0, 2), (1, 3)];
        check("abcd", &spans, 100, "<mark>abc</mark>d");
        // A span that is wrong is no reason to fail.
        check("你", &[(1, 2), (7, 100)], 100, "你");
        let cut = "abc<span class=\"chip cut\">… 1,234 more characters</span>";
        check(&format!("abc{}", "x".repeat(1234)), &[], 3, cut);
        check("", &[], 100, "");
    }
}
