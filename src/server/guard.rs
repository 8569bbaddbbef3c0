//! A browser runs pages of strangers, and any of them can send requests to addresses that only
//! its user reaches. IM servers and message services are no browsers.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, Uri, header};

/// Names that the operators' port may be asked under.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<String>);

/// Ends of names that nobody can buy.
const PRIVATE_ENDS: [&str; 4] = [".local", ".internal", ".localhost", ".svc"];

impl Hosts {
    /// `named` are the configured ones; this machine's own is added.
    pub fn new(named: &[String]) -> Hosts {
        let mut hosts: Vec<_> = named.iter().map(|name| name.to_lowercase()).collect();
        #[cfg(unix)]
        hosts.push(
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .to_lowercase(),
        );
        Hosts(hosts)
    }

    /// Whether a stranger cannot have made this name point here. A page whose name does
    /// (DNS rebinding) is of the same origin for the browser.
    fn knows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || (!host.is_empty() && !host.contains('.'))
            || PRIVATE_ENDS.iter().any(|end| host.ends_with(end))
            || self.0.contains(&host)
    }
}

/// Why a request may be asked for under a stranger's name; `None` when it is not.
pub fn refuse_foreign_host(parts: &Parts, hosts: &Hosts) -> Option<String> {
    let asked = asked_host(parts);
    let host = asked.as_deref().map(without_port).unwrap_or_default();
    (!hosts.knows(host)).then(|| {
        format!("`{host}` is not a known name of this port; add it to `admin.hosts` in engine.yaml")
    })
}

/// Why an order over gRPC may be a stranger's; `None` when it is none.
pub fn refuse_foreign_orders(parts: &Parts) -> Option<&'static str> {
    let content_type = text(&parts.headers, header::CONTENT_TYPE);
    // A page cannot send this type without asking first, and nobody gives it leave.
    if !content_type.starts_with("application/grpc") {
        return Some("orders are gRPC: send `content-type: application/grpc`");
    }
    if parts.headers.contains_key(header::ORIGIN) && !is_own_origin(parts) {
        return Some(OTHER_ORIGIN);
    }
    is_cross_site(&parts.headers).then_some(OTHER_SITE)
}

/// Why a call of the JSON API may be a stranger's; `None` when it is none.
pub fn refuse_foreign_calls(parts: &Parts) -> Option<&'static str> {
    // A page cannot send this type without asking first, and nobody gives it leave.
    if !is_json(&parts.headers) {
        return Some(
            "without a token, calls that change something are JSON: send `content-type: application/json`",
        );
    }
    if parts.headers.contains_key(header::ORIGIN) && !is_own_origin(parts) {
        return Some(OTHER_ORIGIN);
    }
    is_cross_site(&parts.headers).then_some(OTHER_SITE)
}

/// There is one content type, and it is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return false;
    };
    let one = one.to_str().unwrap_or_default();
    let essence = one.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Why a form may be a stranger's; `None` when one of our own pages sent it: a browser says so.
pub fn refuse_foreign_forms(parts: &Parts) -> Option<&'static str> {
    if !is_own_origin(parts) {
        return Some(OTHER_ORIGIN);
    }
    let site = parts.headers.get("sec-fetch-site");
    let is_other = site.is_some_and(|site| site.as_bytes() != b"same-origin");
    is_other.then_some(OTHER_SITE)
}

const OTHER_ORIGIN: &str = "orders are not taken from a page of another origin: `Origin` must be \
                            there in a form, and name the host that is asked, as `Host` does";
const OTHER_SITE: &str = "orders are not taken from a page of another site";

/// There is one `Origin`, and it is the host that is asked.
fn is_own_origin(parts: &Parts) -> bool {
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let origin = origin.to_str().ok();
    let origin = origin.and_then(|text| text.parse::<Uri>().ok());
    let own = origin.as_ref().and_then(Uri::authority);
    own.is_some_and(|own| {
        let asked = asked_host(parts);
        asked.is_some_and(|asked| own.as_str().eq_ignore_ascii_case(&asked))
    })
}

/// Whether a browser sends this post: IM servers name no origin.
pub fn refuse_browsers(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || is_cross_site(headers)
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_some_and(|site| !matches!(site.as_bytes(), b"none" | b"same-origin"))
}

