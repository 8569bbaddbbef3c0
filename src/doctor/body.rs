//! What is wrong with the body of an answer, before anybody asks what it means.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::fault::{Fault, grave, mild};
use crate::callback::Heard;

/// Deeper than any answer is, and still read by most.
const DEEP: usize = 100;
/// What is nested deeper is no JSON to servers in Go, as OpenIM and WuKongIM are.
pub(super) const TOO_DEEP: usize = 10_000;

/// The first thing that is wrong with it. `is_invalid`: callgate takes it for no answer, and says
/// why in `detail`.
pub(super) fn of_body(heard: &Heard, is_invalid: bool, detail: &str) -> Option<Fault> {
    let body = heard.body.as_ref();
    of_letters(heard, body).or_else(|| {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start();
        of_depth(text).or_else(|| match is_invalid {
            true => Some(of_form(heard, text, detail)),
            false => repeated(text).map(|key| {
                let what = format!("its body has the key `{key}` twice, and the last one counts");
                mild("duplicate_keys", what)
            }),
        })
    })
}

fn of_letters(heard: &Heard, body: &[u8]) -> Option<Fault> {
    if body.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Some(grave(
            "byte_order_mark",
            "its body begins with a byte-order mark, which no reader of JSON takes",
        ));
    }
    if std::str::from_utf8(body).is_err() {
        return Some(grave(
            "charset",
            "its body is not UTF-8, so texts in it arrive as other texts",
        ));
    }
    let charset = charset(&heard.content_type)?;
    let what = format!("its body is said to be `{charset}`, and is read as UTF-8");
    Some(grave("charset", what))
}

/// The charset that is said, if it is another than UTF-8.
fn charset(content_type: &str) -> Option<String> {
    let words = content_type.to_ascii_lowercase();
    let (_, charset) = words.split_once("charset=")?;
    let charset = charset.split(';').next().unwrap_or_default();
    let charset = charset.trim_matches(['"', '\'', ' ']).to_owned();
    (!matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")).then_some(charset)
}

fn of_depth(text: &str) -> Option<Fault> {
    let levels = depth(text);
    let what = |then: &str| format!("its body is nested {levels} levels deep, {then}");
    match levels {
        TOO_DEEP.. => Some(grave(
            "deep_nesting",
            what("which OpenIM and WuKongIM do not read"),
        )),
        DEEP.. => Some(mild("deep_nesting", what("and an answer has two or three"))),
        _ => None,
    }
}

/// How deep objects and arrays stand in each other.
pub(super) fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

/// A body that is no answer: what it is instead.
fn of_form(heard: &Heard, text: &str, detail: &str) -> Fault {
    let status = heard.status;
    if text.is_empty() {
        let what = format!("its body is empty (status {status}), which is no answer");
        return grave("empty", what);
    }
    if text.starts_with('<') || heard.content_type.contains("html") {
        let what = format!("an HTML page with status {status} instead of an answer");
        return grave("html", what);
    }
    if text.starts_with('[') {
        return grave("array", "its body is an array, and an answer is an object");
    }
    if !text.starts_with('{') {
        return grave("not_json", format!("its body is no JSON object: {detail}"));
    }
    if let Some(key) = repeated(text) {
        let what = format!("its body has the key `{key}` twice: {detail}");
        return grave("duplicate_keys", what);
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return grave("invalid_answer", detail);
    }
    match ["NaN", "Infinity"]
        .iter()
        .find(|word| has_value(text, word))
    {
        Some(word) => {
            let what = format!("its body has {word}, which is no JSON: {detail}");
            grave("not_a_number", what)
        }
        None => {
            let what = format!("its body is no whole JSON object: {detail}");
            grave("broken_json", what)
        }
    }
}

/// Whether a word stands where a value does.
fn has_value(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].trim_end_matches('-').trim_end();
        before.ends_with([':', ',', '['])
    })
}

/// The first key that an object has twice. `None` also for what is no object.
fn repeated(text: &str) -> Option<String> {
    let keys = serde_json::from_str::<Keys>(text).ok()?;
    let mut seen = HashSet::new();
    keys.0.into_iter().find(|key| !seen.insert(key.clone()))
}

/// The keys of an object, in its order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Keys, D::Error> {
        from.deserialize_map(KeysOf)
    }
}

struct KeysOf;

impl<'de> Visitor<'de> for KeysOf {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_that_of_brackets_outside_of_texts() {
        for (text, expected) in [
            ("", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1}],"c":{}}"#, 3),
            (r#"{"a":"[[[[","b":"\"[["}"#, 1),
            ("[[[", 3),
            ("]]]]{", 1),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_found_at_the_top_alone() {
        for (text, expected) in [
            (r#"{"a":1,"b":2,"a":3}"#, Some("a")),
            (r#"{"a":1,"\u0061":3}"#, Some("a")),
            (r#"{"a":{"a":1}}"#, None),
            ("[1]", None),
            ("{", None),
        ] {
            assert_eq!(repeated(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_word_is_a_value_where_one_stands() {
        for (text, expected) in [
            (r#"{"a": NaN}"#, true),
            (r#"{"a":[1,NaN]}"#, true),
            (r#"{"a":"NaN"}"#, false),
            (r#"{"NaN":1"#, false),
        ] {
            assert_eq!(has_value(text, "NaN"), expected, "{text}");
        }
        assert!(has_value(r#"{"a":-Infinity}"#, "Infinity"));
    }
}
