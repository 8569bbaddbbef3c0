//! JSON string literals: decoding them leniently, writing them as Go does, and replacing some of a
//! document's literals while every other byte stays.
//!
//! A literal here is a slice with both quotes, from a document that a parser has accepted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use memchr::{memchr, memchr2};

/// The text of a literal.
///
/// Half of a surrogate pair becomes U+FFFD, as in Go's decoder.
pub(crate) fn decode(literal: &str) -> Cow<'_, str> {
    let inner = inside(literal);
    let escape = match inner.len() {
        // Most are keys and ids, too short for a search to pay.
        ..SHORT => inner.bytes().position(|byte| byte == b'\\'),
        _ => memchr(b'\\', inner.as_bytes()),
    };
    let Some(run) = escape else {
        return Cow::Borrowed(inner);
    };
    let mut out = String::with_capacity(inner.len());
    let (plain, mut rest) = inner.split_at(run);
    out.push_str(plain);
    while !rest.is_empty() {
        let (character, bytes) = unescape(rest);
        out.push(character);
        rest = &rest[bytes..];
        let run = memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(run);
        out.push_str(plain);
        rest = after;
    }
    Cow::Owned(out)
}

/// Bytes of a literal that are looked at one by one.
const SHORT: usize = 16;

/// Bytes of the literal that `json` starts with.
pub(crate) fn len(json: &str) -> usize {
    let bytes = json.as_bytes();
    let mut at = 1;
    // Most literals are keys and ids, too short for a search to pay.
    while at < bytes.len().min(SHORT) {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        match bytes[at] {
            b'"' => return at + 1,
            // Whatever is escaped: as far as ends matter, one byte.
            _ => at += 2,
        }
    }
    bytes.len()
}

/// Appends a literal, quotes included, as Go's encoder writes it: `<`, `>`, `&`, U+2028 and
/// U+2029 as `\uXXXX`, everything else that JSON allows raw.
pub(crate) fn encode(text: &str, out: &mut String) {
    out.push('"');
    encode_inside(text, out);
    out.push('"');
}

/// A literal in a string of its own.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    encode(text, &mut out);
    out
}

/// A new text for one literal.
#[derive(Clone, Debug)]
pub(crate) struct Edit<'a> {
    /// Where the literal stands: byte range in the document, then in the decoded value of the one
    /// before. Never empty.
    pub path: &'a [Range<usize>],
    pub text: &'a str,
}

/// The document with new texts for some of its literals; every other byte stays, and so does the
/// spelling of characters that a changed literal keeps.
///
/// Paths must come from this document; of two equal ones the last counts.
pub(crate) fn splice(document: &str, mut edits: Vec<Edit<'_>>) -> String {
    edits.sort_by_key(|edit| edit.path[0].start);
    let mut out = String::with_capacity(document.len());
    let mut copied = 0;
    for group in edits.chunk_by(|a, b| a.path[0].start == b.path[0].start) {
        let range = &group[0].path[0];
        let literal = &document[range.clone()];
        out.push_str(&document[copied..range.start]);
        let last = &group[group.len() - 1];
        if last.path.len() == 1 {
            respell(literal, last.text, &mut out);
        } else {
            let inner = group.iter().filter(|edit| edit.path.len() > 1);
            let inner = inner.map(|edit| Edit {
                path: &edit.path[1..],
                text: edit.text,
            });
            respell(
                literal,
                &splice(&decode(literal), inner.collect()),
                &mut out,
            );
        }
        copied = range.end;
    }
    out.push_str(&document[copied..]);
    out
}

