//! What every call passes before it is looked at, the same on all three ports.
//!
//! Outermost first:
//! 1. Admission (`listen`, `table`): a connection has a place on its port, or is closed at once;
//!    descriptors are left for callbacks and the outbox.
//! 2. The PROXY protocol (`proxied`), where the port has it: whom a named proxy speaks for is who
//!    comes, for everything below.
//! 3. TLS (`tls`), where the port has it: around the bare connection, so that all below sees plain
//!    bytes. A handshake has the patience for a head, and no more.
//! 4. Patience (`connection`): silence, half a head and idleness end a connection, so that no
//!    place is held by what asks nothing.
//! 5. HTTP in the versions that the port speaks; pings, so that a peer that is gone is noticed;
//!    a limit of streams, so that one connection is not many.
//! 6. The peer's address and its certificate, if one was verified, put beside the call: who asks is
//!    known to everything below.
//! 7. The body's limits (`bodies`): time, and memory of the call, the connection and the process;
//!    of the answer (`unread`) too, as long as its caller does not take it.
//! 8. The end: while the process drains, an answer says that it is its connection's last.
//! 9. gRPC codes as documented (`codes`).
//! 10. The port's routes; each refuses pages of strangers in browsers first (`guard`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;

use super::bodies::BodyBudget;
use super::calls::{Calls, Routes};
use super::connection::{Connection, Patience, Peer, UNREAD, Watched, Word};
use super::exchange::{Exchange, Speakers, Waited, attend};
use super::proxied::Proxied;
use super::socket::Socket;
use super::table::Admitted;
use super::tls::{Secured, Shaken};
use crate::telemetry::PortMetrics;
use crate::tls::ClientCertificate;

/// What is answered so late that its connection is to be closed has this time to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// At the end, how long an idle HTTP/1.1 connection is kept for a call that is on its way: closed
/// under its caller's hands, the call would fail.
const DRAIN_TIME: Duration = Duration::from_millis(300);

const TLS_TO_PLAIN: &str = "TLS came to a port that speaks plain text: call it by http://, or set \
                            `tls` of the port in engine.yaml";

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
    /// `None`: who comes is who the socket says.
    pub proxied: Option<Proxied>,
    /// `None`: plain text.
    pub tls: Option<Secured>,
    /// What the port counts.
    pub metrics: PortMetrics,
}

/// Everything between a connection and a port's routes.
pub struct Stack {
    speakers: Speakers,
    settings: StackSettings,
    routes: Routes,
}

impl Stack {
    pub fn new(settings: StackSettings, routes: Routes) -> Stack {
        Stack {
            speakers: Speakers::new(settings.streams_max),
            settings,
            routes,
        }
    }

    pub(super) fn metrics(&self) -> &PortMetrics {
        &self.settings.metrics
    }

    /// Serves one connection to its end. When it is told to stop, the calls in flight are
    /// answered, no more are taken, and the peer is told so.
    ///
    /// A connection of HTTP/1.1 without calls is bare again after a while: most of an IM server's
    /// connections are open for the one moment when all are needed.
    pub(super) async fn serve(
        self: Arc<Self>,
        mut stream: TcpStream,
        mut peer: Peer,
        admitted: Admitted,
    ) {
        let connection = &admitted.connection;
        if let Some(proxied) = &self.settings.proxied {
            let told = proxied.peer(&mut stream, peer, connection, self.settings.patience);
            match Box::pin(told).await {
                Some(told) => peer = told,
                None => return,
            }
        }
        let Some((socket, certificate)) = self.secure(stream, peer, connection).await else {
            return;
        };
        self.talk(socket, peer, certificate, connection).await;
        if let Some(tls) = &self.settings.tls {
            tls.note_end(peer, connection);
        }
    }

