//! Where a call goes, as its URL says: read once for each URL that an endpoint is called at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::InvalidUri;
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use url::{Host, Position, Url};

use super::guard::literal_is_forbidden;
use super::pool::Target;

/// URLs that are remembered: an endpoint has one for each hook. A query that is another with every
/// call must not fill the memory.
const KNOWN_MAX: usize = 64;

/// What a URL says, ready to be used.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) target: Target,
    /// Path and query, which a request line has.
    pub(super) path: Uri,
    pub(super) host: HeaderValue,
    /// What the guard was told to allow when it looked at the address.
    allowed: Vec<IpNet>,
}

/// Why a URL cannot be called.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadUrl {
    #[error("its URL cannot be used: {0}")]
    Unreadable(String),
    #[error("its URL has the scheme `{0}`")]
    Scheme(String),
    #[error("its URL has no host")]
    NoHost,
    #[error(
        "its address {address} is {why}; to call it all the same, name it in `allow_addresses`"
    )]
    Blocked { address: IpAddr, why: &'static str },
}

impl Destination {
    fn read(written: &str, allowed: &[IpNet]) -> Result<Destination, BadUrl> {
        let url = Url::parse(written).map_err(|error| BadUrl::Unreadable(error.to_string()))?;
        if let Some((address, why)) = literal_is_forbidden(&url, allowed) {
            return Err(BadUrl::Blocked { address, why });
        }
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let unreadable = |error: http::Error| BadUrl::Unreadable(error.to_string());
        Ok(Destination {
            target: target_of(&url)?,
            path: line_of(&url, written).map_err(|error| unreadable(error.into()))?,
            host: HeaderValue::from_str(authority).map_err(|error| unreadable(error.into()))?,
            allowed: allowed.to_vec(),
        })
    }
}

/// What stands in the request line. The query is the IM server's own word and goes on as it came:
/// the URL parser would write some characters of it in another way.
fn line_of(url: &Url, written: &str) -> Result<Uri, InvalidUri> {
    let path = &url[Position::BeforePath..Position::AfterPath];
    let before_fragment = written.split('#').next().unwrap_or_default();
    let as_written = before_fragment
        .split_once('?')
        .and_then(|(_, query)| format!("{path}?{query}").parse().ok());
    match as_written {
        Some(line) => Ok(line),
        // What a URL is written with is what a request line may have.
        None => url[Position::BeforePath..Position::AfterQuery].parse(),
    }
}

fn target_of(url: &Url) -> Result<Target, BadUrl> {
    let https = match url.scheme() {
        "https" => true,
        "http" => false,
        other => return Err(BadUrl::Scheme(other.to_owned())),
    };
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(BadUrl::NoHost),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(Target { https, host, port })
}

/// The destinations of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    known: Mutex<HashMap<String, Arc<Destination>>>,
}

impl Destinations {
    /// Errors: the URL cannot be called, or its address is one that must not be.
    pub(super) fn of(&self, url: &str, allowed: &[IpNet]) -> Result<Arc<Destination>, BadUrl> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(destination) = known.get(url)
            && destination.allowed == allowed
        {
            return Ok(Arc::clone(destination));
        }
        let destination = Arc::new(Destination::read(url, allowed)?);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(url.to_owned(), Arc::clone(&destination));
        Ok(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, allowed: &[&str]) -> Result<(String, String), String> {
        let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        let read = Destination::read(url, &allowed);
        let read = read.map_err(|error| error.to_string())?;
        let host = read.host.to_str().unwrap().to_owned();
        Ok((host, read.path.to_string()))
    }

    #[test]
    fn a_url_is_a_host_and_a_path() {
        for (url, host, path) in [
            ("http://h:80/a/b?c=d#e", "h", "/a/b?c=d"),
            ("http://user:secret@h:8080", "h:8080", "/"),
            (
                "HTTP://127.1/%E4%B8%AD?q=\u{4e2d}",
                "127.0.0.1",
                "/%E4%B8%AD?q=\u{4e2d}",
            ),
            ("http://h/a?it's=%27&b", "h", "/a?it's=%27&b"),
            ("http://h/a?b c", "h", "/a?b%20c"),
            ("https://[::1]:8443/x", "[::1]:8443", "/x"),
        ] {
            let expected = (host.to_owned(), path.to_owned());
            assert_eq!(read(url, &[]), Ok(expected), "{url}");
        }
        for url in ["ftp://h/", "h/a", "http://h:99999/", "http://169.254.0.1/"] {
            assert!(read(url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn what_may_be_called_is_looked_at_again_when_the_policy_says_otherwise() {
        let (known, url) = (Destinations::default(), "http://169.254.0.1/x");
        let named: [IpNet; 1] = ["169.254.0.1/32".parse().unwrap()];
        assert!(matches!(known.of(url, &[]), Err(BadUrl::Blocked { .. })));
        assert!(known.of(url, &named).is_ok());
        assert!(matches!(known.of(url, &[]), Err(BadUrl::Blocked { .. })));
    }

    #[test]
    fn urls_without_end_are_not_remembered_without_end() {
        let known = Destinations::default();
        for number in 0..10 * KNOWN_MAX {
            known.of(&format!("http://h/?id={number}"), &[]).unwrap();
            assert!(known.known.lock().unwrap().len() <= KNOWN_MAX);
        }
        let url = "http://h/again";
        let first = known.of(url, &[]).unwrap();
        assert!(Arc::ptr_eq(&first, &known.of(url, &[]).unwrap()));
    }
}
