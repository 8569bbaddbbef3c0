//! The query of a call's URL: what the caller put there goes on to the business server as it came.

use ring::digest::{SHA256, digest};

use crate::event::{DialectId, Event};

/// A longer query is not kept, for it is stored with each event.
const QUERY_BYTES_MAX: usize = 8 << 10;

/// What the caller put into its query: the parts without those that name the event, which the
/// dialect writes again. `left_of` says what is left of a part, if anything.
pub(super) fn rest<'a>(query: &'a str, left_of: impl Fn(&'a str) -> Option<&'a str>) -> String {
    if query.is_empty() || query.len() > QUERY_BYTES_MAX {
        return String::new();
    }
    let parts: Vec<&str> = query.split('&').filter_map(left_of).collect();
    parts.join("&")
}

/// The event of a call with this query, where its server makes ids that are its own alone: servers
/// that share one callgate have their queries to be told apart by (`?tenant=a`), and what happens
/// on one is no repeat of what happened on another.
pub fn with_query(mut event: Event, query: String) -> Event {
    // OpenIM's ids of messages are made at random: each is the only one.
    let is_unique =
        matches!(event.dialect, DialectId::OpenIm | DialectId::OpenImV2) && event.message.is_some();
    if !query.is_empty() && !is_unique {
        let hash = digest(&SHA256, query.as_bytes());
        let short: String = hash.as_ref()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let names = event.natural_id.as_mut().into_iter();
        let series = event.series.as_mut().map(|series| &mut series.name);
        for name in names.chain(series) {
            name.push(':');
            name.push_str(&short);
        }
    }
    event.query = query;
    event
}

/// Why a query that was given directly cannot be one, if it cannot.
pub fn refuse_query(query: &str) -> Option<String> {
    if query.len() > QUERY_BYTES_MAX {
        return Some(format!("is longer than {QUERY_BYTES_MAX} bytes"));
    }
    let is_fine = |byte: u8| byte > 0x20 && byte != 0x7f && byte != b'#';
    let what = "has a space, a control character or a `#`: write them as %20 and so on";
    (!query.bytes().all(is_fine)).then(|| what.to_owned())
}

/// The URL with a query behind its own; without a fragment, which no server gets to see.
pub(super) fn joined(url: &str, query: &str) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let between = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, own)) if own.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{between}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_event_is_taken_out() {
        let check = |query: &str, expected: &str| {
            let left = |part| match part {
                "c=1/callbackX" => Some("c=1"),
                part => Some(part).filter(|part: &&str| !part.starts_with("event=")),
            };
            assert_eq!(rest(query, left), expected);
        };
        check("", "");
        check("event=a", "");
        check("key=a%3D%3D", "key=a%3D%3D");
        check("a=1&event=x&b=&&c", "a=1&b=&&c");
        check("b=2&c=1/callbackX", "b=2&c=1");
        check(&"a".repeat(9_000), "");
    }

    #[test]
    fn a_query_finds_its_place_in_any_url() {
        let check = |url: &str, expected: &str| assert_eq!(joined(url, "k=1"), expected);
        check("http://h/a", "http://h/a?k=1");
        check("http://h/a?", "http://h/a?k=1");
        check("http://h/a?b=2", "http://h/a?b=2&k=1");
        check("http://h/a#f", "http://h/a?k=1");
        assert_eq!(joined("http://h/a#f", ""), "http://h/a#f");
    }
}