    /// Lets calls come until the connection ends.
    async fn talk(
        &self,
        socket: Socket,
        peer: Peer,
        certificate: Option<Arc<ClientCertificate>>,
        connection: &Arc<Connection>,
    ) {
        let mut stream = Watched::new(socket, Arc::clone(connection));
        let mut is_http2 = (self.settings.wire == Wire::Http2).then_some(true);
        loop {
            if is_http2 != Some(true) {
                match self.await_call(connection, &mut stream, is_http2).await {
                    Some(known) => is_http2 = Some(known),
                    None => return,
                }
            }
            let calls = Calls {
                routes: self.routes.clone(),
                endless: self.settings.endless,
                bodies: Arc::clone(&self.settings.bodies),
                connection: Arc::clone(connection),
                peer,
                certificate: certificate.clone(),
            };
            let is_http2 = is_http2 == Some(true);
            let exchange = self.speakers.start(stream, calls, is_http2);
            match self.converse(connection, peer, exchange).await {
                Some(bare) => stream = bare,
                None => return,
            }
        }
    }

    /// A connection whose bytes are plain from here on; `None`: its handshake came to nothing.
    async fn secure(
        &self,
        stream: TcpStream,
        peer: Peer,
        connection: &Connection,
    ) -> Option<Shaken> {
        match &self.settings.tls {
            None => Some((Socket::Plain(stream), None)),
            Some(tls) => {
                let patience = self.settings.patience;
                Box::pin(tls.shake(stream, peer, connection, patience)).await
            }
        }
    }

    /// Waits until something has come, and says whether it is HTTP/2, which the first bytes of a
    /// connection tell. `None`: it is to be closed.
    async fn await_call(
        &self,
        connection: &Connection,
        stream: &mut Watched,
        is_http2: Option<bool>,
    ) -> Option<bool> {
        let mut come = |context: &mut Context<'_>| match is_http2 {
            Some(known) => stream.poll_came(context).map(|()| Some(known)),
            None => stream.poll_is_http2(context).map(Result::ok),
        };
        match attend(connection, self.settings.patience, false, &mut come).await {
            Waited::Done(known) => known,
            Waited::Told(Word::Stop) => {
                let come = std::future::poll_fn(come);
                timeout(DRAIN_TIME, come).await.ok().flatten()
            }
            Waited::Told(Word::Evicted | Word::Hoards) | Waited::Over(_) | Waited::Rests => None,
        }
    }

    /// Lets calls come and be answered; returns the bare connection when it rests, and `None` when
    /// it has ended.
    async fn converse(
        &self,
        connection: &Connection,
        peer: Peer,
        mut exchange: Exchange,
    ) -> Option<Watched> {
        let can_rest = exchange.can_rest();
        let work = |context: &mut Context<'_>| Pin::new(&mut exchange).poll(context);
        let why = match attend(connection, self.settings.patience, can_rest, work).await {
            Waited::Done(ended) => {
                if let Err(error) = ended {
                    // The peer broke it off, or spoke something else: its own affair.
                    match connection.began_as_tls() {
                        true => debug!(peer = %peer.0, "{TLS_TO_PLAIN}"),
                        false => debug!(peer = %peer.0, %error, "a connection ended early"),
                    }
                }
                return None;
            }
            Waited::Rests => return exchange.rest(),
            Waited::Told(Word::Stop) => {
                // One of HTTP/1.1 ends by itself with the next answer.
                if !can_rest || timeout(DRAIN_TIME, &mut exchange).await.is_err() {
                    exchange.graceful_shutdown();
                    // How long this may take is the process's to say.
                    let _ = exchange.await;
                }
                return None;
            }
            Waited::Told(Word::Evicted) => "its place is needed",
            Waited::Told(Word::Hoards) => {
                self.metrics().evicted_memory.inc();
                "its answers take too much memory"
            }
            Waited::Over(why) => {
                if why == UNREAD {
                    self.metrics().evicted_unread.inc();
                }
                why
            }
        };
        debug!(peer = %peer.0, why, "a connection is closed");
        exchange.graceful_shutdown();
        let _ = timeout(LAST_WORDS, exchange).await;
        None
    }
}
