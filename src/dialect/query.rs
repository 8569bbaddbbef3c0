//! The query of a call's URL: what the caller put there goes on to the business server as it came.

/// A longer query is not kept, for it is stored with each event.
const QUERY_BYTES_MAX: usize = 8 << 10;

/// The query without the parts that name the event, which the dialect writes again.
pub(super) fn rest(query: &str, names_event: impl Fn(&str) -> bool) -> String {
    if query.is_empty() || query.len() > QUERY_BYTES_MAX {
        return String::new();
    }
    let parts: Vec<&str> = query.split('&').filter(|part| !names_event(part)).collect();
    parts.join("&")
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
            assert_eq!(rest(query, |part| part.starts_with("event=")), expected);
        };
        check("", "");
        check("event=a", "");
        check("key=a%3D%3D", "key=a%3D%3D");
        check("a=1&event=x&b=&&c", "a=1&b=&&c");
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
