//! The handshake of a connection to a port with TLS: who comes, how long it may take, and what is
//! said when it comes to nothing.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::{Duration, SystemTime};

use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::connection::{Connection, Patience, Peer, Word};
use super::exchange::{Waited, attend};
use super::socket::Socket;
use crate::telemetry::{LogThrottle, Metrics};
use crate::tls::{ClientCertificate, PortTls};

/// At the end, how long a handshake that has begun may go on: its call is on its way.
const DRAIN_TIME: Duration = Duration::from_millis(300);
/// How long one who speaks plain text has to read that it is the wrong language.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Most that is read of a call in plain text before it is answered.
const PLAIN_BYTES_MAX: u64 = 64 * 1024;
/// Some callers say nothing when they do not like our certificate.
const GONE: &str = "the caller went away in the middle of it; it may not trust our certificate";
/// Whoever leaves sooner did not wait for anything.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Addresses that are remembered to have left.
const LEFT_MAX: usize = 1024;
const TOO_LATE: &str = "it was not done in the time for a head (`connections.head_timeout`)";
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 42\r\nconnection: close\r\n\r\nthis port speaks TLS: call it by https://\n";

/// A port with TLS.
#[derive(Debug)]
pub struct Secured {
    port: &'static str,
    tls: Arc<PortTls>,
    metrics: Arc<Metrics>,
    logged: LogThrottle<&'static str>,
    /// Who was told to have left at once.
    left: Mutex<HashSet<IpAddr>>,
}

/// A connection whose other end is as good as its certificate, if it showed one.
pub(super) type Shaken = (Socket, Option<Arc<ClientCertificate>>);

/// Why there is no connection.
#[derive(Debug)]
struct Failed {
    /// A label of the metric.
    reason: &'static str,
    /// Lines of one kind are logged once a second.
    kind: &'static str,
    why: String,
}

impl Secured {
    pub fn new(port: &'static str, tls: Arc<PortTls>, metrics: Arc<Metrics>) -> Secured {
        Secured {
            port,
            tls,
            metrics,
            logged: LogThrottle::default(),
            left: Mutex::default(),
        }
    }

    /// Some callers compare the name when the handshake is done, and leave without an alert. Load
    /// balancers look that way too, so it is said once of each address.
    pub(super) fn note_end(&self, peer: Peer, connection: &Connection) {
        if !connection.left_at_once(AT_ONCE) {
            return;
        }
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= LEFT_MAX {
            left.clear();
        }
        if left.insert(peer.address()) {
            info!(port = self.port, peer = %peer.0, "a caller left right after the handshake, without a call: it looks whether the port is open, or it calls it by a name that our certificate does not have");
        }
    }

    /// `None`: it came to nothing, which is said and counted.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        peer: Peer,
        connection: &Connection,
        patience: Patience,
    ) -> Option<Shaken> {
        let mut accepting = pin!(self.accept(stream));
        let accept = |context: &mut Context<'_>| accepting.as_mut().poll(context);
        let shaken = match attend(connection, patience, false, accept).await {
            Waited::Done(shaken) => shaken,
            Waited::Told(Word::Stop) => timeout(DRAIN_TIME, accepting).await.ok()?,
            Waited::Told(Word::Evicted | Word::Hoards) => {
                Err(failed("evicted", "its place is needed"))
            }
            Waited::Over(_) | Waited::Rests => Err(failed("timeout", TOO_LATE)),
        };
        match shaken {
            Ok(shaken) => Some(shaken),
            Err(failed) => {
                self.note(peer, &failed);
                None
            }
        }
    }

    async fn accept(&self, stream: TcpStream) -> Result<Shaken, Failed> {
        if speaks_plain_text(&stream).await.map_err(closed)? {
            let _ = timeout(LAST_WORDS, answer_plainly(stream)).await;
            return Err(failed(
                "plain_text",
                "it speaks plain text: it must call by https://",
            ));
        }
        let accepting = TlsAcceptor::from(self.tls.config()).accept(stream);
        let stream = match accepting.into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                let failed = explained(&error);
                if failed.reason != "closed" {
                    let _ = timeout(LAST_WORDS, leave(stream)).await;
                }
                return Err(failed);
            }
        };
        let shown = stream.get_ref().1.peer_certificates();
        let Some(der) = shown.and_then(<[_]>::first) else {
            return Ok((Socket::Secured(Box::new(stream)), None));
        };
        let certificate = ClientCertificate::read(der)
            .map_err(|why| failed("certificate", format!("its certificate {why}")))?;
        // A session that is resumed was verified some time ago.
        if certificate.not_after < SystemTime::now() {
            return Err(failed("certificate", "its certificate has expired since"));
        }
        let socket = Socket::Secured(Box::new(stream));
        Ok((socket, Some(Arc::new(certificate))))
    }

    /// One who came and went, as health checks of load balancers do, is no news.
    fn note(&self, peer: Peer, failed: &Failed) {
        let Failed { reason, kind, why } = failed;
        self.metrics.handshake_failed(self.port, reason);
        if matches!(*kind, "closed" | "evicted" | "timeout") {
            return debug!(port = self.port, peer = %peer.0, why, "a TLS handshake came to nothing");
        }
        if let Some(held_back) = self.logged.pass(kind) {
            warn!(port = self.port, peer = %peer.0, why, held_back, "a TLS handshake failed");
        }
    }
}

/// Whether the first byte is a letter, as that of every request and of HTTP/2's preface is.
async fn speaks_plain_text(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0].is_ascii_alphabetic()),
    }
}

async fn answer_plainly(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_ANSWER).await?;
    leave(stream).await
}

/// Ends a connection so that what was said last is heard: what was not read would make the system
/// reset it, and the answer or the alert with it.
async fn leave(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(PLAIN_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

fn failed(reason: &'static str, why: impl Into<String>) -> Failed {
    Failed {
        reason,
        kind: reason,
        why: why.into(),
    }
}

fn closed(error: io::Error) -> Failed {
    failed("closed", error.to_string())
}

/// What the library says, with what to do about what happens most.
fn explained(error: &io::Error) -> Failed {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(error) = inner else {
        return Failed {
            reason: "closed",
            kind: GONE,
            why: format!("{GONE}: {error}"),
        };
    };
    let (reason, hint) = match error {
        Error::NoCertificatesPresented => (
            "no_certificate",
            "the caller showed no certificate, and `client_required` is on",
        ),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            "certificate",
            "the caller's certificate is signed by nobody in `client_ca`",
        ),
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => ("certificate", "the caller's certificate has expired"),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => ("certificate", "the caller's certificate is not valid yet"),
        Error::InvalidCertificate(_) => ("certificate", "the caller's certificate is refused"),
        Error::AlertReceived(AlertDescription::UnknownCA) => (
            "alert",
            "the caller does not trust the authority that signed our certificate, or we do not \
             send the whole chain",
        ),
        Error::AlertReceived(_) => (
            "alert",
            "the caller refuses our certificate or what we speak",
        ),
        Error::NoApplicationProtocol => (
            "protocol",
            "the caller offers no version of HTTP that this port speaks (gRPC is h2)",
        ),
        _ => ("protocol", "what the caller speaks is no TLS 1.2 or 1.3"),
    };
    Failed {
        reason,
        kind: hint,
        why: format!("{hint}: {error}"),
    }
}
