//! JSON as a document to point into: members with their raw values, and Go's rules for reading
//! them.
//!
//! Owns: finding members and elements without building a tree, so that every byte of the original
//! keeps its place.
//! Leaves alone: what the members mean (each dialect) and string literals (`literal`).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::{literal, scan};

/// A JSON object, its members in the order of the document; keys may repeat.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    pub members: Vec<Member<'a>>,
}

/// One member of an object.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub key: Cow<'a, str>,
    /// The value as written, a slice of the document.
    pub value: &'a str,
}

/// Why a text is not a JSON object. Says nothing of what the text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotAnObject,
    NotAnArray,
    /// Position of the error, both from 1.
    Syntax {
        line: usize,
        column: usize,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NotAnObject => f.write_str("not a JSON object"),
            Flaw::NotAnArray => f.write_str("not a JSON array"),
            Flaw::Syntax { line, column } => {
                write!(f, "not valid JSON at line {line} column {column}")
            }
        }
    }
}

impl<'a> Object<'a> {
    /// Reads a whole document; anything but space after the object is a flaw.
    pub(crate) fn parse(document: &'a str) -> Result<Object<'a>, Flaw> {
        if first_byte(document) != Some(b'{') {
            return Err(Flaw::NotAnObject);
        }
        let mut members = with_room_for(document);
        let walked = scan::members(document, |place| {
            let key = literal::decode(place.key);
            let value = place.value;
            members.push(Member { key, value });
        });
        if walked.is_some() {
            return Ok(Object { members });
        }
        check(document)?;
        Ok(Object::split(document))
    }

    /// Splits an object that stands in a document which was parsed, so that its form is known to
    /// be right. What is no object has no members.
    pub(crate) fn split(raw: &'a str) -> Object<'a> {
        let mut members = with_room_for(raw);
        let mut rest = Items::inside(raw, b'{');
        while let Some(key) = rest.next_value() {
            let Some(value) = rest.next_value() else {
                break;
            };
            if let Some(key) = text(key) {
                members.push(Member { key, value });
            }
        }
        Object { members }
    }

    /// The raw value of a member. As in Go, letter case does not matter and the last one counts.
    pub(crate) fn last(&self, name: &str) -> Option<&'a str> {
        self.members
            .iter()
            .rev()
            .find(|member| same_key(&member.key, name))
            .map(|member| member.value)
    }

    /// The text of a string member; `None` when it is absent, `null` or of another type.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.last(name).and_then(text)
    }
}

/// A call has some twenty members, an element of a message few.
fn with_room_for<'a>(document: &str) -> Vec<Member<'a>> {
    Vec::with_capacity(if document.len() > 256 { 24 } else { 4 })
}

/// Reads an array as a whole document; anything but space after it is a flaw.
pub(crate) fn parse_elements(document: &str) -> Result<Vec<&str>, Flaw> {
    if first_byte(document) != Some(b'[') {
        return Err(Flaw::NotAnArray);
    }
    check(document)?;
    elements(document).ok_or(Flaw::NotAnArray)
}

