//! An answer that names the events of its request which are to come again.
//!
//! Shape: `{"failed": ["id", …]}` with a status of success. An event is named as its receiver
//! sees it: in CloudEvents by its `id`, in a dialect's own list by what the dialect calls it, as a
//! string or a number. Our own id of the event does too.
//! The head of the answer is the promise: a body that says nothing of the kind, or breaks off
//! before it has, means that all is delivered.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::stored::ReadEvent;
use crate::dialect;
use crate::policy::{Endpoint, EventFormat};

/// By what an answer can name the events of one request.
#[derive(Debug)]
pub(super) struct Names {
    places: HashMap<String, Vec<usize>>,
    events: usize,
}

/// What an answer says about the events of its request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Places in the request, rising.
    pub failed: Vec<usize>,
    /// For its author: the list is not what it was meant to be.
    pub warning: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    failed: Vec<Id>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(u64),
    Other(IgnoredAny),
}

impl Names {
    /// `None` where the endpoint is not sent a list. A list may have a single event: receivers
    /// need not treat it as something else.
    pub(super) fn of(endpoint: &Endpoint, events: &[&ReadEvent]) -> Option<Names> {
        let mut is_list = endpoint.events.format == EventFormat::CloudEvents;
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, read) in events.iter().enumerate() {
            places
                .entry(read.stored.id.clone())
                .or_default()
                .push(place);
            if endpoint.events.format == EventFormat::Dialect
                && let Some(name) = dialect::of(endpoint.dialect).item_name(&read.event)
            {
                is_list = true;
                places.entry(name).or_default().push(place);
            }
        }
        let events = events.len();
        is_list.then_some(Names { places, events })
    }

    /// Reads the body of an answer, or as much of it as came.
    pub(super) fn read(&self, body: &[u8]) -> Named {
        let answer: Answer = match serde_json::from_slice(body) {
            Ok(answer) => answer,
            Err(error) => {
                // Most answers are about something else, and nothing is odd about them.
                let is_meant = body.windows(8).any(|part| part == b"\"failed\"");
                let warning = || format!("its list `failed` cannot be read: {error}");
                return Named {
                    failed: Vec::new(),
                    warning: is_meant.then(warning),
                };
            }
        };
        let mut failed = vec![false; self.events];
        let mut unknown = 0;
        for id in &answer.failed {
            match self.places_of(id) {
                [] => unknown += 1,
                places => places.iter().for_each(|&place| failed[place] = true),
            }
        }
        let warning = || format!("its list `failed` names {unknown} that the request did not have");
        Named {
            failed: (0..self.events).filter(|&place| failed[place]).collect(),
            warning: (unknown > 0).then(warning),
        }
    }

    fn places_of(&self, id: &Id) -> &[usize] {
        let places = match id {
            Id::Text(text) => self.places.get(text),
            Id::Number(number) => self.places.get(&number.to_string()),
            Id::Other(_) => None,
        };
        places.map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events `a`, `b` and `c`; the last is seen as `77` as well.
    fn check(body: &str, failed: &[usize], warning: Option<&str>) {
        let names = [("a", 0), ("b", 1), ("c", 2), ("77", 2)];
        let names = Names {
            places: names.map(|(name, at)| (name.to_owned(), vec![at])).into(),
            events: 3,
        };
        let named = names.read(body.as_bytes());
        assert_eq!(named.failed, failed, "{body}");
        let said = named.warning.unwrap_or_default();
        match warning {
            None => assert_eq!(said, "", "{body}"),
            Some(part) => assert!(said.contains(part), "{body}: {said}"),
        }
    }

    #[test]
    fn events_are_named_by_strings_and_numbers() {
        check(r#"{"failed":["b"]}"#, &[1], None);
        check(r#"{"failed":["c","a"],"more":[1]}"#, &[0, 2], None);
        check(r#"{"failed":["a","b",77]}"#, &[0, 1, 2], None);
        check(r#" {"failed" : ["77", 77, "c"]} "#, &[2], None);
        check(r#"{"failed":[]}"#, &[], None);
    }

    #[test]
    fn what_is_no_such_list_names_nothing() {
        for body in ["", "ok", "[]", "{}", "null", r#"{"errCode":0}"#] {
            check(body, &[], None);
        }
        for body in [
            r#"{"failed":"a"}"#,
            r#"{"failed":3}"#,
            r#"{"failed":null}"#,
            r#"{"failed":["a","b"#,
            r#"{"failed":["a"]} and more"#,
            r#"{"failed":["a"],"failed":["b"]}"#,
            r#"[{"failed":["a"]}]"#,
        ] {
            check(body, &[], Some("cannot be read"));
        }
    }

    #[test]
    fn unknown_names_are_passed_over() {
        check(r#"{"failed":["x","b"]}"#, &[1], Some("names 1 that"));
        let junk = r#"{"failed":[null,{"id":"a"},["a"],-1,1.5,1e99,true,"A"," a"]}"#;
        check(junk, &[], Some("names 9 that"));
    }
}
