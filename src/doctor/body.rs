//! What is wrong with the body of an answer, before anybody asks what it means.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::fault::{Fault, FaultKind as Kind, grave, mild};
use super::said::{Said, said};
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
                let what = said(
                    format!("its body has the key `{key}` twice, and the last one counts"),
                    format!("它的内容中键 `{key}` 出现两次，以最后一个为准"),
                );
                mild(Kind::DuplicateKeys, what)
            }),
        })
    })
}

fn of_letters(heard: &Heard, body: &[u8]) -> Option<Fault> {
    if body.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Some(grave(
            Kind::ByteOrderMark,
            said(
                "its body begins with a byte-order mark, which no reader of JSON takes",
                "它的内容以字节顺序标记（BOM）开头，没有程序能把它读作 JSON",
            ),
        ));
    }
    if std::str::from_utf8(body).is_err() {
        return Some(grave(
            Kind::Charset,
            said(
                "its body is not UTF-8, so texts in it arrive as other texts",
                "它的内容不是 UTF-8，其中的文字到达时会变成别的文字",
            ),
        ));
    }
    let charset = charset(&heard.content_type)?;
    let what = said(
        format!("its body is said to be `{charset}`, and is read as UTF-8"),
        format!("它的内容声明为 `{charset}`，却按 UTF-8 读取"),
    );
    Some(grave(Kind::Charset, what))
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
    let what = |then: &str, chinese: &str| {
        said(
            format!("its body is nested {levels} levels deep, {then}"),
            format!("它的内容嵌套 {levels} 层，{chinese}"),
        )
    };
    match levels {
        TOO_DEEP.. => {
            let what = what(
                "which OpenIM and WuKongIM do not read",
                "OpenIM 和 WuKongIM 不读这样的内容",
            );
            Some(grave(Kind::DeepNesting, what))
        }
        DEEP.. => {
            let what = what("and an answer has two or three", "而回答只有两三层");
            Some(mild(Kind::DeepNesting, what))
        }
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
        let what = said(
            format!("its body is empty (status {status}), which is no answer"),
            format!("它的内容为空（状态码 {status}），这不是回答"),
        );
        return grave(Kind::Empty, what);
    }
    if text.starts_with('<') || heard.content_type.contains("html") {
        let what = said(
            format!("an HTML page with status {status} instead of an answer"),
            format!("得到的是 HTML 页面（状态码 {status}），而不是回答"),
        );
        return grave(Kind::Html, what);
    }
    if text.starts_with('[') {
        let what = said(
            "its body is an array, and an answer is an object",
            "它的内容是数组，而回答应是对象",
        );
        return grave(Kind::Array, what);
    }
    let told = |english: String, chinese: &str| Said {
        english: format!("{english}: {detail}").into(),
        ..Said::quoted(chinese, detail)
    };
    if !text.starts_with('{') {
        let what = told(
            "its body is no JSON object".to_owned(),
            "它的内容不是 JSON 对象",
        );
        return grave(Kind::NotJson, what);
    }
    if let Some(key) = repeated(text) {
        let what = told(
            format!("its body has the key `{key}` twice"),
            &format!("它的内容中键 `{key}` 出现两次"),
        );
        return grave(Kind::DuplicateKeys, what);
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        let what = Said::quoted("它的回答不符合所用的格式", detail);
        return grave(Kind::InvalidAnswer, what);
    }
    match ["NaN", "Infinity"]
        .iter()
        .find(|word| has_value(text, word))
    {
        Some(word) => {
            let what = told(
                format!("its body has {word}, which is no JSON"),
                &format!("它的内容中有 {word}，这不是 JSON"),
            );
            grave(Kind::NotANumber, what)
        }
        None => {
            let what = told(
                "its body is no whole JSON object".to_owned(),
                "它的内容不是完整的 JSON 对象",
            );
            grave(Kind::BrokenJson, what)
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
