//! The texts that people wrote inside a JSON document, found by rules.
//!
//! Owns: finding every text and where it stands, so that no form of a document hides one.
//! Leaves alone: which element of a server holds which texts (its dialect's rules).

use std::ops::Range;

use memchr::memchr_iter;

use super::json::{self, Object};
use super::literal;
use crate::event::TextClass::{self, Body, Nested, Opaque};
use crate::event::{Document, Text};

/// How deep quoted and forwarded messages are understood; below, every string counts as opaque.
const NESTED_DEPTH_MAX: usize = 10;
/// How often JSON in a string in JSON is opened; the string below counts as it is.
const EMBEDDED_DEPTH_MAX: usize = 3;
/// Texts of one message that are kept apart; all behind them are joined into one that cannot be
/// replaced.
const TEXTS_MAX: usize = 2_000;
/// A pointer stops to grow at this length, so that long keys over many texts cost no memory.
const POINTER_BYTES_MAX: usize = 256;
/// Longest user id that is taken for one in a mention.
const ID_BYTES_MAX: usize = 128;

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    pub content: &'a str,
    /// How the document's object is read.
    pub rule: Rule,
    /// The fields of a message inside of another one.
    pub message: &'static Fields,
    /// `content` is the text itself: type 101 of v2.
    pub plain: bool,
    /// Users mentioned, by the message's own list.
    pub mentioned: &'a [String],
    /// The answer can carry a new `content`.
    pub replaceable: bool,
    /// Strings that hold JSON are looked into; otherwise each is one text.
    pub open_strings: bool,
}

