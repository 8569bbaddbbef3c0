//! What every call passes before it is looked at, the same on all three ports.
//!
//! Outermost first:
//! 1. TLS would stand here, around the bare connection, so that all below sees plain bytes.
//! 2. The connection: HTTP in the versions that the port speaks; pings, so that a silent peer
//!    that is gone is noticed.
//! 3. The peer's address, put beside the call: who asks is known to everything below.
//! 4. The port's routes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

/// Pings on idle HTTP/2 connections; one that does not answer is closed.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Who is at the other end of a connection; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The versions of HTTP that a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1, or HTTP/2 without a handshake.
    Any,
    /// gRPC is HTTP/2 alone.
    Http2,
}

/// Everything between a connection and a port's routes.
pub struct Stack {
    builder: Builder<TokioExecutor>,
    routes: Router,
}

impl Stack {
    pub fn new(wire: Wire, routes: Router) -> Stack {
        let mut builder = Builder::new(TokioExecutor::new());
        if wire == Wire::Http2 {
            builder = builder.http2_only();
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY);
        Stack { builder, routes }
    }

    /// Serves one connection to its end. After `stop` the calls in flight are answered, no more
    /// are taken, and the peer is told so.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Peer,
        stop: CancellationToken,
    ) {
        let calls = Calls {
            routes: self.routes.clone(),
            peer,
        };
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), calls));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // The peer broke it off, or spoke something else: its own affair.
            debug!(peer = %peer.0, %error, "a connection ended early");
        }
    }
}

/// The calls of one connection.
struct Calls {
    routes: Router,
    peer: Peer,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response;
    type Error = Infallible;
    type Future = tower::util::Oneshot<Router, Request<Body>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        self.routes.clone().oneshot(request)
    }
}
