//! The calls of one connection: each gets its limits, and its answer from the port's routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::service::Service;
use tower::Service as _;

use super::bodies::{AnswerBody, BodyBudget, Call, CountedBody, LimitedBody};
use super::caller::admit;
use super::codes;
use super::connection::{Connection, Peer, Word};
use super::http::Listener;
use crate::callers::Callers;
use crate::tls::ClientCertificate;

/// What answers the calls of a port.
#[derive(Clone)]
pub enum Routes {
    /// Message services and operators; with callers, who is none of them is refused.
    Routed {
        routes: Router,
        callers: Option<Arc<Callers>>,
    },
    /// IM servers: one handler, so nothing stands between it and the connection.
    Webhooks(Arc<Listener>),
}

/// The calls of one connection.
pub(super) struct Calls {
    pub routes: Routes,
    /// Paths whose calls are streams of messages and have no end of their own.
    pub endless: &'static [&'static str],
    pub bodies: Arc<BodyBudget>,
    pub connection: Arc<Connection>,
    pub peer: Peer,
    /// The caller's, verified.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let call = Arc::new(Call::new(
            Arc::clone(&self.connection),
            Arc::clone(&self.bodies),
        ));
        let version = request.version();
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        match &self.routes {
            Routes::Routed { routes, callers } => {
                request.extensions_mut().insert(self.peer);
                if let Some(callers) = callers
                    && let Err(status) = admit(callers, &mut request)
                {
                    let answer = answer_of(status.into_http(), call, version);
                    return Answering::Boxed(ready(answer).boxed());
                }
                let endless = self.endless.contains(&request.uri().path());
                let limited = |body| Body::new(LimitedBody::new(body, Arc::clone(&call), endless));
                Answering::Routed {
                    answer: routes.clone().call(request.map(limited)),
                    call: Some(call),
                    version,
                }
            }
            Routes::Webhooks(listener) => {
                let (listener, peer) = (Arc::clone(listener), self.peer);
                let request = request.map(|body| LimitedBody::new(body, Arc::clone(&call), false));
                let answer = async move {
                    let answer = listener.handle(request, peer).await;
                    ended(answer.map(AnswerBody::Whole), call, version)
                };
                Answering::Boxed(answer.boxed())
            }
        }
    }
}

/// A call that is being answered.
#[expect(
    clippy::large_enum_variant,
    reason = "a box for the larger one is an allocation for each call over gRPC"
)]
pub(super) enum Answering {
    Routed {
        answer: RouteFuture<Infallible>,
        call: Option<Arc<Call>>,
        version: Version,
    },
    /// In a box, so that a connection without a call holds no room for it.
    Boxed(BoxFuture<'static, Response<CountedBody>>),
}

impl Future for Answering {
    type Output = Result<Response<CountedBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Answering::Boxed(answer) => answer.as_mut().poll(context).map(Ok),
            Answering::Routed {
                answer,
                call,
                version,
            } => {
                let Ok(answer) = task::ready!(Pin::new(answer).poll(context));
                let call = call.take().expect("a future is not polled again");
                Poll::Ready(Ok(answer_of(answer, call, *version)))
            }
        }
    }
}

/// An answer of a router's.
fn answer_of(
    mut answer: Response<Body>,
    call: Arc<Call>,
    version: Version,
) -> Response<CountedBody> {
    codes::document(answer.headers_mut());
    ended(answer.map(AnswerBody::Routed), call, version)
}

/// The answer to a call, which says so if it is its connection's last.
fn ended(
    mut answer: Response<AnswerBody>,
    call: Arc<Call>,
    version: Version,
) -> Response<CountedBody> {
    if call.connection().told() == Some(Word::Stop) && version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer.map(|body| CountedBody::new(body, call, version))
}
