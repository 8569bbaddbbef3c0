//! One POST: the call on a connection, the limits on its answer, and how errors are told apart.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::clients::Clients;
use super::connection::{ConnectError, Connection, Connector};
use super::destination::{BadUrl, Destination};
use super::health::{Ending, ending_of};
use super::pool::Pool;
use crate::decision::FailureClass;
use crate::dialect::Outgoing;
use crate::policy::Endpoint;

/// Longest `Retry-After` that is believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Says which installation of callgate a call comes from, so that it knows its own.
pub const HOP_HEADER: &str = "x-callgate-hop";
/// The class of a failure that callgate answers with.
const FAILURE_HEADER: &str = "x-callgate-failure";
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const HOP: HeaderName = HeaderName::from_static(HOP_HEADER);
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
/// So many headers have room from the beginning.
const HEADERS: usize = 12;
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("callgate/", env!("CARGO_PKG_VERSION")));

/// An answer whose head is complete.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// How long the endpoint asks not to be called, counted from `now`.
    pub retry_after: Option<Duration>,
    /// What its author may not know: a redirect, a compressed body.
    pub remark: Option<String>,
    pub version: Version,
    /// It came over a connection that had carried a call before.
    pub was_kept: bool,
    pub headers: HeaderMap,
    length: Option<u64>,
    rest: Incoming,
    way_back: WayBack,
}

/// Where the connection goes when the body has ended.
#[derive(Debug)]
struct WayBack {
    pool: Arc<Pool>,
    destination: Arc<Destination>,
    connection: Connection,
    idle_max: Option<Duration>,
}

impl WayBack {
    fn go(self) {
        let now = Instant::now();
        let target = &self.destination.target;
        self.pool.put(target, self.connection, self.idle_max, now);
    }
}

impl Answer {
    /// The whole body. Errors: it is longer than the limit, or breaks off.
    pub(super) async fn body(mut self, bytes_max: usize) -> Result<Bytes, WireError> {
        let too_large = || {
            let detail = format!("its answer is larger than {bytes_max} bytes");
            WireError::new(FailureClass::TooLarge, detail)
        };
        // Stops at the limit, whatever `Content-Length` says.
        if self.length.is_some_and(|length| length > bytes_max as u64) {
            return Err(too_large());
        }
        let mut body = Bytes::new();
        while let Some(chunk) = chunk(&mut self.rest).await? {
            if body.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            body = match body.is_empty() {
                true => chunk,
                false => {
                    let mut longer = BytesMut::from(body);
                    longer.extend_from_slice(&chunk);
                    longer.freeze()
                }
            };
        }
        self.way_back.go();
        Ok(body)
    }

