//! One POST: the client, the limits on its answer, and how its errors are told apart.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::{Instant, timeout_at};

use super::guard::{BlockedAddress, GuardedResolver, literal_is_forbidden};
use super::health::{Ending, ending_of};
use crate::decision::FailureClass;
use crate::dialect::Outgoing;
use crate::policy::Endpoint;

/// Idle connections are closed before the usual 60 s of servers, so that a call does not meet
/// one that the other side is just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer whose head is complete.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// How long the endpoint asks not to be called, counted from `now`.
    pub retry_after: Option<Duration>,
    rest: reqwest::Response,
}

impl Answer {
    /// The whole body. Errors: it is longer than the limit, or breaks off.
    pub async fn body(self, bytes_max: usize) -> Result<Bytes, WireError> {
        read_body(self.rest, bytes_max).await
    }

    /// The beginning of the body, as far as it comes until then; a body that ends below the limit
    /// leaves the connection ready for another call.
    pub async fn beginning(mut self, bytes_max: usize, until: Instant) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < bytes_max {
            match timeout_at(until, self.rest.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None) | Err(_)) | Err(_) => break,
            }
        }
        body.truncate(bytes_max);
        body.freeze()
    }
}

/// Why there is no complete answer.
#[derive(Debug)]
pub struct WireError {
    pub class: FailureClass,
    pub detail: String,
    /// No connection was made.
    pub unreachable: bool,
}

impl WireError {
    fn new(class: FailureClass, detail: impl Into<String>) -> WireError {
        WireError {
            class,
            detail: detail.into(),
            unreachable: false,
        }
    }

    /// What it says about the endpoint's health.
    pub(super) fn ending(&self) -> Ending {
        match self.unreachable {
            true => Ending::Unreachable,
            false => ending_of(self.class),
        }
    }
}

/// An endpoint's connection pool, and the settings it was made for.
#[derive(Clone, Debug)]
pub struct Client {
    /// The error of building it, if it could not be built; reported by each call.
    inner: Result<reqwest::Client, Arc<str>>,
    made_for: (Duration, usize, Vec<IpNet>),
}

impl Client {
    pub fn new(endpoint: &Endpoint, tls: &Tls) -> Client {
        let built = tls.0.clone().and_then(|tls| {
            build(endpoint, tls).map_err(|error| Arc::from(chain(&error.without_url())))
        });
        Client {
            inner: built,
            made_for: settings_of(endpoint),
        }
    }

    /// Whether a policy change left the connection settings as they were.
    pub fn suits(&self, endpoint: &Endpoint) -> bool {
        self.made_for.0 == endpoint.connect_timeout
            && self.made_for.1 == endpoint.pool_idle_max
            && self.made_for.2 == endpoint.allow_addresses
    }

    /// Posts and waits for the head of the answer.
    pub async fn post(self, endpoint: &Endpoint, outgoing: Outgoing) -> Result<Answer, WireError> {
        let client = self.inner.map_err(|why| {
            WireError::new(
                FailureClass::Internal,
                format!("the HTTP client could not be made: {why}"),
            )
        })?;
        let url = Url::parse(&outgoing.url).map_err(|error| {
            WireError::new(
                FailureClass::Connect,
                format!("its URL cannot be used: {error}"),
            )
        })?;
        if let Some((address, why)) = literal_is_forbidden(&url, &endpoint.allow_addresses) {
            return Err(WireError::new(
                FailureClass::BlockedAddress,
                format!(
                    "its address {address} is {why}; to call it all the same, name it in `allow_addresses`"
                ),
            ));
        }
        let mut request = client.post(url).body(outgoing.body);
        for (name, value) in outgoing.headers {
            // A value that is no header value (a trace id with a line break) is left out: it
            // must not be able to add headers of its own.
            if let Ok(value) = HeaderValue::from_str(&value) {
                request = request.header(name, value);
            }
        }
        let rest = request.send().await.map_err(wire_error)?;
        Ok(Answer {
            status: rest.status().as_u16(),
            retry_after: retry_after(rest.headers(), SystemTime::now()),
            rest,
        })
    }
}

fn settings_of(endpoint: &Endpoint) -> (Duration, usize, Vec<IpNet>) {
    (
        endpoint.connect_timeout,
        endpoint.pool_idle_max,
        endpoint.allow_addresses.clone(),
    )
}

/// Whom an endpoint's connections trust. Reading the machine's certificates takes long, so it is
/// done once for all clients of an endpoint, before its first call.
#[derive(Clone, Debug)]
pub struct Tls(Result<ClientConfig, Arc<str>>);

impl Tls {
    pub fn new(endpoint: &Endpoint) -> Tls {
        Tls(trust(endpoint).map_err(|error| chain(&error).into()))
    }
}

fn trust(endpoint: &Endpoint) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(if endpoint.url.starts_with("https:") {
        versions.with_platform_verifier()?.with_no_client_auth()
    } else {
        // A machine without any certificates can still be used for plain HTTP.
        versions
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    })
}

fn build(endpoint: &Endpoint, tls: ClientConfig) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("callgate/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .connect_timeout(endpoint.connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(endpoint.pool_idle_max)
        .tcp_nodelay(true)
        .redirect(redirect::Policy::none())
        // A proxy would resolve names again, behind the guard's back.
        .no_proxy()
        .dns_resolver(Arc::new(GuardedResolver {
            allowed: endpoint.allow_addresses.clone().into(),
            timeout: endpoint.connect_timeout,
        }))
        .build()
}

/// Reads a body and stops at the limit, whatever `Content-Length` says.
async fn read_body(mut answer: reqwest::Response, bytes_max: usize) -> Result<Bytes, WireError> {
    let too_large = || {
        WireError::new(
            FailureClass::TooLarge,
            format!("its answer is larger than {bytes_max} bytes"),
        )
    };
    if answer
        .content_length()
        .is_some_and(|length| length > bytes_max as u64)
    {
        return Err(too_large());
    }
    let Some(first) = answer.chunk().await.map_err(wire_error)? else {
        return Ok(Bytes::new());
    };
    let mut body = BytesMut::from(first);
    while body.len() <= bytes_max {
        match answer.chunk().await.map_err(wire_error)? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(body.freeze()),
        }
    }
    Err(too_large())
}

/// Tells a refused address, an answer that is no HTTP and a broken connection apart.
fn wire_error(error: reqwest::Error) -> WireError {
    let mut class = FailureClass::Connect;
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<BlockedAddress>() {
            class = FailureClass::BlockedAddress;
        } else if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            class = FailureClass::InvalidAnswer;
        }
        source = cause.source();
    }
    WireError {
        class,
        unreachable: error.is_connect() && class == FailureClass::Connect,
        detail: chain(&error.without_url()),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// `Retry-After` as seconds or as a date, at most an hour. What cannot be read, or has passed, is
/// no wish.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(now)
            .ok()?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_and_never_believed_for_long() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for (text, wanted) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("86400", Some(3600)),
            ("Thu, 01 Jan 2026 00:00:30 GMT", Some(30)),
            ("Thursday, 01-Jan-26 00:00:30 GMT", Some(30)),
            ("Thu Jan  1 00:00:30 2026", Some(30)),
            ("Fri, 02 Jan 2026 00:00:30 GMT", Some(3600)),
            ("Wed, 31 Dec 2025 23:59:59 GMT", None),
            ("-7", None),
            ("1.5", None),
            ("soon", None),
            ("99999999999999999999", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            let wanted = wanted.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), wanted, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
