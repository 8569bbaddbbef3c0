//! One call to an endpoint, with everything that came back: for the one who wants to know how it
//! answers, and not only what.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Version};
use tokio::time::Instant;
use uuid::Uuid;

use super::ask::write_question;
use super::connection::{ConnectError, Connector};
use super::endpoint_client::failure_of;
use super::registry::Callbacks;
use crate::decision::{Failure, FailureClass, Outcome};
use crate::dialect::{self, AnswerWarning};
use crate::event::Event;
use crate::policy::{Endpoint, UrlAddress};

/// What callgate names in its own answers: the version of the policy that decided.
const CALLGATE: HeaderName = HeaderName::from_static("x-callgate-version");

const CALLGATE_FAILURE: HeaderName = HeaderName::from_static("x-callgate-failure");

/// What came of one call.
#[derive(Debug)]
pub struct Probed {
    pub outcome: Outcome,
    pub warning: Option<AnswerWarning>,
    pub elapsed: Duration,
    /// `None` where no head of an answer came.
    pub heard: Option<Heard>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    /// Empty where there is none.
    pub content_type: String,
    /// It redirects, or its body is compressed.
    pub remark: Option<String>,
    /// As the body is said to be compressed; empty where it is not.
    pub encoding: String,
    /// HTTP/1.0, which knows neither kept connections nor bodies without a length.
    pub is_http_1_0: bool,
    /// The server says that it keeps the connection for another call.
    pub keeps_connection: bool,
    /// It came over a connection that had carried a call before.
    pub was_kept: bool,
    /// The version of the policy that another callgate, or this one, answered by.
    pub callgate: Option<String>,
    /// The class of failure that a callgate answered with; empty where none did.
    pub callgate_failure: String,
    /// The whole body came.
    pub is_whole: bool,
    /// As far as it came.
    pub body: Bytes,
}

/// The way to an endpoint.
#[derive(Debug, Default)]
pub struct Reached {
    pub addresses: Vec<IpAddr>,
    pub resolve: Duration,
    /// `None`: no connection was made.
    pub connect: Option<Duration>,
    /// `None` also where no call is made at all, which calls say.
    pub fault: Option<Unreached>,
}

/// Why there is no way to it, in words.
#[derive(Debug)]
pub enum Unreached {
    Unresolved(String),
    Unconnected(String),
}

impl Callbacks {
    /// Resolves the name of an endpoint and connects to it, each within `limit`. Where a call would
    /// not be made for its address, no connection is either.
    pub async fn reach(&self, endpoint: &Endpoint, limit: Duration) -> Reached {
        let mut reached = Reached::default();
        let Some(UrlAddress { host, port }) = UrlAddress::parse(&endpoint.url) else {
            return reached;
        };
        let connector = Connector {
            tls: None,
            server_name: None,
            host: &host,
            port,
            timeout: limit,
            allowed: &endpoint.allow_addresses,
            own: self.shared().own(),
        };
        let started = Instant::now();
        let resolved = tokio::time::timeout(limit, connector.resolve()).await;
        reached.resolve = started.elapsed();
        let addresses = match resolved {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(ConnectError::Blocked(blocked))) => {
                reached.addresses = vec![blocked.address];
                return reached;
            }
            Ok(Err(error)) => {
                reached.fault = Some(Unreached::Unresolved(error.to_string()));
                return reached;
            }
            Err(_) => {
                let why = format!("`{host}` cannot be resolved within {limit:?}");
                reached.fault = Some(Unreached::Unresolved(why));
                return reached;
            }
        };
        reached.addresses = addresses.iter().map(|address| address.ip()).collect();
        let started = Instant::now();
        let connecting = tokio::time::timeout(limit, connector.reach(&addresses)).await;
        let why = match connecting {
            Ok(Ok(_) | Err(ConnectError::Own(_))) => {
                reached.connect = Some(started.elapsed());
                return reached;
            }
            Ok(Err(ConnectError::Connect { why, .. })) => {
                format!("`{host}` cannot be connected to at port {port}: {why}")
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("`{host}` takes no connection within {limit:?}"),
        };
        reached.fault = Some(Unreached::Unconnected(why));
        reached
    }

    /// Asks an endpoint as [`Callbacks::ask`] does, whatever its breaker says, and counts nothing.
    pub async fn probe(&self, endpoint: &Endpoint, event: &Event, limit: Duration) -> Probed {
        let started = Instant::now();
        let mut heard = None;
        let probing = self.exchange(endpoint, event, limit, &mut heard);
        let read = tokio::time::timeout(limit, probing).await;
        let elapsed = started.elapsed();
        let failed = |failure| (Outcome::Failure(failure), None);
        let (outcome, warning) = match read {
            Ok(Ok((outcome, warning))) => (outcome, warning),
            Ok(Err(failure)) => failed(failure),
            Err(_) => {
                let detail = format!("`{}` did not answer within {limit:?}", endpoint.name);
                failed(Failure::new(FailureClass::Timeout, detail))
            }
        };
        Probed {
            outcome,
            warning,
            elapsed,
            heard,
        }
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        limit: Duration,
        heard: &mut Option<Heard>,
    ) -> Result<(Outcome, Option<AnswerWarning>), Failure> {
        let client = self.client(endpoint);
        let mut outgoing = write_question(endpoint, event, None, limit)?;
        if endpoint.sign.as_ref().is_some_and(|sign| sign.before) {
            client.sign(endpoint, &Uuid::now_v7().to_string(), &mut outgoing)?;
        }
        let answer = client.post(endpoint, outgoing).await;
        let mut answer = answer.map_err(|error| failure_of(endpoint, error))?;
        let heard = heard.insert(Heard {
            status: answer.status,
            content_type: text(&answer.headers, &CONTENT_TYPE),
            remark: answer.remark.take(),
            encoding: text(&answer.headers, &CONTENT_ENCODING),
            is_http_1_0: answer.version < Version::HTTP_11,
            keeps_connection: keeps_connection(answer.version, &answer.headers),
            was_kept: answer.was_kept,
            callgate: answer
                .headers
                .contains_key(&CALLGATE)
                .then(|| text(&answer.headers, &CALLGATE)),
            callgate_failure: text(&answer.headers, &CALLGATE_FAILURE),
            is_whole: false,
            body: Bytes::new(),
        });
        let body = answer.body(endpoint.answer_bytes_max).await;
        heard.body = body.map_err(|error| failure_of(endpoint, error))?;
        heard.is_whole = true;
        let dialect = dialect::of(endpoint.dialect);
        let reading = dialect.read_answer(event, heard.status, &heard.body, endpoint.answers);
        Ok((reading.outcome, reading.warning))
    }
}

/// Empty where there is none.
fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name);
    value.map_or(String::new(), |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}

fn keeps_connection(version: Version, headers: &HeaderMap) -> bool {
    let said = headers.get(CONNECTION).map(|value| value.as_bytes());
    let says = |word: &str| said.is_some_and(|said| said.eq_ignore_ascii_case(word.as_bytes()));
    match version < Version::HTTP_11 {
        true => says("keep-alive"),
        false => !says("close"),
    }
}