/// Appends a literal for `text` in the spelling of another literal: what both begin and end with
/// is copied, and so is every character that keeps its place in a text of the same length. Others
/// are escaped if the other literal escapes them.
pub(crate) fn respell(literal: &str, text: &str, out: &mut String) {
    let inner = inside(literal);
    let units = units(inner);
    let kept = match units.iter().any(|(c, _)| *c == char::REPLACEMENT_CHARACTER) {
        // Half surrogates must not come to stand side by side, so nothing is copied.
        true => (0, 0),
        false => common_ends(&units, text),
    };
    let (head, tail) = kept;
    let raw_head = units.get(head).map_or(inner.len(), |(_, at)| at.start);
    let raw_tail = match tail {
        0 => inner.len(),
        tail => units[units.len() - tail].1.start,
    };
    let spellings: BTreeMap<char, &str> = units
        .iter()
        .filter(|(c, _)| *c != char::REPLACEMENT_CHARACTER)
        .map(|(c, at)| (*c, &inner[at.clone()]))
        .filter(|(c, raw)| raw.len() != c.len_utf8() || escaped_by_go(*c))
        .collect();
    let n_chars = text.chars().count();
    let in_place = |at: usize, character: char| {
        let (old, raw) = units.get(at).filter(|_| units.len() == n_chars)?;
        (*old == character).then(|| &inner[raw.clone()])
    };

    out.push('"');
    out.push_str(&inner[..raw_head]);
    for (at, character) in text.chars().enumerate().take(n_chars - tail).skip(head) {
        match in_place(at, character).or_else(|| spellings.get(&character).copied()) {
            Some(raw) => out.push_str(raw),
            None => encode_inside(character.encode_utf8(&mut [0; 4]), out),
        }
    }
    out.push_str(&inner[raw_tail..]);
    out.push('"');
}

/// How many characters the literal and the text share at the start and, behind that, at the end.
fn common_ends(units: &[(char, Range<usize>)], text: &str) -> (usize, usize) {
    let old = || units.iter().map(|(c, _)| *c);
    let head = old().zip(text.chars()).take_while(|(a, b)| a == b).count();
    let room = units.len().min(text.chars().count()) - head;
    let backwards = old().rev().zip(text.chars().rev());
    let tail = backwards.take(room).take_while(|(a, b)| a == b).count();
    (head, tail)
}

/// Each character of a literal's inside with the byte range of its spelling.
fn units(inner: &str) -> Vec<(char, Range<usize>)> {
    let mut units = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(first) = inner[at..].chars().next() {
        let (character, bytes) = match first {
            '\\' => unescape(&inner[at..]),
            plain => (plain, plain.len_utf8()),
        };
        units.push((character, at..at + bytes));
        at += bytes;
    }
    units
}

/// What stands between the quotes, as far as there are any.
fn inside(literal: &str) -> &str {
    // Bytes are looked at, for this is done with every key and string of a call.
    let bytes = literal.as_bytes();
    let from = usize::from(bytes.first() == Some(&b'"'));
    let quoted = bytes.len() > from && bytes.last() == Some(&b'"');
    &literal[from..bytes.len() - usize::from(quoted)]
}

/// The character of the escape that `rest` starts with, and how many bytes it takes.
fn unescape(rest: &str) -> (char, usize) {
    let Some(kind) = rest[1..].chars().next() else {
        return ('\\', 1);
    };
    match kind {
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        'u' => unescape_unicode(rest),
        itself => (itself, 1 + itself.len_utf8()),
    }
}

fn unescape_unicode(rest: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = rest.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = unit(0) else {
        return ('u', 2);
    };
    if let Some(character) = char::from_u32(u32::from(first)) {
        return (character, 6);
    }
    let pair = [first, unit(6).unwrap_or(0)];
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) => (character, 12),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

