//! Webhooks of unmodified IM servers over HTTP: route prefix → dialect → [`Webhooks`].

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::{Instant, timeout, timeout_at};

use super::bodies::{LimitedBody, whole};
use super::caller::{evidence, wants};
use super::connection::Peer;
use super::guard::refuse_browsers;
use super::own_calls::OwnCalls;
use super::webhook::{Answered, Broken, Origin, Webhooks, told};
use crate::callers::{Known, Refused};
use crate::dialect::{self, Call, Dialect, Head, Headers};
use crate::event::{DialectId, Hook, traceparent};
use crate::hook::Settled;
use crate::in_flight::InFlightLimit;
use crate::policy::Version;

/// A body that takes longer than this to arrive is not waited for.
const BODY_WAIT_MAX: Duration = Duration::from_secs(4);
/// Bodies come with their heads; only one that has not is worth a look at its caller's limit.
const BODY_WAIT_USUAL: Duration = Duration::from_millis(50);

/// What our answer says beside its body.
const VERSION: HeaderName = HeaderName::from_static("x-callgate-version");
const REVIEWED: HeaderName = HeaderName::from_static("x-callgate-reviewed");
const FAILURE: HeaderName = HeaderName::from_static("x-callgate-failure");
/// So many headers have room from the beginning.
const HEADERS: usize = 6;

/// What the HTTP side needs to know.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub body_bytes_max: usize,
    /// The longest body of calls that carry many events.
    pub large_body_bytes_max: usize,
    /// Bodies longer than `body_bytes_max` that are in memory at the same time.
    pub large_bodies_max: usize,
    /// Path prefix, such as `/openim`, and the dialect that is spoken below it.
    pub routes: Vec<(String, DialectId)>,
    /// The same for people, without what is secret of a path.
    pub shown_routes: String,
}

/// Answers the calls of IM servers over HTTP.
pub struct Listener {
    large: InFlightLimit,
    settings: HttpSettings,
    webhooks: Arc<Webhooks>,
    own: OwnCalls,
    /// The version of the policy that decided last, as a header has it.
    version: ArcSwapOption<(Version, HeaderValue)>,
}

impl Listener {
    /// Serves the routes of all configured prefixes, and refuses `own` calls.
    pub fn new(
        mut settings: HttpSettings,
        webhooks: Arc<Webhooks>,
        own: OwnCalls,
    ) -> Arc<Listener> {
        // The longest prefix wins, whatever the order in the file.
        settings
            .routes
            .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Arc::new(Listener {
            large: InFlightLimit::default(),
            settings,
            webhooks,
            own,
            version: ArcSwapOption::empty(),
        })
    }

