//! HTTP on one connection, in either version.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until};

use super::calls::Calls;
use super::connection::{Connection, Look, Patience, Watched, Word};

/// Pings on idle HTTP/2 connections; one that does not answer is closed.
const PING_EVERY: Duration = Duration::from_secs(30);
/// What an HTTP/1.1 connection holds for its calls is given back when none has come for so long.
const REST: Duration = Duration::from_secs(1);

/// How HTTP is spoken.
pub(super) struct Speakers {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Speakers {
    /// `streams_max`: calls of one HTTP/2 connection at a time; a caller waits with the next.
    pub(super) fn new(streams_max: u32) -> Speakers {
        let mut http1 = http1::Builder::new();
        // Answers are short: copied behind their heads they are written at once.
        http1.writev(false);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(streams_max)
            .keep_alive_interval(PING_EVERY);
        Speakers { http1, http2 }
    }

    pub(super) fn start(&self, stream: Watched, calls: Calls, is_http2: bool) -> Exchange {
        let io = TokioIo::new(stream);
        match is_http2 {
            false => Exchange::Http1(Box::new(self.http1.serve_connection(io, calls))),
            true => Exchange::Http2(Box::pin(self.http2.serve_connection(io, calls))),
        }
    }
}

type Io = TokioIo<Watched>;

/// The calls and answers on a connection, until it ends.
pub(super) enum Exchange {
    Http1(Box<http1::Connection<Io, Calls>>),
    Http2(Pin<Box<http2::Connection<Io, Calls, TokioExecutor>>>),
}

impl Exchange {
    /// No more calls are taken; it ends when those in flight are answered.
    pub(super) fn graceful_shutdown(&mut self) {
        match self {
            Exchange::Http1(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            Exchange::Http2(connection) => connection.as_mut().graceful_shutdown(),
        }
    }

    /// The bare connection, of one that [rests](Connection::rests).
    pub(super) fn rest(self) -> Option<Watched> {
        match self {
            Exchange::Http1(connection) => {
                let parts = connection.into_parts();
                let mut bare = parts.io.into_inner();
                bare.put_back(parts.read_buf);
                Some(bare)
            }
            Exchange::Http2(_) => None,
        }
    }

    pub(super) fn can_rest(&self) -> bool {
        matches!(self, Exchange::Http1(_))
    }
}

impl Future for Exchange {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Exchange::Http1(connection) => Pin::new(&mut **connection).poll(context),
            Exchange::Http2(connection) => connection.as_mut().poll(context),
        }
    }
}

/// What became of waiting for something of a connection.
pub(super) enum Waited<T> {
    Done(T),
    Told(Word),
    /// It was waited for long enough; the text says for what.
    Over(&'static str),
    /// Nothing happens on it, so what it holds can be given back.
    Rests,
}

/// Waits for something of a connection, as long as there is patience. `rests`: it is also over
/// when nothing happens.
pub(super) async fn attend<T>(
    connection: &Connection,
    patience: Patience,
    rests: bool,
    mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Waited<T> {
    let next_look = |now: Instant| match connection.look(now, patience) {
        Look::Again(at) if rests => Ok(at.min(now + REST)),
        Look::Again(at) => Ok(at),
        Look::Close(why) => Err(why),
    };
    let at = match next_look(Instant::now()) {
        Ok(at) => at,
        Err(why) => return Waited::Over(why),
    };
    let mut timer = pin!(sleep_until(at));
    std::future::poll_fn(|context| {
        if let Some(word) = connection.poll_told(context) {
            return Poll::Ready(Waited::Told(word));
        }
        if let Poll::Ready(done) = work(context) {
            return Poll::Ready(Waited::Done(done));
        }
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if rests && connection.rests(now, REST) {
                return Poll::Ready(Waited::Rests);
            }
            match next_look(now) {
                Ok(at) => timer.as_mut().reset(at),
                Err(why) => return Poll::Ready(Waited::Over(why)),
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::server::bodies::{BodyBudget, BodyLimits};
    use crate::server::calls::Routes;
    use crate::server::connection::Peer;
    use crate::server::socket::Socket;

    const CALL: &[u8] = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";

    /// One connection from both sides.
    struct Both {
        speakers: Speakers,
        connection: Arc<Connection>,
        peer: Peer,
        client: TcpStream,
    }

    impl Both {
        async fn new() -> (Both, Watched) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap());
            let (client, accepted) = tokio::join!(client, listener.accept());
            let (stream, address) = accepted.unwrap();
            let connection = Arc::new(Connection::new());
            let watched = Watched::new(Socket::Plain(stream), Arc::clone(&connection));
            let both = Both {
                speakers: Speakers::new(10),
                connection,
                peer: Peer(address),
                client: client.unwrap(),
            };
            (both, watched)
        }

        fn start(&self, stream: Watched) -> Exchange {
            let limits = BodyLimits {
                timeout: Duration::from_secs(10),
                connection_bytes_max: 1000,
                process_bytes_max: 1000,
            };
            let calls = Calls {
                routes: Routes::Routed {
                    routes: Router::new().fallback(|body: String| async { body }),
                    callers: None,
                },
                endless: &[],
                bodies: Arc::new(BodyBudget::new(limits)),
                connection: Arc::clone(&self.connection),
                peer: self.peer,
                certificate: None,
            };
            self.speakers.start(stream, calls, false)
        }

        /// Sends some bytes and waits for one answer, while the other side is served.
        async fn answered(&mut self, exchange: &mut Exchange, sent: &[u8]) {
            self.client.write_all(sent).await.unwrap();
            let mut came = Vec::new();
            while !came.ends_with(b"\r\n\r\nhi") {
                tokio::select! {
                    read = self.client.read_buf(&mut came) => assert!(read.unwrap() > 0),
                    ended = &mut *exchange => panic!("{ended:?}"),
                }
            }
        }

        /// Whether the connection could be bare, long after its last call.
        fn rests(&self) -> bool {
            self.connection.rests(Instant::now() + 2 * REST, REST)
        }
    }

    #[tokio::test]
    async fn a_connection_that_rested_is_served_again() {
        let (mut both, mut stream) = Both::new().await;
        assert!(!both.rests(), "it never asked");
        for _ in 0..3 {
            let mut exchange = both.start(stream);
            both.answered(&mut exchange, CALL).await;
            assert!(both.rests());
            assert!(!both.connection.rests(Instant::now(), REST), "not yet");
            stream = exchange.rest().expect("it is HTTP/1.1");
        }
    }

    #[tokio::test]
    async fn what_came_of_the_next_call_is_kept_and_has_its_time_for_a_head() {
        let (mut both, stream) = Both::new().await;
        let mut exchange = both.start(stream);
        let (half, other_half) = CALL.split_at(20);
        both.answered(&mut exchange, &[CALL, half].concat()).await;
        let stream = exchange.rest().expect("it is HTTP/1.1");
        assert!(!both.rests(), "half a head has come");
        let mut exchange = both.start(stream);
        both.answered(&mut exchange, other_half).await;
        assert!(both.rests());
    }
}
