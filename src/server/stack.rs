//! What every call passes before it is looked at, the same on all three ports.
//!
//! Outermost first:
//! 1. Admission (`listen`, `table`): a connection has a place on its port, or is closed at once;
//!    descriptors are left for callbacks and the outbox.
//! 2. TLS would stand here, around the bare connection, so that all below sees plain bytes.
//! 3. Patience (`connection`): silence, half a head and idleness end a connection, so that no
//!    place is held by what asks nothing.
//! 4. HTTP in the versions that the port speaks; pings, so that a peer that is gone is noticed;
//!    a limit of streams, so that one connection is not many.
//! 5. The peer's address, put beside the call: who asks is known to everything below.
//! 6. The body's limits (`bodies`): time, and memory of the call, the connection and the process.
//! 7. The end: while the process drains, an answer says that it is its connection's last.
//! 8. gRPC codes as documented (`codes`).
//! 9. The port's routes; each refuses pages of strangers in browsers first (`guard`).

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::future::RouteFuture;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::debug;

use super::bodies::{BodyBudget, Call, CountedBody, LimitedBody};
use super::codes;
use super::connection::{Connection, Look, Patience, Peer, Watched};
use super::table::Admitted;

/// Pings on idle HTTP/2 connections; one that does not answer is closed.
const PING_EVERY: Duration = Duration::from_secs(30);
/// What is answered so late that its connection is to be closed has this time to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// At the end, how long an idle HTTP/1.1 connection is kept for a call that is on its way: closed
/// under its caller's hands, the call would fail.
const DRAIN_TIME: Duration = Duration::from_millis(300);

/// The versions of HTTP that a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1, or HTTP/2 without a handshake.
    Any,
    /// gRPC is HTTP/2 alone.
    Http2,
}

/// What holds for the connections of a port.
pub struct StackSettings {
    pub wire: Wire,
    pub patience: Patience,
    /// Calls of one HTTP/2 connection at a time; a caller waits with the next.
    pub streams_max: u32,
    /// Paths whose calls are streams of messages and have no end of their own.
    pub endless: &'static [&'static str],
    pub bodies: Arc<BodyBudget>,
}

/// Everything between a connection and a port's routes.
pub struct Stack {
    builder: Builder<TokioExecutor>,
    settings: StackSettings,
    routes: Router,
}

impl Stack {
    pub fn new(settings: StackSettings, routes: Router) -> Stack {
        let mut builder = Builder::new(TokioExecutor::new());
        if settings.wire == Wire::Http2 {
            builder = builder.http2_only();
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.streams_max)
            .keep_alive_interval(PING_EVERY);
        Stack {
            builder,
            settings,
            routes,
        }
    }

    /// Serves one connection to its end. After `stop` the calls in flight are answered, no more
    /// are taken, and the peer is told so.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Peer,
        admitted: Admitted,
        stop: CancellationToken,
    ) {
        let connection = &admitted.connection;
        let calls = Calls {
            routes: self.routes.clone(),
            endless: self.settings.endless,
            bodies: Arc::clone(&self.settings.bodies),
            connection: Arc::clone(connection),
            peer,
        };
        let watched = Watched {
            stream,
            connection: Arc::clone(connection),
        };
        let mut http = pin!(self.builder.serve_connection(TokioIo::new(watched), calls));
        let mut look_at = Instant::now();
        let why = loop {
            tokio::select! {
                ended = http.as_mut() => {
                    if let Err(error) = ended {
                        // The peer broke it off, or spoke something else: its own affair.
                        debug!(peer = %peer.0, %error, "a connection ended early");
                    }
                    return;
                }
                () = sleep_until(look_at) => {
                    match connection.look(Instant::now(), self.settings.patience) {
                        Look::Again(at) => look_at = at,
                        Look::Close(why) => break why,
                    }
                }
                () = connection.evicted.cancelled() => break "its place is needed",
                () = stop.cancelled() => break "",
            }
        };
        if why.is_empty() {
            connection.draining.store(true, Ordering::Relaxed);
            if !connection.is_http2() {
                // Ends by itself with the next answer.
                if timeout(DRAIN_TIME, http.as_mut()).await.is_ok() {
                    return;
                }
            }
            http.as_mut().graceful_shutdown();
            // How long this may take is the process's to say.
            let _ = http.await;
            return;
        }
        debug!(peer = %peer.0, why, "a connection is closed");
        http.as_mut().graceful_shutdown();
        let _ = timeout(LAST_WORDS, http).await;
    }
}

/// The calls of one connection.
struct Calls {
    routes: Router,
    endless: &'static [&'static str],
    bodies: Arc<BodyBudget>,
    connection: Arc<Connection>,
    peer: Peer,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let call = Arc::new(Call::new(
            Arc::clone(&self.connection),
            Arc::clone(&self.bodies),
        ));
        let version = request.version();
        let endless = self.endless.contains(&request.uri().path());
        let limited = |body| Body::new(LimitedBody::new(body, Arc::clone(&call), endless));
        let mut request = request.map(limited);
        request.extensions_mut().insert(self.peer);
        Answering {
            answer: self.routes.clone().call(request),
            call: Some(call),
            version,
        }
    }
}

/// A call that is being answered.
struct Answering {
    answer: RouteFuture<Infallible>,
    call: Option<Arc<Call>>,
    version: Version,
}

impl Future for Answering {
    type Output = Result<Response<CountedBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut answer) = ready!(Pin::new(&mut self.answer).poll(context));
        let call = self.call.take().expect("a future is not polled again");
        if call.connection().draining.load(Ordering::Relaxed) && self.version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        codes::document(answer.headers_mut());
        Poll::Ready(Ok(answer.map(|body| CountedBody::new(body, call))))
    }
}
