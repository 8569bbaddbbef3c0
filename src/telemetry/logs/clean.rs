//! Lines without what a terminal or a reader would obey: line ends, escapes, controls, text that
//! runs backwards.

use std::borrow::Cow;
use std::fmt::Write;

/// A longer line holds something that no log is for.
const LINE_BYTES_MAX: usize = 16 << 10;

/// How a character is written that must not be there as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// `\u{1b}`.
    Text,
    /// `\u001b`, which is the same character to a reader of JSON.
    Json,
}

/// One line as it may be written, without its end.
pub(super) fn clean(line: &str, escape: Escape) -> Cow<'_, str> {
    if line.len() > LINE_BYTES_MAX {
        return shortened(line, escape);
    }
    if !line.chars().any(is_obeyed) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        match (is_obeyed(character), escape) {
            (false, _) => text.push(character),
            (true, Escape::Text) => text.extend(character.escape_unicode()),
            // None of them needs two units of UTF-16; writing into a String cannot fail.
            (true, Escape::Json) => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
        }
    }
    Cow::Owned(text)
}

fn shortened(line: &str, escape: Escape) -> Cow<'_, str> {
    let bytes = line.len();
    let mut end = LINE_BYTES_MAX / 2;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(match escape {
        Escape::Text => format!("{} … ({bytes} bytes)", clean(&line[..end], escape)),
        // Cut anywhere, it would be no JSON.
        Escape::Json => {
            format!(r#"{{"level":"WARN","message":"a line of {bytes} bytes was left out"}}"#)
        }
    })
}

/// Whether a terminal or a reader obeys a character: controls but the tab, ends of lines and
/// paragraphs, and what changes the direction of text.
pub fn is_obeyed(character: char) -> bool {
    match character {
        '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        character => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        for line in [
            "",
            "a line",
            "\tmit Umlauten: äöü 中文 🎉",
            r#"{"a":"b\n"}"#,
        ] {
            assert!(matches!(clean(line, Escape::Text), Cow::Borrowed(text) if text == line));
        }
    }

    #[test]
    fn nothing_that_is_obeyed_is_left() {
        let line: String = (0..0x1_0000)
            .filter_map(char::from_u32)
            .filter(|character| is_obeyed(*character))
            .collect();
        for escape in [Escape::Text, Escape::Json] {
            let clean = clean(&line, escape);
            assert!(!clean.chars().any(is_obeyed));
            assert!(!clean.contains(['\n', '\r', '\u{1b}', '\u{9b}', '\u{202e}']));
        }
        assert_eq!(clean("a\nb\u{1b}[2J", Escape::Text), r"a\u{a}b\u{1b}[2J");
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let line = "{\"name\":\"\u{202e}x\u{9b}\u{7f}\"}";
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&clean(line, Escape::Json)), read(line));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let line = "ä".repeat(LINE_BYTES_MAX);
        assert!(clean(&line, Escape::Text).len() < LINE_BYTES_MAX);
        assert!(clean(&line, Escape::Text).ends_with("… (32768 bytes)"));
        let json = clean(&line, Escape::Json);
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }
}
