//! Webhooks of unmodified IM servers: route prefix → dialect → event → the dialect's answer.
//!
//! A before call is always answered with status 200 and a canonical body, because IM servers do
//! not look at the status and read any other body as a failure or, worse, as an allow.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::warn;

use super::gate::Gate;
use crate::decision::{Decision, Failure, FailureClass};
use crate::dialect::{self, Call, Decoded, Dialect, Reply};
use crate::event::{DialectId, Event, Hook, Moment};
use crate::hook::{After, Before, Caller, CallerLimit, Settled};
use crate::telemetry::{Metrics, Seldom, Stage};

/// A body that takes longer than this to arrive is not waited for.
const BODY_WAIT_MAX: Duration = Duration::from_secs(4);
/// Bodies come with their heads; only one that has not is worth a look at its caller's limit.
const BODY_WAIT_USUAL: Duration = Duration::from_millis(50);

/// What the HTTP side needs to know.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub body_bytes_max: usize,
    pub in_flight_max: usize,
    /// Path prefix, such as `/openim`, and the dialect that is spoken below it.
    pub routes: Vec<(String, DialectId)>,
}

struct Webhooks {
    settings: HttpSettings,
    gate: Gate,
    before: Arc<Before>,
    after: Arc<After>,
    metrics: Arc<Metrics>,
    odd_logged: Seldom<&'static str>,
}

/// The routes of all configured prefixes.
pub fn router(
    mut settings: HttpSettings,
    before: Arc<Before>,
    after: Arc<After>,
    metrics: Arc<Metrics>,
) -> Router {
    // The longest prefix wins, whatever the order in the file.
    settings
        .routes
        .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    let webhooks = Arc::new(Webhooks {
        gate: Gate::new(settings.in_flight_max),
        settings,
        before,
        after,
        metrics,
        odd_logged: Seldom::default(),
    });
    Router::new().fallback(handle).with_state(webhooks)
}