impl<'a> Search<'a> {
    /// Looks at every string of a document.
    pub(crate) fn every_string(content: &'a str, replaceable: bool) -> Search<'a> {
        Search {
            content,
            rule: Rule::EveryString(Opaque),
            message: &[],
            plain: false,
            mentioned: &[],
            replaceable,
            open_strings: true,
        }
    }
}

/// Appends every text of a message's `content` that people write, in the order of the document.
///
/// Content that is not the JSON object it should be is one text as a whole, so that no form is a
/// way past the filters. Empty texts are left out.
pub(crate) fn find_texts(search: Search<'_>, texts: &mut Vec<Text>) {
    let content = search.content;
    if content.is_empty() {
        return;
    }
    let object = match search.plain {
        true => None,
        false => Object::parse(content).ok(),
    };
    let Some(object) = object else {
        texts.push(Text {
            document: Document::Content,
            pointer: String::new(),
            class: Body,
            value: content.to_owned(),
            literals: Vec::new(),
            replaceable: search.replaceable,
            keep_length: false,
            protected: Vec::new(),
        });
        return;
    };
    let mut finder = Finder {
        search,
        first: texts.len(),
        texts,
        pointer: String::new(),
        nested: 0,
    };
    let place = Place {
        document: content,
        outer: &[],
    };
    match search.rule {
        Rule::Fields(fields) => finder.fields(place, &object, fields, None),
        Rule::Open(fields) => finder.fields(place, &object, fields, Some(Opaque)),
        Rule::EveryString(class) => finder.every_string(place, content, class),
        _ => finder.every_string(place, content, Opaque),
    }
}

/// How a value of an element is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    Text(TextClass),
    /// A text with `@userID ` tokens in it.
    Mentions,
    /// A string of the app's own, which may hold JSON.
    AppText(TextClass),
    /// An array.
    Each(&'static Rule),
    Fields(&'static Fields),
    /// As `Fields`, and what else an app puts there is read too.
    Open(&'static Fields),
    /// A whole message.
    Message,
    /// Every string in it.
    EveryString(TextClass),
}

pub(crate) type Fields = [(&'static str, Rule)];

/// The string that is being read, and the literals that lead to it from `content`.
#[derive(Clone, Copy)]
struct Place<'p> {
    document: &'p str,
    outer: &'p [Range<usize>],
}

/// What stands beside a text and bears on it.
#[derive(Clone, Copy, Default)]
struct Beside<'b> {
    keep_length: bool,
    /// In order.
    mentioned: &'b [String],
}

struct Finder<'a> {
    search: Search<'a>,
    texts: &'a mut Vec<Text>,
    /// How many texts there were before ours.
    first: usize,
    /// To the value that is being read.
    pointer: String,
    /// How many messages that value is inside of.
    nested: usize,
}

impl Finder<'_> {
    /// All fields of an object that have a rule. As clients disagree on which of two equal keys
    /// counts, all do.
    fn fields(
        &mut self,
        place: Place<'_>,
        object: &Object<'_>,
        fields: &Fields,
        others: Option<TextClass>,
    ) {
        let has_mentions = |(_, rule): &(_, Rule)| matches!(rule, Rule::Mentions);
        let mentioned = match fields.iter().any(has_mentions) {
            true => self.mentioned(object),
            false => Vec::new(),
        };
        let has_entities = |raw| json::elements(raw).is_some_and(|entities| !entities.is_empty());
        let beside = Beside {
            keep_length: object.last("messageEntityList").is_some_and(has_entities),
            mentioned: &mentioned,
        };
        for member in &object.members {
            let rule = fields
                .iter()
                .find(|(name, _)| json::same_key(&member.key, name));
            let rule = rule.map(|(_, rule)| *rule).or(others.map(Rule::AppText));
            if let Some(rule) = rule {
                self.below(&member.key, |finder| {
                    finder.value(place, member.value, rule, beside);
                });
            }
        }
    }

    /// The users that an element mentions by its own list and the message's, in order.
    fn mentioned(&self, object: &Object<'_>) -> Vec<String> {
        let own = object.last("atUserList").and_then(json::texts);
        let mut mentioned = own.unwrap_or_default();
        mentioned.extend_from_slice(self.search.mentioned);
        mentioned.sort_unstable();
        mentioned
    }

    fn value(&mut self, place: Place<'_>, raw: &str, rule: Rule, beside: Beside<'_>) {
        let alone = Beside {
            mentioned: &[],
            ..beside
        };
        match (rule, raw.as_bytes()[0]) {
            (Rule::Text(class), b'"') => self.text(place, raw, class, alone),
            (Rule::Mentions, b'"') => self.text(place, raw, Body, beside),
            (Rule::AppText(class), b'"') => self.app_text(place, raw, class),
            (Rule::Each(rule), b'[') => self.each(place, raw, *rule),
            (Rule::Fields(fields), b'{') => self.fields(place, &Object::split(raw), fields, None),
            (Rule::Open(fields), b'{') => {
                self.fields(place, &Object::split(raw), fields, Some(Opaque));
            }
            (Rule::Message, b'{') if self.nested < NESTED_DEPTH_MAX => {
                self.nested += 1;
                self.fields(place, &Object::split(raw), self.search.message, None);
                self.nested -= 1;
            }
            // Another type than it should be, or too deep: nothing of it hides.
            (_, b'"') => self.app_text(place, raw, Opaque),
            (_, b'{' | b'[') => self.every_string(place, raw, Opaque),
            _ => {}
        }
    }

    fn each(&mut self, place: Place<'_>, raw: &str, rule: Rule) {
        let elements = json::elements(raw).unwrap_or_default();
        for (index, element) in elements.into_iter().enumerate() {
            self.below(&index.to_string(), |finder| {
                finder.value(place, element, rule, Beside::default());
            });
        }
    }

    /// A string of the app's own: what it holds if that is JSON, else itself.
    fn app_text(&mut self, place: Place<'_>, raw: &str, class: TextClass) {
        let value = literal::decode(raw);
        let opens = self.search.open_strings
            && place.outer.len() < EMBEDDED_DEPTH_MAX
            && matches!(json::first_byte(&value), Some(b'{' | b'['))
            && serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok();
        if !opens {
            return self.text(place, raw, class, Beside::default());
        }
        let mut outer = place.outer.to_vec();
        outer.push(json::range_in(place.document, raw));
        let inside = Place {
            document: &value,
            outer: &outer,
        };
        self.every_string(inside, &value, class);
    }

    /// Every string value in an array or object, however deep.
    ///
    /// One pass over `raw`, which a parser has accepted.
    fn every_string(&mut self, place: Place<'_>, raw: &str, class: TextClass) {
        let mut open: Vec<Container> = Vec::new();
        let depth = self.pointer.len();
        let mut at = 0;
        while at < raw.len() {
            match raw.as_bytes()[at] {
                bracket @ (b'{' | b'[') => {
                    if let Some(array) = open.last().filter(|container| !container.is_object) {
                        self.enter(&array.index.to_string());
                    }
                    open.push(Container {
                        is_object: bracket == b'{',
                        key_next: bracket == b'{',
                        index: 0,
                        pointer: self.pointer.len(),
                    });
                }
                b'}' | b']' => {
                    if let Some(closed) = open.pop() {
                        self.pointer.truncate(closed.pointer);
                    }
                }
                b',' => {
                    if let Some(container) = open.last_mut() {
                        container.index += 1;
                        container.key_next = container.is_object;
                        self.pointer.truncate(container.pointer);
                    }
                }
                b'"' => {
                    let string = &raw[at..at + literal::len(&raw[at..])];
                    at += string.len();
                    match open.last_mut() {
                        Some(container) if container.key_next => {
                            container.key_next = false;
                            self.enter(&literal::decode(string));
                        }
                        Some(container) if !container.is_object => {
                            let index = container.index.to_string();
                            self.below(&index, |finder| finder.app_text(place, string, class));
                        }
                        _ => self.app_text(place, string, class),
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        self.pointer.truncate(depth);
    }

    fn text(&mut self, place: Place<'_>, raw: &str, class: TextClass, beside: Beside<'_>) {
        let value = literal::decode(raw);
        if value.is_empty() {
            return;
        }
        if self.texts.len() - self.first >= TEXTS_MAX {
            return self.join(&value);
        }
        let mut literals = Vec::with_capacity(place.outer.len() + 1);
        literals.extend_from_slice(place.outer);
        literals.push(json::range_in(place.document, raw));
        let protected = match beside.mentioned {
            [] => Vec::new(),
            ids => mentions(&value, ids),
        };
        self.texts.push(Text {
            document: Document::Content,
            pointer: self.pointer.clone(),
            class: self.class(class),
            value: value.into_owned(),
            literals,
            replaceable: self.search.replaceable,
            keep_length: beside.keep_length,
            protected,
        });
    }

    /// Adds a text past the limit to the one that takes them all.
    fn join(&mut self, value: &str) {
        let limit = self.first + TEXTS_MAX;
        if self.texts.len() == limit {
            self.texts.push(Text {
                document: Document::Content,
                pointer: String::new(),
                class: Opaque,
                value: String::new(),
                literals: Vec::new(),
                replaceable: false,
                keep_length: false,
                protected: Vec::new(),
            });
        }
        let joined = &mut self.texts[limit].value;
        joined.push_str(value);
        joined.push('\n');
    }

    /// Inside of another message everything but names was said by somebody else.
    fn class(&self, class: TextClass) -> TextClass {
        match class {
            Body | Opaque if self.nested > 0 => Nested,
            class => class,
        }
    }

    fn below(&mut self, key: &str, read: impl FnOnce(&mut Self)) {
        let above = self.pointer.len();
        self.enter(key);
        read(self);
        self.pointer.truncate(above);
    }

    /// Lengthens the pointer by one step, escaped as RFC 6901 says.
    fn enter(&mut self, key: &str) {
        if self.pointer.len() + key.len() >= POINTER_BYTES_MAX {
            return;
        }
        self.pointer.push('/');
        for character in key.chars() {
            match character {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                plain => self.pointer.push(plain),
            }
        }
    }
}

/// An array or object that is being read.
struct Container {
    is_object: bool,
    /// The next string is a key.
    key_next: bool,
    index: usize,
    /// Length of the pointer to it.
    pointer: usize,
}

/// Where a text mentions users: `@`, the id, and then a space or the end, neither of which counts.
///
/// An id must look like one, so that nobody declares a word to be a mention. `ids` are in order.
fn mentions(text: &str, ids: &[String]) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let spaces = memchr_iter(b' ', bytes).chain([bytes.len()]);
    let mut mentions = Vec::new();
    let mut from = 0;
    for end in spaces {
        let near = from.max(end.saturating_sub(ID_BYTES_MAX + 1));
        let id_bytes = bytes[near..end]
            .iter()
            .rev()
            .take_while(|byte| is_id_byte(**byte))
            .count();
        let run = end - id_bytes;
        let is_mention = |at: &usize| {
            let id = &text[at + 1..end];
            ids.binary_search_by(|known| known.as_str().cmp(id)).is_ok()
        };
        let found = memchr_iter(b'@', &bytes[run..end])
            .map(|at| run + at)
            .find(is_mention);
        if let Some(at) = found.filter(|at| at + 1 < end) {
            mentions.push(at..end);
        }
        from = end;
    }
    mentions
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:@".contains(&byte)
}
