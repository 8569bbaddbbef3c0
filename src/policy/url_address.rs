//! Where a URL leads, and whether that is callgate itself.

use core::net::{IpAddr, SocketAddr};

use url::{Host, Url};

/// Where a URL leads, as far as it says so itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlAddress {
    pub host: String,
    pub port: u16,
}

impl UrlAddress {
    /// `None` for what is no http or https URL.
    pub fn parse(url: &str) -> Option<UrlAddress> {
        UrlAddress::of(&Url::parse(url).ok()?)
    }

    /// As the parser that calls use has it: `127.1` is `127.0.0.1`, `HTTPS` is https.
    pub fn of(url: &Url) -> Option<UrlAddress> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default()?;
        Some(UrlAddress { host, port })
    }

    /// True when calls to this address would come back to a listener of ours.
    pub fn reaches(&self, listener: &SocketAddr) -> bool {
        if self.port != listener.port() {
            return false;
        }
        let own = listener.ip().to_canonical();
        let own_is_here = own.is_loopback() || own.is_unspecified();
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        // A dot at the end of a name says that it is whole.
        let host = host.trim_end_matches('.');
        let local_name = host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost");
        match host.parse::<IpAddr>().map(|host| host.to_canonical()) {
            Ok(host) if host == own => true,
            Ok(host) if host.is_unspecified() => own_is_here,
            Ok(host) => own.is_unspecified() && host.is_loopback(),
            Err(_) => local_name && own_is_here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, port: u16, listener: &str, reaches: bool) {
        let address = UrlAddress {
            host: host.to_owned(),
            port,
        };
        let listener: SocketAddr = listener.parse().unwrap();
        assert_eq!(
            address.reaches(&listener),
            reaches,
            "{host}:{port} {listener}"
        );
    }

    #[test]
    fn our_own_listeners_are_recognised_in_every_spelling() {
        check("127.0.0.1", 10006, "127.0.0.1:10006", true);
        check("localhost", 10006, "127.0.0.1:10006", true);
        check("localhost.", 10006, "127.0.0.1:10006", true);
        check("a.localhost.", 10006, "127.0.0.1:10006", true);
        check("LOCALHOST", 10006, "0.0.0.0:10006", true);
        check("[::1]", 10006, "[::]:10006", true);
        check("[::ffff:127.0.0.1]", 10006, "127.0.0.1:10006", true);
        check("0.0.0.0", 10006, "127.0.0.1:10006", true);
        check("127.0.0.9", 10006, "0.0.0.0:10006", true);
        check("10.0.0.5", 10006, "10.0.0.5:10006", true);
        check("127.0.0.1", 8080, "127.0.0.1:10006", false);
        check("10.0.0.5", 10006, "127.0.0.1:10006", false);
        check("localhost", 10006, "10.0.0.5:10006", false);
        check("business", 10006, "127.0.0.1:10006", false);
    }
}
