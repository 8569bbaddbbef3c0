//! The server itself: reads a call, plays a step, says what it did.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::super::output;
use super::super::signals::Stops;
use super::cloudevents::{self, CloudEvent};
use super::script::Script;
use super::told::Told;
use crate::callback::{Signed, Verifier};
use crate::decision::{Decision, FailureClass};
use crate::dialect::{self, Call, Decoded, Head, Headers, Reply};
use crate::event::{DialectId, Event, Hook};
use crate::policy::{Does, Play, ShortAnswer};

/// A longer body is nothing that callgate sends.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Past every `answer_bytes_max` that is of any use.
const TOO_LARGE_BYTES: usize = 65 * 1024 * 1024;

pub(super) struct Mock {
    pub dialect: DialectId,
    pub script: Script,
    pub verifier: Option<Verifier>,
    pub texts: bool,
    pub json: bool,
    pub calls_max: Option<usize>,
}

/// How many calls came, and that there are enough.
#[derive(Default)]
struct Count {
    calls: AtomicUsize,
    enough: Notify,
}

/// What was read of a call.
struct ReadCall {
    hook: Option<Hook>,
    /// The events, as far as they can be read.
    events: Vec<Event>,
    /// Where they came as CloudEvents.
    cloud_events: Vec<CloudEvent>,
    fault: Option<String>,
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed, as the script has it")]
struct Closed;

impl Mock {
    pub(super) async fn serve(self: Arc<Self>, address: SocketAddr) -> anyhow::Result<ExitCode> {
        let mut stops = Stops::listen();
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be listened at"))?;
        let count = Arc::new(Count::default());
        output::complain(&format!(
            "callgate: a mock of a business server ({}) at http://{}; Ctrl-C ends it",
            self.dialect,
            listener.local_addr()?
        ));
        loop {
            tokio::select! {
                () = stops.next() => return Ok(ExitCode::SUCCESS),
                () = count.enough.notified() => return Ok(ExitCode::SUCCESS),
                accepted = listener.accept() => {
                    // One that went away at once is no call.
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(Arc::clone(&self).connection(stream, Arc::clone(&count)));
                    }
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, count: Arc<Count>) {
        let service = service_fn(|request| {
            let (mock, count) = (Arc::clone(&self), Arc::clone(&count));
            async move { mock.call(request, &count).await }
        });
        // How it ended is in what was printed.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Some(most) = self.calls_max
            && count.calls.load(Ordering::Relaxed) >= most
        {
            count.enough.notify_one();
        }
    }

    async fn call(
        &self,
        request: Request<Incoming>,
        count: &Count,
    ) -> Result<Response<Full<Bytes>>, Closed> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Err(Closed),
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let read = self.read(path, &head.headers, &body);
        let (play, case) = self.script.next(read.events.first());
        let mut told = Told {
            number: count.calls.fetch_add(1, Ordering::Relaxed) + 1,
            path: path.to_owned(),
            hook: read.hook.map(|hook| hook.name),
            sender: String::new(),
            target: String::new(),
            events: 0,
            bytes: body.len(),
            signature: self
                .verifier
                .as_ref()
                .map(|keys| verdict(keys, &head.headers, &body)),
            fault: read.fault.clone(),
            case: case.map(str::to_owned),
            does: in_words(&play),
            cloud_events: read.cloud_events.clone(),
            texts: Vec::new(),
        };
        read.events
            .iter()
            .for_each(|event| told.of_event(event, self.texts));
        let printed = match self.json {
            true => serde_json::to_string(&told)
                .map_err(anyhow::Error::from)
                .and_then(|line| output::line(&line)),
            false => output::page(&told.text()),
        };
        // Nobody reads what it prints: that is how a mock ends too.
        let last = self.calls_max.is_some_and(|most| told.number >= most);
        if printed.is_err() {
            count.enough.notify_one();
        }
        tokio::time::sleep(play.delay).await;
        let mut answer = self.answer(&play, &read, &body).await?;
        if last {
            let close = http::HeaderValue::from_static("close");
            answer.headers_mut().insert(http::header::CONNECTION, close);
        }
        Ok(answer)
    }

    fn read(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> ReadCall {
        let kind = headers.get(http::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if let Some(batch) = cloudevents::read(kind, body) {
            return ReadCall {
                hook: batch.events.first().map(|event| event.hook),
                events: batch.events,
                cloud_events: batch.told,
                fault: batch.fault,
            };
        }
        let dialect = dialect::of(self.dialect);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        let mut fault = None;
        // Below which path a business server serves is its own affair.
        for path in [last, path, ""] {
            let head = Head {
                path,
                query,
                headers: Headers::of(headers),
            };
            let call = Call {
                head,
                body: body.clone(),
            };
            match dialect.decode(&call) {
                Ok(Decoded::Event(event)) => {
                    return ReadCall {
                        hook: Some(event.hook),
                        events: vec![*event],
                        cloud_events: Vec::new(),
                        fault: None,
                    };
                }
                Ok(Decoded::Batch { hook, items, .. }) => {
                    let events = items.into_iter();
                    let events = events.filter_map(|item| dialect.decode_one(hook, "", item).ok());
                    return ReadCall {
                        hook: Some(hook),
                        events: events.collect(),
                        cloud_events: Vec::new(),
                        fault: None,
                    };
                }
                Ok(Decoded::UnknownCommand { command, .. }) => {
                    fault.get_or_insert(format!("`{command}` is no command of {}", self.dialect));
                }
                Err(unreadable) => {
                    fault.get_or_insert(unreadable.reason);
                }
            }
        }
        ReadCall {
            hook: None,
            events: Vec::new(),
            cloud_events: Vec::new(),
            fault,
        }
    }

    async fn answer(
        &self,
        play: &Play,
        read: &ReadCall,
        body: &Bytes,
    ) -> Result<Response<Full<Bytes>>, Closed> {
        Ok(match &play.does {
            Does::Answer(answer) => match read.events.first() {
                Some(event) => response(answer.reply(self.dialect, event)),
                None => {
                    let dialect = dialect::of(self.dialect);
                    let allow = Decision::acknowledged();
                    response(dialect.reply_without_event(read.hook, body, &allow))
                }
            },
            Does::Raw {
                status,
                content_type,
                body,
            } => plain_response(*status, content_type, body.clone()),
            Does::Failure(class) => match class {
                FailureClass::Timeout => match std::future::pending::<Infallible>().await {},
                FailureClass::HttpStatus => plain_response(500, "text/plain", "out of order\n"),
                FailureClass::InvalidAnswer => {
                    plain_response(200, "text/html", "<html><body>Welcome</body></html>\n")
                }
                FailureClass::TooLarge => {
                    plain_response(200, "application/json", vec![b' '; TOO_LARGE_BYTES])
                }
                FailureClass::Loop => {
                    let mut looped = plain_response(508, "text/plain", "");
                    let class = http::HeaderValue::from_static("loop");
                    looped.headers_mut().insert("x-callgate-failure", class);
                    looped
                }
                // Others were refused when the script was read.
                _ => return Err(Closed),
            },
        })
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    plain_response(reply.status, reply.content_type, reply.body)
}

fn plain_response(
    status: u16,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    if let Ok(value) = http::HeaderValue::from_str(content_type)
        && !content_type.is_empty()
    {
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, value);
    }
    response
}

fn verdict(keys: &Verifier, headers: &HeaderMap, body: &[u8]) -> String {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let signed = Signed {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_s = now.map_or(0, |since| since.as_secs());
    match keys.verify(signed, body, now_s) {
        Ok(()) => "good".to_owned(),
        Err(why) => format!("BAD: {why}"),
    }
}

fn in_words(play: &Play) -> String {
    let does = match &play.does {
        Does::Answer(ShortAnswer::Allow) => "allow".to_owned(),
        Does::Answer(ShortAnswer::Block(refusal)) => format!("block {}", refusal.code),
        Does::Answer(ShortAnswer::Replace(_)) => "replace".to_owned(),
        Does::Raw { status, body, .. } => format!("status {status} with {} bytes", body.len()),
        Does::Failure(class) => class.name().to_owned(),
    };
    match play.delay.is_zero() {
        true => does,
        false => format!("{does} after {:?}", play.delay),
    }
}
