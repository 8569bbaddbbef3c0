//! Calls that are sent again under one `Idempotency-Key`: done once, answered each time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::admin::problem::ApiProblem;
use crate::policy::Digest;

/// How long an answer is kept. Some hold a token that is shown once: not for long.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Answers that are kept; the oldest go first.
const KEPT_MAX: usize = 1000;
/// A longer answer is not kept, and who asks again is told so.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const KEY_BYTES_MAX: usize = 1024;

const REPEATED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The calls that were done lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    calls: HashMap<String, State>,
    /// When each ended, the oldest first.
    ended: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct State {
    asked_for: Digest,
    /// `None` while it is being done.
    answer: Option<KeptAnswer>,
}

#[derive(Clone, Debug)]
struct KeptAnswer {
    status: StatusCode,
    headers: HeaderMap,
    /// `None`: it was too long.
    body: Option<Bytes>,
}

/// Whose turn a call is.
pub(super) enum Turn {
    /// It is to be done.
    First(Running),
    /// It was done; this was its answer.
    Again(Response),
}

impl Repeats {
    /// Errors: the key is no key, or is another call's, or its call is being done.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: String,
        asked_for: Digest,
        now: Instant,
    ) -> Result<Turn, ApiProblem> {
        if key.len() > KEY_BYTES_MAX {
            return Err(ApiProblem::invalid("`Idempotency-Key` is too long"));
        }
        let mut kept = self.kept();
        kept.forget(now);
        let Some(known) = kept.calls.get(&key) else {
            if kept.calls.len() >= 2 * KEPT_MAX {
                let why = "too many calls with keys are under way";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return Err(ApiProblem::new(status, "unavailable", why).again_in(1));
            }
            let answer = None;
            kept.calls.insert(key.clone(), State { asked_for, answer });
            let repeats = Arc::clone(self);
            let key = Some(key);
            return Ok(Turn::First(Running { repeats, key }));
        };
        if !bool::from(known.asked_for.is(&asked_for)) {
            let why = "this `Idempotency-Key` was used for another call";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(ApiProblem::new(status, "key_reused", why));
        }
        match &known.answer {
            None => {
                let why = "the call with this `Idempotency-Key` is being done";
                Err(ApiProblem::new(StatusCode::CONFLICT, "under_way", why).again_in(1))
            }
            Some(answer) => answer.again().map(Turn::Again),
        }
    }

    // A panic while it is held leaves a call that is not there, or one that is.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, now: Instant) {
        while let Some((ended, _)) = self.ended.front() {
            if self.ended.len() <= KEPT_MAX && now.duration_since(*ended) < KEPT_FOR {
                break;
            }
            if let Some((_, key)) = self.ended.pop_front() {
                self.calls.remove(&key);
            }
        }
    }
}

impl KeptAnswer {
    fn again(&self) -> Result<Response, ApiProblem> {
        let Some(body) = self.body.clone() else {
            let why = "this call was done; its answer was too long to be kept";
            return Err(ApiProblem::conflict(why).with("status", self.status.as_u16()));
        };
        let mut answer = (self.status, self.headers.clone(), body).into_response();
        let again = HeaderValue::from_static("true");
        answer.headers_mut().insert(REPEATED, again);
        Ok(answer)
    }
}

/// A call that is being done. Where it ends without an answer, it was not done.
pub(super) struct Running {
    repeats: Arc<Repeats>,
    key: Option<String>,
}

impl Running {
    /// Keeps the answer, unless it says that the same call may go well later.
    pub(super) async fn end(mut self, answer: Response) -> Response {
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return answer;
        }
        let (parts, body) = answer.into_parts();
        let is_short = body_bytes(&body).is_some_and(|bytes| bytes <= ANSWER_BYTES_MAX as u64);
        let (kept, body) = match is_short {
            false => (None, body),
            true => match to_bytes(body, ANSWER_BYTES_MAX).await {
                Ok(bytes) => (Some(bytes.clone()), Body::from(bytes)),
                Err(_) => (None, Body::empty()),
            },
        };
        if let Some(key) = self.key.take() {
            let mut all = self.repeats.kept();
            if let Some(call) = all.calls.get_mut(&key) {
                call.answer = Some(KeptAnswer {
                    status,
                    headers: parts.headers.clone(),
                    body: kept,
                });
            }
            let now = Instant::now();
            all.ended.push_back((now, key));
            all.forget(now);
        }
        Response::from_parts(parts, body)
    }
}

fn body_bytes(body: &Body) -> Option<u64> {
    axum::body::HttpBody::size_hint(body).exact()
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.repeats.kept().calls.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(repeats: &Arc<Repeats>, key: &str, call: &str) -> Result<Turn, ApiProblem> {
        let asked_for = Digest::of(call.as_bytes());
        repeats.begin(key.to_owned(), asked_for, Instant::now())
    }

    async fn done(repeats: &Arc<Repeats>, key: &str, answer: Response) -> Response {
        match begin(repeats, key, "a").unwrap_or_else(|problem| panic!("{problem:?}")) {
            Turn::First(running) => running.end(answer).await,
            Turn::Again(answer) => answer,
        }
    }

    fn status(turn: Result<Turn, ApiProblem>) -> u16 {
        match turn {
            Ok(Turn::First(_)) => 0,
            Ok(Turn::Again(answer)) => answer.status().as_u16(),
            Err(problem) => problem.status.as_u16(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_done_once_and_answered_each_time() {
        let repeats = Arc::default();
        let made = || (StatusCode::CREATED, "one").into_response();
        assert_eq!(done(&repeats, "k", made()).await.status(), 201);
        let again = done(&repeats, "k", "two".into_response()).await;
        assert_eq!(again.headers()[REPEATED], "true");
        assert_eq!(to_bytes(again.into_body(), 99).await.unwrap(), "one");
        assert_eq!(status(begin(&repeats, "k", "b")), 422);
        assert_eq!(status(begin(&repeats, "other", "b")), 0);
        tokio::time::advance(KEPT_FOR).await;
        assert_eq!(status(begin(&repeats, "k", "a")), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_or_came_to_nothing_is_no_answer() {
        let repeats = Arc::default();
        let running = begin(&repeats, "k", "a");
        assert_eq!(status(begin(&repeats, "k", "a")), 409);
        drop(running);
        assert_eq!(status(begin(&repeats, "k", "a")), 0);
        for failed in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            done(&repeats, "k", failed.into_response()).await;
            assert_eq!(status(begin(&repeats, "k", "a")), 0, "{failed}");
        }
        let long = "x".repeat(ANSWER_BYTES_MAX + 1);
        let answer = done(&repeats, "k", long.into_response()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(status(begin(&repeats, "k", "a")), 409);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_has_an_end() {
        let repeats = Arc::default();
        for number in 0..3 * KEPT_MAX {
            done(&repeats, &number.to_string(), "x".into_response()).await;
        }
        assert!(repeats.kept().calls.len() <= KEPT_MAX + 1);
        assert_eq!(
            status(begin(&repeats, &"x".repeat(KEY_BYTES_MAX + 1), "a")),
            400
        );
        let running: Vec<_> = (0..3 * KEPT_MAX)
            .map(|number| begin(&repeats, &format!("r{number}"), "a"))
            .collect();
        assert!(repeats.kept().calls.len() <= 2 * KEPT_MAX);
        assert!(running.iter().any(Result::is_err));
    }
}
