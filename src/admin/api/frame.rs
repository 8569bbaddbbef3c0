//! What every call of the API goes through: pace, reading, doing once, answering.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};
use http_body_util::LengthLimitError;
use tokio::time::Instant;

use super::about::About;
use super::call::Call;
use super::repeats::{Repeats, Turn};
use super::reply::{Answer, is_known};
use crate::admin::acts::Asked;
use crate::admin::problem::ApiProblem;
use crate::admin::shown::{Admin, ApiLimits};
use crate::callers::Pace;
use crate::policy::Digest;
use crate::server::is_json;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Who calls is known, so there are no more than operators and tokens.
const PACES_MAX: usize = 4096;

/// What answers for a route.
type Run = Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A route: in words, and what answers for it.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) about: &'static About,
    run: Run,
}

pub(super) fn route<F, Answering>(about: &'static About, run: F) -> Route
where
    F: Fn(Call) -> Answering + Send + Sync + 'static,
    Answering: Future<Output = Answer> + Send + 'static,
{
    Route {
        about,
        run: Arc::new(move |call| run(call).boxed()),
    }
}

/// What all routes share.
#[derive(Clone)]
pub(super) struct Frame {
    limits: ApiLimits,
    paces: Arc<Mutex<HashMap<String, Arc<Pace>>>>,
    repeats: Arc<Repeats>,
}

impl Frame {
    pub(super) fn new(admin: &Admin) -> Frame {
        Frame {
            limits: admin.api,
            paces: Arc::default(),
            repeats: Arc::default(),
        }
    }

    pub(super) fn serve(&self, route: Route, method: MethodFilter) -> MethodRouter<Admin> {
        let frame = self.clone();
        let serve = move |State(admin): State<Admin>, request: Request| {
            let (frame, route) = (frame.clone(), route.clone());
            async move { frame.answer(route, admin, request).await }
        };
        on(method, serve)
    }

    async fn answer(self, route: Route, admin: Admin, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let answer = self.try_answer(route, admin, &parts, body).await;
        match answer {
            Ok(answer) if is_known(&parts.headers, &answer) => {
                let (mut parts, _) = answer.into_parts();
                parts.status = StatusCode::NOT_MODIFIED;
                parts.headers.remove(header::CONTENT_LENGTH);
                Response::from_parts(parts, Body::empty())
            }
            Ok(answer) => answer,
            Err(problem) => problem.into_response(),
        }
    }

    async fn try_answer(&self, route: Route, admin: Admin, parts: &Parts, body: Body) -> Answer {
        let asked = parts.extensions.get::<Asked>().cloned();
        let asked = asked.ok_or_else(|| ApiProblem::internal("nothing says who asks"))?;
        // What somebody may do can change, and then an old answer is not his any more.
        let who = format!("{:?} {:?}", asked.who(), asked.who.grant());
        self.pace(&who)?;
        let body = match parts.method {
            Method::GET | Method::HEAD => Bytes::new(),
            _ => self.body(parts, body).await?,
        };
        let call = Call::read(route.about, admin, parts, asked, &body)?;
        let key = match (&parts.method, parts.headers.get(IDEMPOTENCY_KEY)) {
            (&Method::GET | &Method::HEAD, _) | (_, None) => return (route.run)(call).await,
            (_, Some(key)) => key,
        };
        let key = format!("{who} {} {} {key:?}", parts.method, parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let asked_for = Digest::of(&[query.as_bytes(), b"\n", &body].concat());
        let running = match self.repeats.begin(key, asked_for, Instant::now())? {
            Turn::Again(answer) => return Ok(answer),
            Turn::First(running) => running,
        };
        // It goes on where nobody waits any more: who comes again with the key has its answer.
        let doing = tokio::spawn(async move {
            let answer = (route.run)(call).await;
            running
                .end(answer.unwrap_or_else(IntoResponse::into_response))
                .await
        });
        doing
            .await
            .map_err(|error| ApiProblem::internal(error.to_string()))
    }

    /// Errors: whoever asks is too fast.
    fn pace(&self, who: &str) -> Result<(), ApiProblem> {
        let now = Instant::now();
        let pace = {
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            if paces.len() >= PACES_MAX {
                paces.clear();
            }
            let limits = self.limits;
            let new = || Arc::new(Pace::new(limits.calls_per_second, limits.burst, now));
            Arc::clone(paces.entry(who.to_owned()).or_insert_with(new))
        };
        match pace.pass(now) {
            true => Ok(()),
            false => {
                let why =
                    "too many calls; `admin.api.calls_per_second` in engine.yaml is the limit";
                let status = StatusCode::TOO_MANY_REQUESTS;
                Err(ApiProblem::new(status, "too_many_calls", why).again_in(1))
            }
        }
    }

    /// Errors: it is too long, or not JSON.
    async fn body(&self, parts: &Parts, body: Body) -> Result<Bytes, ApiProblem> {
        let bytes_max = self.limits.body_bytes_max;
        let body = to_bytes(body, bytes_max).await.map_err(|error| {
            let source = std::error::Error::source(&error);
            match source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
                true => {
                    let why = format!(
                        "the body has more than {bytes_max} bytes, `admin.api.body_bytes_max` in \
                         engine.yaml"
                    );
                    let status = StatusCode::PAYLOAD_TOO_LARGE;
                    ApiProblem::new(status, "too_large", why).with("bytes_max", bytes_max)
                }
                false => ApiProblem::invalid(format!("the body did not come whole: {error}")),
            }
        })?;
        if !body.is_empty() && !is_json(&parts.headers) {
            let why = "the body is to be JSON: send `content-type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(ApiProblem::new(status, "not_json", why));
        }
        Ok(body)
    }
}
