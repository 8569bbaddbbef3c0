//! A business server: how it is asked, told and protected. Plain values, as a policy gives them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use strum::{IntoStaticStr, VariantArray};

use super::url_prefix::UrlPrefix;
use crate::dialect::AnswerRules;
use crate::event::DialectId;

/// A business server, with how it is asked and how it is protected.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub name: Arc<str>,
    pub url: String,
    pub dialect: DialectId,
    pub answers: AnswerRules,
    pub in_flight_max: usize,
    pub answer_bytes_max: usize,
    pub connect_timeout: Duration,
    /// Connections to one address that are kept while idle, and for how long at the most.
    pub pool_idle_max: usize,
    pub pool_idle_timeout: Duration,
    /// An older connection is not used again, so that a name that moves is followed.
    pub connection_age_max: Duration,
    /// Addresses that may be called although the address guard refuses them.
    pub allow_addresses: Vec<IpNet>,
    /// Where the sender's client says which URL is called, those that may be; empty: `url` is.
    pub client_urls: Vec<UrlPrefix>,
    /// Sent with a recall; empty is none.
    pub im_api_key: Secret,
    pub breaker: BreakerSettings,
    /// After hooks: the wait before the second attempt, the third, and so on; after the last an
    /// event is dead.
    pub retry_waits: Vec<Duration>,
    pub events: EventSettings,
    /// `None`: its calls are not signed.
    pub sign: Option<SignSettings>,
    pub tls: EndpointTls,
}

/// How an endpoint with TLS is called. The paths are of PEM files, read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EndpointTls {
    /// Whom to trust; `None`: whom the machine trusts.
    pub ca: Option<String>,
    /// Our certificate and its key, for a server that asks who calls.
    pub client: Option<(String, String)>,
    /// What its certificate is for, where that is not the host of its URL.
    pub server_name: Option<String>,
}

/// How an endpoint is told of after events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSettings {
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Requests at the same time.
    pub in_flight_max: usize,
    /// Requests a second; 0 is no limit.
    pub rate_max: u32,
    pub format: EventFormat,
    /// Events in one request, where the format has room for several.
    pub batch_events_max: usize,
    /// Bytes of the bodies in one request, unless one alone has more.
    pub batch_bytes_max: usize,
    /// How long after its acceptance an event may wait for others.
    pub batch_wait: Duration,
    /// Failing for so long pauses the endpoint.
    pub pause_after: Duration,
    /// How often a paused endpoint is tried, at the least.
    pub probe_every: Duration,
    /// An event that has waited for so long is discarded; zero is never.
    pub pending_age_max: Duration,
    /// A lane whose head was retried for so long goes on without it; zero is never.
    pub lane_block_max: Duration,
    /// The statuses that count as delivered; empty: those that the dialect's server counts.
    pub success: Vec<u16>,
}

/// What the body of a request to an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum EventFormat {
    /// As the IM server of the endpoint's dialect writes it.
    Dialect,
    /// A batch of CloudEvents 1.0 in JSON, each with the dialect's body as its data.
    CloudEvents,
}

/// How calls are signed, as Standard Webhooks say.
#[derive(Clone, Debug, PartialEq)]
pub struct SignSettings {
    pub secret: SecretSource,
    /// Calls of before hooks are signed as well.
    pub before: bool,
}

/// Where a secret comes from; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file, read again when it changes.
    File(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "secret_env {name}"),
            SecretSource::File(path) => write!(f, "secret_file {path}"),
        }
    }
}

/// What must not be seen in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "secret" })
    }
}

/// When to stop calling an endpoint that fails, and when to try it again.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The share of failed calls in `window` that opens it, above 0 and up to 1.
    pub failure_ratio: f64,
    /// Calls in `window` before the share counts.
    pub calls_min: u32,
    pub window: Duration,
    /// How long it stays open the first time.
    pub open: Duration,
    pub open_max: Duration,
    /// Calls at a time that try it, and successes that close it.
    pub probes: u32,
}
