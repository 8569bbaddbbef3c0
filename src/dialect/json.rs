//! JSON as a document to point into: members with their raw values, and Go's rules for reading them.
//!
//! Owns: finding members and elements without building a tree, so that every byte of the original
//! keeps its place.
//! Leaves alone: what the members mean (each dialect) and string literals (`literal`).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::literal;

/// A JSON object, its members in the order of the document; keys may repeat.
#[derive(Debug)]
pub struct Object<'a> {
    pub members: Vec<Member<'a>>,
}

/// One member of an object.
#[derive(Debug)]
pub struct Member<'a> {
    pub key: Cow<'a, str>,
    /// The value as written, a slice of the document.
    pub value: &'a str,
}

/// Why a text is not a JSON object. Says nothing of what the text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    NotAnObject,
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
            Flaw::Syntax { line, column } => {
                write!(f, "not valid JSON at line {line} column {column}")
            }
        }
    }
}

impl<'a> Object<'a> {
    /// Reads a whole document; anything but space after the object is a flaw.
    pub fn parse(document: &'a str) -> Result<Object<'a>, Flaw> {
        if first_byte(document) != Some(b'{') {
            return Err(Flaw::NotAnObject);
        }
        serde_json::from_str(document).map_err(|error| Flaw::Syntax {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The raw value of a member. As in Go, letter case does not matter and the last one counts.
    pub fn last(&self, name: &str) -> Option<&'a str> {
        self.members
            .iter()
            .rev()
            .find(|member| same_key(&member.key, name))
            .map(|member| member.value)
    }

    /// The text of a string member; `None` when it is absent, `null` or of another type.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.last(name).and_then(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(20);
                // Keys are read raw because serde_json refuses lone surrogates in decoded ones.
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    members.push(Member {
                        key: literal::decode(key.get()),
                        value: value.get(),
                    });
                }
                Ok(Object { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The first byte that is not space.
pub fn first_byte(json: &str) -> Option<u8> {
    json.bytes()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Compares a key with a field's name as Go's decoder does: letter case does not matter, and the
/// long s and the Kelvin sign are letters too, so that nobody hides a text behind such a key.
pub fn same_key(key: &str, name: &str) -> bool {
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

/// Raw elements of an array; `None` when the value is no array.
pub fn elements(raw: &str) -> Option<Vec<&str>> {
    if first_byte(raw) != Some(b'[') {
        return None;
    }
    let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// Value of a string literal; `None` for another type.
pub fn text(raw: &str) -> Option<Cow<'_, str>> {
    raw.starts_with('"').then(|| literal::decode(raw))
}

/// Value of an integer as Go reads it into an int64: `1.0`, `1e3` and `"1"` are none.
pub fn int(raw: &str) -> Option<i64> {
    raw.parse().ok()
}

/// Value of an integer as Go reads it into an int32.
pub fn int32(raw: &str) -> Option<i32> {
    raw.parse().ok()
}

/// Texts of an array of strings, where `null` is the empty string; `None` for another type.
pub fn texts(raw: &str) -> Option<Vec<String>> {
    let text_or_null = |element: &str| match element {
        "null" => Some(String::new()),
        element => text(element).map(Cow::into_owned),
    };
    elements(raw)?.into_iter().map(text_or_null).collect()
}

/// Where a slice stands in the document that it was cut from.
pub fn range_in(document: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - document.as_ptr() as usize;
    debug_assert!(start + part.len() <= document.len());
    start..start + part.len()
}

/// The document with new raw values for some of its members; members that it lacks are left out.
/// Where a key repeats, every occurrence is replaced.
pub fn with_members(document: &str, object: &Object<'_>, changes: &[(&str, String)]) -> String {
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

    #[test]
    fn only_named_members_change() {
        let document = r#"{ "a" : 1, "b":[ {"a":2} ],"A":3 }"#;
        let object = Object::parse(document).unwrap();
        let changed = with_members(document, &object, &[("a", "9".to_owned())]);
        assert_eq!(changed, r#"{ "a" : 9, "b":[ {"a":2} ],"A":9 }"#);
    }
}