    /// The beginning of the body, as far as it comes until then; a body that ends below the limit
    /// leaves the connection ready for another call.
    pub(super) async fn beginning(mut self, bytes_max: usize, until: Instant) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < bytes_max {
            match timeout_at(until, chunk(&mut self.rest)).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => {
                    self.way_back.go();
                    break;
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
        body.truncate(bytes_max);
        body.freeze()
    }
}

/// The next part of a body; `None` at its end.
async fn chunk(rest: &mut Incoming) -> Result<Option<Bytes>, WireError> {
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("its answer is cut off: {}", chain(&error));
            WireError::new(FailureClass::InvalidAnswer, detail)
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Why there is no complete answer.
#[derive(Debug)]
pub(super) struct WireError {
    pub class: FailureClass,
    pub detail: String,
    /// No connection was made.
    unreachable: bool,
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

/// Posts and waits for the head of the answer.
///
/// A connection that was used before may be one that the other side is just closing: a call that
/// dies on it before any byte of an answer is sent once more, on a fresh one.
pub(super) async fn post(
    clients: &Clients,
    pool: Arc<Pool>,
    destination: Arc<Destination>,
    endpoint: &Endpoint,
    outgoing: Outgoing,
) -> Result<Answer, WireError> {
    let target = &destination.target;
    let request = || request(&destination, &outgoing, clients.hop());
    let connector = |tls| Connector {
        tls,
        server_name: endpoint.tls.server_name.as_deref(),
        host: &target.host,
        port: target.port,
        timeout: endpoint.connect_timeout,
        allowed: &endpoint.allow_addresses,
        own: clients.own(),
    };
    if let Some(mut reused) = pool.take(target, Instant::now()) {
        match reused.send(request()).await {
            Ok(answer) => {
                let mut answer = came(answer, pool, destination, reused)?;
                answer.was_kept = true;
                return Ok(answer);
            }
            Err(error) if reused.was_heard() => return Err(broken(&error)),
            Err(_) => {}
        }
    }
    let tls = target.https.then(|| clients.tls(endpoint)).transpose();
    let tls = tls.map_err(|why| unconnected(ConnectError::Trust(why)))?;
    let mut fresh = connector(tls).connect().await.map_err(unconnected)?;
    match fresh.send(request()).await {
        Ok(answer) => came(answer, pool, destination, fresh),
        Err(error) => Err(refused(broken(&error))),
    }
}

/// An answer, unless it is our own word that the call came back to us.
fn came(
    answer: Response<Incoming>,
    pool: Arc<Pool>,
    destination: Arc<Destination>,
    connection: Connection,
) -> Result<Answer, WireError> {
    let said = answer.headers().get(FAILURE_HEADER);
    let is_loop = said.is_some_and(|class| class == FailureClass::Loop.name());
    if is_loop && answer.status() == StatusCode::LOOP_DETECTED {
        let detail = "the call came back to callgate: its URL leads here by another name";
        return Err(WireError::new(FailureClass::Loop, detail));
    }
    Ok(Answer::of(answer, pool, destination, connection))
}

impl Answer {
    fn of(
        answer: Response<Incoming>,
        pool: Arc<Pool>,
        destination: Arc<Destination>,
        connection: Connection,
    ) -> Answer {
        let (head, rest) = answer.into_parts();
        let is_redirect = head.status.is_redirection();
        Answer {
            status: head.status.as_u16(),
            version: head.version,
            was_kept: false,
            retry_after: retry_after(&head.headers, SystemTime::now()),
            remark: remark(is_redirect, &head.headers),
            length: rest.size_hint().exact(),
            rest,
            way_back: WayBack {
                pool,
                destination,
                connection,
                idle_max: keep_alive(&head.headers),
            },
            headers: head.headers,
        }
    }
}

impl From<BadUrl> for WireError {
    fn from(error: BadUrl) -> WireError {
        let class = match error {
            BadUrl::Blocked { .. } => FailureClass::BlockedAddress,
            BadUrl::Unreadable(_) | BadUrl::Scheme(_) | BadUrl::NoHost => FailureClass::Connect,
        };
        WireError::new(class, error.to_string())
    }
}

fn request(
    destination: &Destination,
    outgoing: &Outgoing,
    hop: &HeaderValue,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = destination.path.clone();
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(HOST, destination.host.clone());
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, ANYTHING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(outgoing.body.len()));
    for (name, value) in &outgoing.headers {
        // A value that is no header value (a trace id with a line break) is left out: it must not
        // be able to add headers of its own.
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Some(name), Ok(value)) = (header_name(name), value) {
            headers.append(name, value);
        }
    }
    headers.insert(HOP, hop.clone());
    *request.headers_mut() = headers;
    request
}

/// The names that most calls have are known without being read.
fn header_name(name: &str) -> Option<HeaderName> {
    match name {
        "Content-Type" => Some(CONTENT_TYPE),
        "operationID" => Some(HeaderName::from_static("operationid")),
        "x-callback-timeout-ms" => Some(HeaderName::from_static("x-callback-timeout-ms")),
        other => other.parse().ok(),
    }
}

/// How long the server says that it keeps the connection: `Keep-Alive: timeout=5, max=100`.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let parts = headers.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let mut timeouts = parts.filter_map(|part| part.trim().strip_prefix("timeout="));
    Some(Duration::from_secs(timeouts.next()?.trim().parse().ok()?))
}

fn remark(is_redirect: bool, headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if is_redirect {
        let to = text(LOCATION).map_or(String::new(), |to| format!(" to `{}`", shown(to)));
        return Some(format!(
            "it redirects{to}, which is not followed: write the new address into `url`"
        ));
    }
    let encoding = text(CONTENT_ENCODING).filter(|encoding| *encoding != "identity")?;
    Some(format!(
        "its body is compressed (`{}`), which nobody asked for",
        shown(encoding)
    ))
}

/// Of what an endpoint says about itself, as much as anybody wants to read.
fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

fn unconnected(error: ConnectError) -> WireError {
    let class = match &error {
        ConnectError::Blocked(_) => FailureClass::BlockedAddress,
        ConnectError::Own(_) => FailureClass::Loop,
        ConnectError::Trust(_) => FailureClass::Internal,
        ConnectError::Resolve { .. }
        | ConnectError::Connect { .. }
        | ConnectError::Tls { .. }
        | ConnectError::Timeout { .. }
        | ConnectError::Http(_) => FailureClass::Connect,
    };
    WireError {
        class,
        detail: chain(&error),
        unreachable: class == FailureClass::Connect,
    }
}

/// In TLS 1.3 a server refuses its caller after the caller has begun.
fn refused(mut error: WireError) -> WireError {
    if error.detail.contains("received fatal alert") {
        error.detail.push_str(
            "; it refuses our certificate, or wants one: see `tls.client_cert` of the endpoint",
        );
    }
    error
}

/// Tells an answer that is no HTTP from a broken connection.
fn broken(error: &hyper::Error) -> WireError {
    let class = match error.is_parse() {
        true => FailureClass::InvalidAnswer,
        false => FailureClass::Connect,
    };
    WireError::new(class, chain(error))
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