/// Host and port as the request names them.
fn asked_host(parts: &Parts) -> Option<String> {
    let of_uri = parts.uri.authority().map(|authority| authority.as_str());
    let host = of_uri.unwrap_or_else(|| text(&parts.headers, header::HOST));
    (!host.is_empty()).then(|| host.to_owned())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// `[::1]:80` is `[::1]`, `localhost:80` is `localhost`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/callgate.v1.AdminService/DiscardEvents");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn names_that_a_stranger_can_have_are_refused() {
        let hosts = Hosts::new(&["ops.example".to_owned()]);
        let check = |host: &str, taken: bool| {
            let refused = refuse_foreign_host(&parts(&[("host", host)]), &hosts);
            assert_eq!(refused.is_none(), taken, "{host}: {refused:?}");
        };
        for host in [
            "127.0.0.1:10007",
            "[::1]:10007",
            "localhost",
            "callgate:10007",
            "callgate.im.svc",
            "callgate.svc.cluster.local:10007",
            "OPS.example:443",
        ] {
            check(host, true);
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:10007",
            "ops.example.evil.example",
            "localhost.evil.example",
            "",
        ] {
            check(host, false);
        }
    }

    #[test]
    fn orders_of_strangers_are_refused() {
        let check = |headers: &[(&str, &str)], taken: bool| {
            let refused = refuse_foreign_orders(&parts(headers));
            assert_eq!(refused.is_none(), taken, "{headers:?}: {refused:?}");
        };
        let grpc = ("content-type", "application/grpc");
        let here = ("host", "127.0.0.1:10007");
        check(&[grpc, here], true);
        check(&[("content-type", "text/plain"), here], false);
        check(&[here], false);
        check(&[grpc, here, ("origin", "http://evil.example")], false);
        check(&[grpc, here, ("origin", "null")], false);
        check(&[grpc, here, ("origin", "http://127.0.0.1:9")], false);
        check(&[grpc, here, ("origin", "http://127.0.0.1:10007")], true);
        check(&[grpc, here, ("sec-fetch-site", "cross-site")], false);
        check(&[grpc, here, ("sec-fetch-site", "same-site")], false);
        check(
            &[grpc, ("content-type", "application/grpc+proto"), here],
            true,
        );
    }

    #[test]
    fn calls_of_strangers_are_refused() {
        let check = |headers: &[(&str, &str)], taken: bool| {
            let refused = refuse_foreign_calls(&parts(headers));
            assert_eq!(refused.is_none(), taken, "{headers:?}: {refused:?}");
        };
        let (json, here) = (("content-type", "application/json"), ("host", "ops:10007"));
        check(&[json, here], true);
        check(&[json, here, ("origin", "http://ops:10007")], true);
        check(&[json, here, ("sec-fetch-site", "same-origin")], true);
        check(
            &[("content-type", "Application/JSON; charset=utf-8"), here],
            true,
        );
        check(&[json, here, ("origin", "http://evil.example")], false);
        check(&[json, here, ("origin", "null")], false);
        check(&[json, here, ("sec-fetch-site", "cross-site")], false);
        check(&[json, here, ("sec-fetch-site", "same-site")], false);
        check(&[here], false);
        // What a page can send without asking.
        for kind in [
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=application/json",
            "application/jsonp",
            "",
        ] {
            check(&[("content-type", kind), here], false);
            check(&[("content-type", kind), json, here], false);
        }
    }

    #[test]
    fn forms_of_strangers_are_refused() {
        let check = |headers: &[(&str, &str)], taken: bool| {
            let refused = refuse_foreign_forms(&parts(headers));
            assert_eq!(refused.is_none(), taken, "{headers:?}: {refused:?}");
        };
        let (here, own) = (("host", "ops:10007"), ("origin", "http://ops:10007"));
        check(&[here, own], true);
        check(&[here, own, ("sec-fetch-site", "same-origin")], true);
        check(&[here, ("origin", "https://OPS:10007")], true);
        // No browser leaves it out.
        check(&[here], false);
        check(&[own], false);
        check(&[here, ("origin", "null")], false);
        check(&[here, ("origin", "http://ops")], false);
        check(&[here, ("origin", "http://ops:10007.evil.example")], false);
        check(&[here, ("origin", "http://evil.example")], false);
        check(&[here, own, ("origin", "http://evil.example")], false);
        for site in ["cross-site", "same-site", "none"] {
            check(&[here, own, ("sec-fetch-site", site)], false);
        }
    }

    #[test]
    fn browsers_are_told_by_their_headers() {
        let check = |headers: &[(&str, &str)], browser: bool| {
            assert_eq!(refuse_browsers(&parts(headers).headers), browser);
        };
        check(&[("user-agent", "Go-http-client/1.1")], false);
        check(&[("origin", "https://evil.example")], true);
        check(&[("origin", "null")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
    }
}
