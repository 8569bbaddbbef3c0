//! One POST: the client, the limits on its answer, and how its errors are told apart.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::breaker::Ending;
use super::ending_of_status;
use super::guard::{BlockedAddress, GuardedResolver, literal_is_forbidden};
use crate::decision::{Failure, FailureClass};
use crate::dialect::Outgoing;
use crate::policy::Endpoint;

/// Idle connections are closed before the usual 60 s of servers, so that a call does not meet
/// one that the other side is just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A complete answer.
#[derive(Debug)]
pub struct WireAnswer {
    pub status: u16,
    pub body: Bytes,
    pub retry_after: Option<Duration>,
}

/// Why there is no complete answer.
#[derive(Debug)]
pub struct WireError {
    pub class: FailureClass,
    pub detail: String,
}

/// How telling an endpoint of an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A complete 2xx head came in time.
    Delivered { status: u16 },
    /// Worth another try.
    Retry {
        class: FailureClass,
        detail: String,
        status: Option<u16>,
        /// The endpoint's own wish, at most an hour.
        retry_after: Option<Duration>,
        /// False when nothing was put on the wire: the try does not count.
        on_wire: bool,
    },
    /// The endpoint refuses this very event: 400, 413, 415, 422.
    Rejected { status: u16, detail: String },
    /// No try will ever help: 410, or an address that the guard refuses.
    Dead { class: FailureClass, detail: String },
}

impl Told {
    pub(super) fn not_sent(failure: Failure) -> Told {
        Told::Retry {
            class: failure.class,
            detail: failure.detail,
            status: None,
            retry_after: None,
            on_wire: false,
        }
    }

    pub(super) fn from_failure(failure: Failure) -> Told {
        let Failure { class, detail } = failure;
        if class == FailureClass::BlockedAddress {
            return Told::Dead { class, detail };
        }
        Told::Retry {
            class,
            detail,
            status: None,
            retry_after: None,
            on_wire: true,
        }
    }

    /// `delivered` is the dialect's word on the status.
    pub(super) fn from_answer(endpoint: &str, answer: &WireAnswer, delivered: bool) -> Told {
        let status = answer.status;
        let detail = format!("`{endpoint}` answered {status}");
        match status {
            _ if delivered => Told::Delivered { status },
            400 | 413 | 415 | 422 => Told::Rejected { status, detail },
            410 => Told::Dead {
                class: FailureClass::HttpStatus,
                detail,
            },
            _ => Told::Retry {
                class: FailureClass::HttpStatus,
                detail,
                status: Some(status),
                retry_after: answer.retry_after,
                on_wire: true,
            },
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self {
            Told::Delivered { .. } | Told::Rejected { .. } => Ending::Success,
            Told::Retry { on_wire: false, .. } | Told::Dead { .. } => Ending::Unknown,
            Told::Retry { status, .. } => status.map_or(Ending::Failure, ending_of_status),
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

    /// Posts and reads the whole answer, up to `answer_bytes_max`.
    pub async fn post(
        self,
        endpoint: &Endpoint,
        outgoing: Outgoing,
        left: Option<Duration>,
        webhook_id: Option<&str>,
    ) -> Result<WireAnswer, WireError> {
        let client = self.inner.map_err(|why| WireError {
            class: FailureClass::Internal,
            detail: format!("the HTTP client could not be made: {why}"),
        })?;
        let url = Url::parse(&outgoing.url).map_err(|error| WireError {
            class: FailureClass::Connect,
            detail: format!("its URL cannot be used: {error}"),
        })?;
        if let Some((address, why)) = literal_is_forbidden(&url, &endpoint.allow_addresses) {
            return Err(WireError {
                class: FailureClass::BlockedAddress,
                detail: format!(
                    "its address {address} is {why}; to call it all the same, name it in `allow_addresses`"
                ),
            });
        }
        let mut request = client.post(url).body(outgoing.body);
        for (name, value) in outgoing.headers {
            // A value that is no header value (a trace id with a line break) is left out: it
            // must not be able to add headers of its own.
            if let Ok(value) = HeaderValue::from_str(&value) {
                request = request.header(name, value);
            }
        }
        if let Some(left) = left {
            request = request.header("x-callback-timeout-ms", left.as_millis() as u64);
        }
        if let Some(id) = webhook_id.and_then(|id| HeaderValue::from_str(id).ok()) {
            request = request.header("webhook-id", id);
        }
        let answer = request.send().await.map_err(wire_error)?;
        let status = answer.status().as_u16();
        let retry_after = retry_after(answer.headers());
        let body = read_body(answer, endpoint.answer_bytes_max).await?;
        Ok(WireAnswer {
            status,
            body,
            retry_after,
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
    let too_large = || WireError {
        class: FailureClass::TooLarge,
        detail: format!("its answer is larger than {bytes_max} bytes"),
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

/// `Retry-After` in seconds; other forms and absurd values are not believed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
