//! The texts inside one JSON value of a document, whatever its type.

use std::ops::Range;

use super::json::{self, Object};
use super::texts::{Search, find_texts};
use crate::event::{Document, Text, TextClass};

/// Appends every string in `raw`, which is a value of `document`, with what JSON in a string
/// holds. Numbers and the like have no text.
///
/// `pointer` is where the value stands; texts are [`TextClass::Body`] in the event's body.
pub(crate) fn find(
    document: &str,
    raw: &str,
    pointer: &str,
    replaceable: bool,
    texts: &mut Vec<Text>,
) {
    let range = json::range_in(document, raw);
    match raw.as_bytes().first() {
        Some(b'{') => inside(raw, pointer, replaceable, texts, |literals| {
            if let Some(first) = literals.first_mut() {
                *first = first.start + range.start..first.end + range.start;
            }
        }),
        Some(b'[') => {
            let elements = json::elements(raw).unwrap_or_default();
            for (index, element) in elements.into_iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                find(document, element, &pointer, replaceable, texts);
            }
        }
        Some(b'"') => string(raw, &range, pointer, replaceable, texts),
        _ => {}
    }
}

fn string(
    raw: &str,
    range: &Range<usize>,
    pointer: &str,
    replaceable: bool,
    texts: &mut Vec<Text>,
) {
    let value = json::text(raw).unwrap_or_default();
    if value.is_empty() {
        return;
    }
    if Object::parse(&value).is_ok() {
        return inside(&value, pointer, replaceable, texts, |literals| {
            if !literals.is_empty() {
                literals.insert(0, range.clone());
            }
        });
    }
    texts.push(Text {
        document: Document::Body,
        pointer: pointer.to_owned(),
        class: TextClass::Body,
        value: value.into_owned(),
        literals: vec![range.clone()],
        replaceable,
        keep_length: false,
        protected: Vec::new(),
    });
}

/// The strings of an object; `place` corrects where they stand.
fn inside(
    object: &str,
    pointer: &str,
    replaceable: bool,
    texts: &mut Vec<Text>,
    place: impl Fn(&mut Vec<Range<usize>>),
) {
    let first = texts.len();
    let search = Search::every_string(object, replaceable);
    find_texts(search, texts);
    for text in &mut texts[first..] {
        place(&mut text.literals);
        text.pointer.insert_str(0, pointer);
        text.document = Document::Body;
        text.class = TextClass::Body;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::document::literal::{self, Edit};

    /// Masks every text, which shows that each is found where it stands.
    fn check(value: &str, expected: &str, pointers: &[&str]) {
        let document = format!("{{\"before\":[1],\"value\":{value}}}");
        let object = Object::parse(&document).unwrap();
        let mut texts = Vec::new();
        let raw = object.last("value").unwrap();
        find(&document, raw, "/value", true, &mut texts);
        let edits = texts.iter().map(|text| Edit {
            path: &text.literals,
            text: "*",
        });
        let masked = literal::splice(&document, edits.collect());
        assert_eq!(masked, format!("{{\"before\":[1],\"value\":{expected}}}"));
        let found: Vec<_> = texts.iter().map(|text| text.pointer.as_str()).collect();
        assert_eq!(found, pointers);
    }

    #[test]
    fn texts_are_found_in_values_of_every_type() {
        check(r#""a""#, r#""*""#, &["/value"]);
        check(r#"{"x":"a","n":3}"#, r#"{"x":"*","n":3}"#, &["/value/x"]);
        check(
            r#"["a",{"x":["b"]},1]"#,
            r#"["*",{"x":["*"]},1]"#,
            &["/value/0", "/value/1/x/0"],
        );
        check(
            r#""{\"type\":\"a\"}""#,
            r#""{\"type\":\"*\"}""#,
            &["/value/type"],
        );
        check("7", "7", &[]);
        check("null", "null", &[]);
        check(r#""""#, r#""""#, &[]);
    }
}