fn escaped_by_go(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn encode_inside(text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let (escape, width) = match byte {
            b'"' => ("\\\"", 1),
            b'\\' => ("\\\\", 1),
            b'\n' => ("\\n", 1),
            b'\r' => ("\\r", 1),
            b'\t' => ("\\t", 1),
            b'<' => ("\\u003c", 1),
            b'>' => ("\\u003e", 1),
            b'&' => ("\\u0026", 1),
            0..0x20 => ("", 1),
            0xE2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => ("\\u2028", 3),
            0xE2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => ("\\u2029", 3),
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        match escape {
            "" => write!(out, "\\u{byte:04x}").expect("writing to a string cannot fail"),
            escape => out.push_str(escape),
        }
        copied = at + width;
    }
    out.push_str(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_decode(literal: &str, text: &str) {
        assert_eq!(decode(literal), text);
    }

    fn check_respell(literal: &str, text: &str, expected: &str) {
        let mut out = String::new();
        respell(literal, text, &mut out);
        assert_eq!(out, expected);
        assert_eq!(decode(&out), text);
    }

    #[test]
    fn escapes_are_decoded() {
        check_decode(
            r#""a\"\\\/\b\f\n\r\t\u4e2d\ud83d\ude00z""#,
            "a\"\\/\u{8}\u{c}\n\r\t中😀z",
        );
    }

    #[test]
    fn half_surrogates_become_the_replacement_character() {
        check_decode(r#""\ud800""#, "\u{FFFD}");
        check_decode(r#""\ud800\u0041""#, "\u{FFFD}A");
        check_decode(r#""\ude00\ud83d\ude00""#, "\u{FFFD}😀");
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        assert_eq!(
            encoded("<b>&\u{2028}\u{2029}€\"\\\n\u{1}"),
            r#""\u003cb\u003e\u0026\u2028\u2029€\"\\\n\u0001""#
        );
    }

    #[test]
    fn unchanged_characters_keep_their_spelling() {
        check_respell(
            r#""\u50bb\u74dc said <b>damn\u003c\/b> 😀""#,
            "*瓜 said <b>****</b> 😀",
            r#""*\u74dc said <b>****\u003c\/b> 😀""#,
        );
        check_respell(
            r#""\u003cb\u003e x \u003cb\u003e""#,
            "y<b>z",
            r#""y\u003cb\u003ez""#,
        );
        check_respell(r#""<""#, "*<", r#""*<""#);
        check_respell(r#""a\u4e2d<b""#, "x中<yy", r#""x\u4e2d<yy""#);
    }

    #[test]
    fn literals_inside_literals_are_replaced() {
        let document = r#"{"data":"{\"a\":\"damn\",\"b\":\"\\u0064amn\"}","n":1.0}"#;
        let inner = r#"{"a":"damn","b":"\u0064amn"}"#;
        let outer = 8..document.find(",\"n\"").unwrap();
        assert_eq!(decode(&document[outer.clone()]), inner);
        let paths = [[outer.clone(), 5..11], [outer, 16..27]];
        let edits = paths.iter().map(|path| Edit { path, text: "****" });
        assert_eq!(
            splice(document, edits.collect()),
            r#"{"data":"{\"a\":\"****\",\"b\":\"****\"}","n":1.0}"#
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC*|[\u{0}-\u{20}<>&\"\\\\\u{2028}😀]*") {
            let literal = encoded(&text);
            prop_assert_eq!(decode(&literal), &*text);
            prop_assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), text);
        }

        #[test]
        fn a_respelt_literal_reads_as_the_new_text(
            units in proptest::collection::vec(
                prop_oneof!["[a-c<>*]", Just("\\u003c".to_owned()), Just("\\ud83d".to_owned()),
                    Just("\\ude00".to_owned()), Just("\\n".to_owned()), Just("\\\\".to_owned())],
                0..12),
            text in "[a-c<>*\n\\\\\u{FFFD}]{0,12}",
        ) {
            let literal = format!("\"{}\"", units.concat());
            let mut out = String::new();
            respell(&literal, &text, &mut out);
            prop_assert_eq!(decode(&out), text);
        }

        #[test]
        fn an_unchanged_text_keeps_its_bytes(
            units in proptest::collection::vec(
                prop_oneof!["[a-c<>*]", Just("\\u003c".to_owned()), Just("\\u4E2d".to_owned())],
                0..12),
        ) {
            let literal = format!("\"{}\"", units.concat());
            let mut out = String::new();
            respell(&literal, &decode(&literal), &mut out);
            prop_assert_eq!(out, literal);
        }
    }
}