fn check(document: &str) -> Result<(), Flaw> {
    match serde_json::from_str::<IgnoredAny>(document) {
        Ok(IgnoredAny) => Ok(()),
        Err(error) => Err(Flaw::Syntax {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// Walks over the values directly inside an array or object; in an object keys count as values.
struct Items<'a> {
    rest: &'a str,
}

impl<'a> Items<'a> {
    /// Stands before the first value; nothing follows if `raw` does not start with `bracket`.
    fn inside(raw: &'a str, bracket: u8) -> Items<'a> {
        let start = raw.trim_ascii_start();
        let inside = start.strip_prefix(char::from(bracket)).unwrap_or_default();
        Items { rest: inside }
    }

    fn next_value(&mut self) -> Option<&'a str> {
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.rest.bytes().take_while(between).count();
        let from = &self.rest[start..];
        let value = &from[..value_len(from)];
        self.rest = &from[value.len()..];
        (!value.is_empty()).then_some(value)
    }
}

/// Bytes of the value that `json` starts with; 0 at the end of an array or object.
fn value_len(json: &str) -> usize {
    let bytes = json.as_bytes();
    match bytes.first() {
        Some(b'"') => literal::len(json),
        Some(b'{' | b'[') => {
            let (mut depth, mut at) = (0_usize, 0);
            while at < bytes.len() {
                match bytes[at] {
                    b'"' => {
                        at += literal::len(&json[at..]);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth == 1 => return at + 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
            }
            bytes.len()
        }
        _ => {
            let ends = |byte: &u8| {
                matches!(
                    byte,
                    b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b']' | b'}' | b'"' | b'[' | b'{'
                )
            };
            bytes.iter().position(ends).unwrap_or(bytes.len())
        }
    }
}

/// The first byte that is not space.
pub(crate) fn first_byte(json: &str) -> Option<u8> {
    json.bytes()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Compares a key with a field's name as Go's decoder does: letter case does not matter, and the
/// long s and the Kelvin sign are letters too, so that nobody hides a text behind such a key.
pub(crate) fn same_key(key: &str, name: &str) -> bool {
    if key.len() == name.len() {
        return key.eq_ignore_ascii_case(name);
    }
    if key.is_ascii() {
        return false;
    }
    let folded = key.chars().map(|c| match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|c| c.to_ascii_lowercase()))
}

/// Raw elements of an array that stands in a document which was parsed; `None` when the value is
/// no array.
pub(crate) fn elements(raw: &str) -> Option<Vec<&str>> {
    if first_byte(raw) != Some(b'[') {
        return None;
    }
    let mut rest = Items::inside(raw, b'[');
    Some(std::iter::from_fn(|| rest.next_value()).collect())
}

/// Value of a string literal; `None` for another type.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    (raw.len() >= 2 && raw.starts_with('"')).then(|| literal::decode(raw))
}

/// Value of an integer as Go reads it into an int64: `1.0`, `1e3` and `"1"` are none.
pub(crate) fn int(raw: &str) -> Option<i64> {
    raw.parse().ok()
}

/// Value of an integer as Go reads it into an int32.
pub(crate) fn int32(raw: &str) -> Option<i32> {
    raw.parse().ok()
}

/// Texts of an array of strings, where `null` is the empty string; `None` for another type.
pub(crate) fn texts(raw: &str) -> Option<Vec<String>> {
    let text_or_null = |element: &str| match element {
        "null" => Some(String::new()),
        element => text(element).map(Cow::into_owned),
    };
    elements(raw)?.into_iter().map(text_or_null).collect()
}

/// Where a slice stands in the document that it was cut from.
pub(crate) fn range_in(document: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - document.as_ptr() as usize;
    debug_assert!(start + part.len() <= document.len());
    start..start + part.len()
}

/// The document with new raw values for some of its members; members that it lacks are left out.
/// Where a key repeats, every occurrence is replaced.
pub(crate) fn with_members(
    document: &str,
    object: &Object<'_>,
    changes: &[(&str, String)],
) -> String {
    let mut out = String::with_capacity(document.len());
    let mut copied = 0;
    for member in &object.members {
        let Some((_, raw)) = changes.iter().find(|(name, _)| same_key(&member.key, name)) else {
            continue;
        };
        let range = range_in(document, member.value);
        out.push_str(&document[copied..range.start]);
        out.push_str(raw);
        copied = range.end;
    }
    out.push_str(&document[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn last<'a>(document: &'a str, name: &str) -> Option<&'a str> {
        Object::parse(document).unwrap().last(name)
    }

    #[test]
    fn members_keep_their_spelling() {
        assert_eq!(
            last(r#"{"id": 9007199254740993.10 }"#, "id"),
            Some("9007199254740993.10")
        );
    }

    #[test]
    fn the_last_of_equal_keys_counts_without_regard_to_case() {
        assert_eq!(
            last(r#"{"nextCode":1,"NEXTCODE":0}"#, "nextCode"),
            Some("0")
        );
    }

    #[test]
    fn keys_are_compared_as_go_does() {
        for key in ["description", "DESCRIPTION", "deſcription"] {
            assert!(same_key(key, "description"), "{key}");
        }
        assert!(same_key("facebooK", "facebook"));
        for key in [
            "descriptio",
            "descriptionn",
            "dеscription",
            "descr\u{0}ption",
        ] {
            assert!(!same_key(key, "description"), "{key}");
        }
    }

    #[test]
    fn escaped_and_broken_keys_are_read() {
        assert_eq!(last(r#"{"con\u0074ent":"a"}"#, "content"), Some("\"a\""));
        assert_eq!(last(r#"{"\ud800":1,"b":2}"#, "b"), Some("2"));
    }

    #[test]
    fn what_is_no_object_says_so_without_its_text() {
        for text in ["", "hello", "[1]", "\"a\"", "null", "\u{feff}{}"] {
            assert_eq!(Object::parse(text).unwrap_err(), Flaw::NotAnObject);
        }
        let flaw = Object::parse("{\"a\":secret}").unwrap_err().to_string();
        assert_eq!(flaw, "not valid JSON at line 1 column 6");
        assert!(Object::parse("{} x").is_err());
    }

    #[test]
    fn integers_are_read_as_go_does() {
        assert_eq!(int32("-0"), Some(0));
        assert_eq!(int32("2147483647"), Some(2147483647));
        for raw in ["2147483648", "1.0", "1e0", "\"1\"", "true", "null", ""] {
            assert_eq!(int32(raw), None, "{raw}");
        }
    }

    /// Splits to the leaves and puts together again what serde_json reads.
    fn agree(raw: &str, tree: &serde_json::Value) {
        match tree {
            serde_json::Value::Object(map) => {
                let object = Object::split(raw);
                for (key, value) in map {
                    let member = object.members.iter().rfind(|member| member.key == *key);
                    agree(member.unwrap().value, value);
                }
                assert!(object.members.len() >= map.len());
            }
            serde_json::Value::Array(items) => {
                let elements = elements(raw).unwrap();
                assert_eq!(elements.len(), items.len());
                for (raw, item) in elements.into_iter().zip(items) {
                    agree(raw, item);
                }
            }
            leaf => assert_eq!(
                serde_json::from_str::<serde_json::Value>(raw).unwrap(),
                *leaf
            ),
        }
    }

    fn spaced_json() -> impl Strategy<Value = String> {
        let space = "[ \t\r\n]{0,2}";
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-1.5e3".to_owned()),
            Just("true".to_owned()),
            r#""([a-z:,{}\[\] 中]|\\\\|\\"|\\u00e9){0,6}""#,
        ];
        leaf.prop_recursive(4, 30, 4, move |inner| {
            let spaced = (space, inner, space).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
            prop_oneof![
                proptest::collection::vec(spaced.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(","))),
                proptest::collection::vec((r#""[a-d\\\\]{1,2}""#, spaced), 0..4).prop_map(
                    |members| {
                        let members: Vec<_> = members
                            .iter()
                            .map(|(key, value)| format!("{key} :{value}"))
                            .collect();
                        format!("{{{}}}", members.join(","))
                    }
                ),
            ]
        })
    }

    proptest! {
        #[test]
        fn splitting_agrees_with_serde_json(document in spaced_json()) {
            if let Ok(tree) = serde_json::from_str(&document) {
                agree(&document, &tree);
            }
        }

        #[test]
        fn splitting_survives_what_was_never_parsed(
            document in r#"[\[{]?["\\{}\[\]:, a中]{0,30}"#,
        ) {
            Object::split(&document);
            elements(&document);
        }
    }

    #[test]
    fn only_named_members_change() {
        let document = r#"{ "a" : 1, "b":[ {"a":2} ],"A":3 }"#;
        let object = Object::parse(document).unwrap();
        let changed = with_members(document, &object, &[("a", "9".to_owned())]);
        assert_eq!(changed, r#"{ "a" : 9, "b":[ {"a":2} ],"A":9 }"#);
    }
}
