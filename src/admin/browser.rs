//! What browsers are told: which cookie to show for their operator, and what not to do with pages.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

use crate::operators::Secret;

const NAME: &str = "callgate";
/// Browsers take it over TLS alone, and from nobody but the host itself.
const TLS_NAME: &str = "__Host-callgate";
/// As long as a session can last.
const MAX_AGE_S: u64 = 7 * 24 * 3600;

/// Nothing but our own style and script, in nobody's frame, told to nobody, kept nowhere.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Says to a browser what it must not do, whatever it is answered.
pub(super) fn keep_strangers_out(answer: &mut Response) {
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
}

/// The secret of the session; where the port has TLS, none that a neighbour could have set.
pub(super) fn session(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    let is_ours = |name: &str| name == TLS_NAME || (!tls && name == NAME);
    named
        .find(|(name, _)| is_ours(name))
        .map(|(_, value)| value)
}

/// Over TLS, the port's own or that of a proxy before it, which the browser tells by its origin.
pub(super) fn is_secure(headers: &HeaderMap, tls: bool) -> bool {
    let origin = headers.get(header::ORIGIN);
    tls || origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

pub(super) fn set(secret: &Secret, secure: bool) -> HeaderValue {
    line(secret.text(), MAX_AGE_S, secure)
}

pub(super) fn remove(secure: bool) -> HeaderValue {
    line("", 0, secure)
}

fn line(value: &str, max_age_s: u64, secure: bool) -> HeaderValue {
    let (name, secure) = match secure {
        true => (TLS_NAME, "; Secure"),
        false => (NAME, ""),
    };
    let text =
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).expect("a secret is base64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let check = |lines: &[&'static str], tls: bool, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            assert_eq!(session(&headers, tls), expected, "{lines:?}");
        };
        check(&["callgate=a"], false, Some("a"));
        check(&["x=1; callgate=a; y=2"], false, Some("a"));
        check(&["x=callgate=b", "callgate=a"], false, Some("a"));
        check(&["__Host-callgate=a"], false, Some("a"));
        check(&["xcallgate=a; callgatex=b"], false, None);
        check(&[], false, None);
        check(&["callgate=a"], true, None);
        check(&["callgate=a; __Host-callgate=b"], true, Some("b"));
    }
}