    pub(super) async fn handle(
        &self,
        request: Request<LimitedBody>,
        peer: Peer,
    ) -> Response<Bytes> {
        let received = Instant::now();
        let (parts, body) = request.into_parts();
        if let Some(refusal) = self.own.refuse(&parts) {
            return refusal;
        }
        let path = collapse_slashes(parts.uri.path());
        let Some((rest, id)) = self.route(&path) else {
            return self.no_route();
        };
        let dialect = self.webhooks.dialect(id);
        let (rest, caller) = match self.admit(&parts, rest, peer) {
            Ok(admitted) => admitted,
            Err(_) => {
                let reply = dialect::refused(dialect, &head_of(&parts, rest), None, 401);
                return self.response(told(reply));
            }
        };
        if parts.method != Method::POST {
            let help = "IM servers call this with POST; see the README, \"use it with your \
                        OpenIM\"\n";
            return plain(StatusCode::METHOD_NOT_ALLOWED, help);
        }
        if refuse_browsers(&parts.headers) {
            self.webhooks
                .note("browser", "a page in a browser sent a webhook");
            let help = "webhooks are sent by IM servers, not by pages in browsers\n";
            return plain(StatusCode::FORBIDDEN, help);
        }
        let head = head_of(&parts, rest);
        let hook = dialect.hook_of(&head);
        let bytes_max = self.bytes_max(dialect, hook);
        let large = self
            .is_large(&parts.headers, bytes_max)
            .then(|| self.large.acquire(self.settings.large_bodies_max));
        if let Some(None) = large {
            self.webhooks
                .note("large_body", "too many long bodies at a time");
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many long bodies at a time, send it again\n",
            );
        }
        let body = self.read(body, bytes_max, hook, received).await;
        let call = Call {
            head,
            body: body.as_ref().map(Bytes::clone).unwrap_or_default(),
        };
        let trace = parts.headers.get("traceparent");
        let trace = trace.and_then(|trace| traceparent(trace.to_str().ok()?));
        let origin = Origin {
            received,
            address: Some(peer.address()),
            waits: None,
            traceparent: trace,
            wants: wants(&parts.headers),
            caller,
        };
        let answered = self.webhooks.take(dialect, &call, body.err(), origin);
        self.response(answered.await)
    }

    /// Who calls, and the path below the route without what is a secret of it.
    fn admit<'a>(
        &self,
        parts: &Parts,
        rest: &'a str,
        peer: Peer,
    ) -> Result<(&'a str, Option<Known>), Refused> {
        let below = rest.trim_start_matches('/');
        let (first, behind) = match below.find('/') {
            Some(end) => below.split_at(end),
            None => (below, ""),
        };
        let address = Some(peer.address());
        let mut brought = evidence(&parts.headers, &parts.extensions, address);
        brought.path = (!first.is_empty()).then_some(first);
        let admitted = self.webhooks.callers().admit(&brought)?;
        let rest = match admitted.path_is_secret {
            true => behind,
            false => rest,
        };
        Ok((rest, admitted.caller))
    }

    /// The dialect says which calls carry many events.
    fn bytes_max(&self, dialect: &dyn Dialect, hook: Option<Hook>) -> usize {
        match hook.is_some_and(|hook| dialect.takes_long_bodies(hook)) {
            true => self.settings.large_body_bytes_max,
            false => self.settings.body_bytes_max,
        }
    }

    /// The body may be longer than most, and says so or does not say how long it is.
    fn is_large(&self, headers: &HeaderMap, bytes_max: usize) -> bool {
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let usual = self.settings.body_bytes_max;
        bytes_max > usual && length.is_none_or(|length| length > usual)
    }

    /// Reads a body, but no longer than its caller waits for our answer.
    async fn read(
        &self,
        body: LimitedBody,
        bytes_max: usize,
        hook: Option<Hook>,
        received: Instant,
    ) -> Result<Bytes, Broken> {
        let mut reading = pin!(whole(body, bytes_max));
        // Most bodies come with their heads, and need no timer.
        let read = match futures_util::poll!(&mut reading) {
            Poll::Ready(read) => Ok(read),
            Poll::Pending => timeout(BODY_WAIT_USUAL, &mut reading).await,
        };
        let read = match read {
            Ok(read) => read,
            Err(_) => {
                let wait = self.body_wait(hook);
                timeout_at(received + wait, reading)
                    .await
                    .map_err(|_| Broken {
                        why: format!("the body did not arrive within {wait:?}"),
                        for_want_of_room: false,
                    })?
            }
        };
        read.map_err(|error| Broken {
            why: format!("the body could not be read: {error}"),
            for_want_of_room: error.is_for_want_of_room(),
        })
    }

    /// The caller's limit, where the call's head names the hook.
    fn body_wait(&self, hook: Option<Hook>) -> Duration {
        hook.and_then(|hook| self.webhooks.before().answer_within(hook))
            .map_or(BODY_WAIT_MAX, |limit| limit.min(BODY_WAIT_MAX))
    }

    fn route<'a>(&self, path: &'a str) -> Option<(&'a str, DialectId)> {
        self.settings.routes.iter().find_map(|(prefix, dialect)| {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then_some((rest, *dialect))
        })
    }

    /// A stranger is told nothing. The path is in no log: mistyped, it may hold most of a secret.
    fn no_route(&self) -> Response<Bytes> {
        let routes = &self.settings.shown_routes;
        let what = format!("a path was called that is no route; the routes are {routes}");
        self.webhooks.note("no_route", &what);
        plain(StatusCode::NOT_FOUND, "")
    }

    /// Over HTTP the body must stay canonical, so what a gRPC caller reads from the answer is in
    /// headers here.
    fn response(&self, answered: Answered) -> Response<Bytes> {
        let Answered { reply, settled } = answered;
        let mut response = Response::new(reply.body);
        *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
        let mut headers = HeaderMap::with_capacity(HEADERS);
        if !reply.content_type.is_empty() {
            let content_type = HeaderValue::from_static(reply.content_type);
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(settled) = settled {
            self.add_decision(&mut headers, &settled);
        }
        *response.headers_mut() = headers;
        response
    }

    fn add_decision(&self, headers: &mut HeaderMap, settled: &Settled) {
        if let Some(version) = self.version_header(&settled.version) {
            headers.insert(VERSION, version);
        }
        let reviewed = match settled.decision.reviewed {
            true => "true",
            false => "false",
        };
        headers.insert(REVIEWED, HeaderValue::from_static(reviewed));
        if let Some(class) = settled.decision.failure {
            headers.insert(FAILURE, HeaderValue::from_static(class.name()));
        }
    }

    fn version_header(&self, version: &Version) -> Option<HeaderValue> {
        if let Some(last) = &*self.version.load()
            && last.0 == *version
        {
            return Some(last.1.clone());
        }
        let value = HeaderValue::from_maybe_shared(Bytes::from(version.to_string())).ok()?;
        self.version
            .store(Some(Arc::new((version.clone(), value.clone()))));
        Some(value)
    }
}

fn head_of<'a>(parts: &'a Parts, rest: &'a str) -> Head<'a> {
    Head {
        path: rest,
        query: parts.uri.query().unwrap_or(""),
        headers: Headers::of(&parts.headers),
    }
}

/// `//a///b` is `/a/b`: an OpenIM `url` with a slash at its end gives two.
fn collapse_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut collapsed = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !collapsed.ends_with('/') {
            collapsed.push(character);
        }
    }
    Cow::Owned(collapsed)
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
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
