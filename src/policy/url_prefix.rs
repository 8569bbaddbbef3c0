//! Which URLs an operator lets others choose.
//!
//! A URL that a stranger wrote is compared as text, so it must be plain: whatever two programs
//! could read in two ways is refused.

use std::fmt;

use http::Uri;
use http::uri::Scheme;

/// Scheme, host, port and the beginning of a path: `https://a.example/hooks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPrefix {
    is_https: bool,
    /// In lower case.
    host: String,
    port: u16,
    /// Ends with a `/`, or is a path of which only whole parts count.
    path: String,
}

impl UrlPrefix {
    /// `None` for anything but a plain http or https URL without query.
    pub fn parse(text: &str) -> Option<UrlPrefix> {
        let (url, query) = plain(text)?;
        query.is_none().then_some(url)
    }

    /// The URL has this scheme, host and port, and its path is this one or below it.
    pub fn covers(&self, url: &str) -> bool {
        let Some((url, _)) = plain(url) else {
            return false;
        };
        let rest = url.path.strip_prefix(self.path.as_str());
        let is_below = rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        is_below && (self.is_https, &self.host, self.port) == (url.is_https, &url.host, url.port)
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

/// A URL and its query, if it can be read in one way only.
fn plain(text: &str) -> Option<(UrlPrefix, Option<String>)> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:?=&%[],+".contains(&byte);
    if !text.bytes().all(is_plain) {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let is_https = match uri.scheme()? {
        scheme if *scheme == Scheme::HTTP => false,
        scheme if *scheme == Scheme::HTTPS => true,
        _ => return None,
    };
    let path = uri.path();
    let turns = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".." || part.contains("%2f") || part.contains("%5c")
    };
    if path.split('/').any(turns) {
        return None;
    }
    let url = UrlPrefix {
        is_https,
        host: uri.host()?.to_ascii_lowercase(),
        port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
        path: path.to_owned(),
    };
    Some((url, uri.query().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, url: &str, expected: bool) {
        let covers = UrlPrefix::parse(prefix).unwrap().covers(url);
        assert_eq!(covers, expected, "{prefix} {url}");
    }

    #[test]
    fn scheme_host_port_and_whole_parts_of_the_path_count() {
        check("http://a.example/hooks", "http://a.example/hooks", true);
        check(
            "http://a.example/hooks",
            "http://A.example:80/hooks/auth.do?x=1",
            true,
        );
        check("http://a.example/hooks/", "http://a.example/hooks/x", true);
        check("http://a.example", "http://a.example/any/path", true);
        check("https://a.example", "https://a.example:443/x", true);
        check("http://a.example/hooks", "http://a.example/hooksX", false);
        check("http://a.example/hooks", "http://a.example/", false);
        check("http://a.example/hooks", "https://a.example/hooks", false);
        check("http://a.example/hooks", "http://a.example:81/hooks", false);
        check("http://a.example/hooks", "http://b.example/hooks", false);
        check("http://a.example", "http://a.example.evil/", false);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_covered() {
        for url in [
            "http://a.example@evil/hooks",
            "http://evil\\@a.example/hooks",
            "http://a.example\\.evil/hooks",
            "http://a.example/hooks/../admin",
            "http://a.example/hooks/%2e%2E/admin",
            "http://a.example/hooks/..%2fadmin",
            "http://a.example/hooks#x",
            "http://a.example/hooks x",
            "http://a.example/\thooks",
            "//a.example/hooks",
            "/hooks",
            "file:///hooks",
            "",
        ] {
            check("http://a.example", url, false);
        }
    }

    #[test]
    fn a_prefix_is_a_plain_url() {
        for text in [
            "a.example",
            "ftp://a.example",
            "http://a.example/?x=1",
            "http://u@a/",
        ] {
            assert_eq!(UrlPrefix::parse(text), None, "{text}");
        }
    }
}