async fn handle(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Infallible> {
    Ok(webhooks.handle(request).await)
}

impl Webhooks {
    async fn handle(&self, request: Request) -> Response {
        let received = Instant::now();
        let (parts, body) = request.into_parts();
        let path = collapse_slashes(parts.uri.path());
        let Some((rest, id)) = self.route(&path) else {
            return self.no_route(&path);
        };
        if parts.method != Method::POST {
            let help =
                "IM servers call this with POST; see the README, \"use it with your OpenIM\"\n";
            return plain(StatusCode::METHOD_NOT_ALLOWED, help);
        }
        let dialect = dialect::of(id);
        let seat = self.gate.enter();
        let mut call = Call {
            path: rest,
            query: parts.uri.query().unwrap_or(""),
            operation_id: parts
                .headers
                .get("operationid")
                .and_then(|value| value.to_str().ok()),
            body: Bytes::new(),
        };
        let body = self.read(body, dialect, &call, received).await;
        if let Ok(body) = &body {
            call.body = body.clone();
        }
        let decoded = dialect.decode(&call);
        self.metrics.spent(Stage::Decode, received.elapsed());
        match (decoded, body.err()) {
            (Ok(Decoded::Event(event)), None) => {
                self.answer(dialect, &event, received, seat.is_some()).await
            }
            (Ok(Decoded::UnknownCommand(command)), None) => {
                let what = format!("`{command}` is no command of {id}");
                self.note("unknown_command", &what);
                let allow = Decision::acknowledged();
                reply(dialect.reply_without_event(None, &call.body, &allow), None)
            }
            (Ok(_), Some(why)) => self.unreadable(dialect, None, &call.body, why),
            (Err(unreadable), why) => {
                let why = why.unwrap_or(unreadable.reason);
                self.unreadable(dialect, unreadable.hook, &call.body, why)
            }
        }
    }

    /// Reads a body, but no longer than its caller waits for our answer.
    async fn read(
        &self,
        body: Body,
        dialect: &dyn Dialect,
        head: &Call<'_>,
        received: Instant,
    ) -> Result<Bytes, String> {
        let mut reading = pin!(to_bytes(body, self.settings.body_bytes_max));
        let read = match timeout(BODY_WAIT_USUAL, &mut reading).await {
            Ok(read) => read,
            Err(_) => {
                let wait = self.body_wait(dialect, head);
                timeout_at(received + wait, reading)
                    .await
                    .map_err(|_| format!("the body did not arrive within {wait:?}"))?
            }
        };
        read.map_err(|error| format!("the body could not be read: {error}"))
    }

    /// The caller's limit, where the URL names the hook.
    fn body_wait(&self, dialect: &dyn Dialect, head: &Call<'_>) -> Duration {
        let hook = dialect.decode(head).err().and_then(|empty| empty.hook);
        hook.and_then(|hook| self.before.answer_within(hook))
            .map_or(BODY_WAIT_MAX, |limit| limit.min(BODY_WAIT_MAX))
    }

    async fn answer(
        &self,
        dialect: &dyn Dialect,
        event: &Event,
        received: Instant,
        seated: bool,
    ) -> Response {
        match event.hook.moment {
            Moment::Before => {
                let settled = if seated {
                    let limit = CallerLimit::Configured;
                    self.before.decide(event, Caller { received, limit }).await
                } else {
                    self.before
                        .fail(Some(event.hook), &shed(self.settings.in_flight_max))
                };
                reply(dialect.reply(event, &settled.decision), Some(&settled))
            }
            Moment::After => {
                if !seated {
                    self.metrics.accepted(event.hook, "refused");
                    return reply(dialect.not_stored(event), None);
                }
                match self.after.accept(std::slice::from_ref(event), &[]).await {
                    Ok(_) => reply(dialect.reply(event, &Decision::acknowledged()), None),
                    Err(_) => reply(dialect.not_stored(event), None),
                }
            }
        }
    }

    /// Trusts nothing of a call that cannot be read: a before call gets the failure policy's
    /// answer, an after call the canonical one, with status 503 if a policy wanted the event.
    fn unreadable(
        &self,
        dialect: &dyn Dialect,
        hook: Option<Hook>,
        body: &[u8],
        why: String,
    ) -> Response {
        self.note("unreadable_call", &why);
        if let Some(after) = hook.filter(|hook| hook.moment == Moment::After) {
            let mut canonical = dialect.reply_without_event(hook, body, &Decision::acknowledged());
            if self.after.wants(after) {
                self.metrics.accepted(after, "refused");
                canonical.status = 503;
            }
            return reply(canonical, None);
        }
        let failure = Failure::new(FailureClass::UnreadableCall, why);
        let settled = self.before.fail(hook, &failure);
        reply(
            dialect.reply_without_event(hook, body, &settled.decision),
            Some(&settled),
        )
    }

    fn route<'a>(&self, path: &'a str) -> Option<(&'a str, DialectId)> {
        self.settings.routes.iter().find_map(|(prefix, dialect)| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some((rest, *dialect))
        })
    }

    fn no_route(&self, path: &str) -> Response {
        let prefixes: Vec<_> = self
            .settings
            .routes
            .iter()
            .map(|(prefix, dialect)| format!("{prefix} ({dialect})"))
            .collect();
        let help = format!(
            "no IM server is expected at this path; the routes are {}\n",
            prefixes.join(", ")
        );
        self.note("no_route", &format!("nothing is served at `{path}`"));
        plain(StatusCode::NOT_FOUND, help)
    }

    fn note(&self, reason: &'static str, what: &str) {
        self.metrics.odd_call(reason);
        if let Some(held_back) = self.odd_logged.pass(reason) {
            warn!(reason, held_back, "{what}");
        }
    }
}

fn shed(in_flight_max: usize) -> Failure {
    Failure::new(
        FailureClass::Overloaded,
        format!("{in_flight_max} calls are in flight already"),
    )
}

/// `//a///b` is `/a/b`: an OpenIM `url` with a slash at its end gives two.
fn collapse_slashes(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    collapsed
}

/// Over HTTP the body must stay canonical, so what a gRPC caller reads from the answer is in
/// headers here.
fn reply(reply: Reply, settled: Option<&Settled>) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(reply.content_type),
    );
    if let Some(settled) = settled {
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-callgate-version", &settled.version.to_string());
        set(
            "x-callgate-reviewed",
            if settled.decision.reviewed {
                "true"
            } else {
                "false"
            },
        );
        if let Some(class) = settled.decision.failure {
            set("x-callgate-failure", class.name());
        }
    }
    response
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_collapse() {
        assert_eq!(collapse_slashes("//openim///x/"), "/openim/x/");
        assert_eq!(collapse_slashes("/a"), "/a");
        assert_eq!(collapse_slashes(""), "");
    }
}
