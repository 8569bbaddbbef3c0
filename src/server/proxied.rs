//! The PROXY protocol, version 2: a proxy says whom it speaks for before anything else is said.
//!
//! Only of a proxy that `trusted_proxies` names, and where the port has the switch: then every
//! connection of it begins so. Everybody else is who the socket says.
//! Source: haproxy, `doc/proxy-protocol.txt`, section 2.2.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::connection::{Connection, Patience, Peer, Word};
use super::exchange::{Waited, attend};
use crate::callers::Callers;
use crate::telemetry::{LogThrottle, PortMetrics};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins.
const VERSION_1: &[u8] = b"PROXY ";
/// Signature, version and command, family, length of the rest.
const HEAD_BYTES: usize = 16;
/// Addresses, and what a proxy adds to them, such as a whole certificate.
const REST_BYTES_MAX: usize = 4096;
/// At the end, how long one may go on that has begun.
const DRAIN_TIME: Duration = Duration::from_millis(300);

/// A port that is told by proxies who comes.
pub struct Proxied {
    port: &'static str,
    callers: Arc<Callers>,
    metrics: PortMetrics,
    logged: LogThrottle<&'static str>,
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
enum BadHeader {
    #[error(
        "it begins with version 1 of the PROXY protocol; set the proxy to version 2 (haproxy: send-proxy-v2)"
    )]
    Version1,
    #[error(
        "it does not begin with a PROXY header; set the proxy to send version 2 of it (haproxy: send-proxy-v2), or take the proxy out of `trusted_proxies`"
    )]
    None,
    #[error("its PROXY header is not valid: {0}")]
    Malformed(&'static str),
    #[error(
        "it sends a PROXY header and is no proxy that `trusted_proxies` names; add its address there if it is one"
    )]
    Untrusted,
    #[error("its PROXY header did not come in the time for a head (`connections.head_timeout`)")]
    Late,
    #[error("it was broken off: {0}")]
    Closed(#[from] io::Error),
}

impl BadHeader {
    /// Lines of one kind are logged once a second.
    fn kind(&self) -> &'static str {
        match self {
            BadHeader::Version1 => "version 1",
            BadHeader::None => "none",
            BadHeader::Malformed(_) => "malformed",
            BadHeader::Untrusted => "untrusted",
            BadHeader::Late => "late",
            BadHeader::Closed(_) => "closed",
        }
    }
}

impl Proxied {
    pub fn new(port: &'static str, callers: Arc<Callers>, metrics: PortMetrics) -> Proxied {
        Proxied {
            port,
            callers,
            metrics,
            logged: LogThrottle::default(),
        }
    }

    /// Whom a connection comes from; `None`: it is to be closed, which is said and counted.
    pub(super) async fn peer(
        &self,
        stream: &mut TcpStream,
        peer: Peer,
        connection: &Connection,
        patience: Patience,
    ) -> Option<Peer> {
        let is_proxy = self.callers.is_proxy(peer.address());
        let told = {
            let mut reading = pin!(read(stream, peer, is_proxy));
            let read = |context: &mut Context<'_>| reading.as_mut().poll(context);
            match attend(connection, patience, false, read).await {
                Waited::Done(told) => told,
                Waited::Told(Word::Stop) => timeout(DRAIN_TIME, reading).await.ok()?,
                Waited::Told(Word::Evicted | Word::Hoards) => return None,
                Waited::Over(_) | Waited::Rests => Err(BadHeader::Late),
            }
        };
        match told {
            Ok(peer) => Some(peer),
            Err(why) => {
                self.note(peer, &why);
                None
            }
        }
    }

    /// One who came and went, as health checks do, is no news.
    fn note(&self, peer: Peer, why: &BadHeader) {
        if let BadHeader::Closed(_) = why {
            return debug!(port = self.port, peer = %peer.0, %why, "a connection ended early");
        }
        self.metrics.refused_proxy.inc();
        if let Some(held_back) = self.logged.pass(why.kind()) {
            warn!(port = self.port, peer = %peer.0, %why, held_back, "a connection is closed");
        }
    }
}

async fn read(stream: &mut TcpStream, peer: Peer, is_proxy: bool) -> Result<Peer, BadHeader> {
    if !is_proxy {
        let mut first = [0; SIGNATURE.len()];
        let peeked = stream.peek(&mut first).await?;
        let first = &first[..peeked];
        // No request of HTTP and no handshake begins so. Half of it is as good: it is told for
        // those who set it up, and keeps nobody out.
        let says = |with: &[u8]| {
            first.len() >= VERSION_1.len() && (first.starts_with(with) || with.starts_with(first))
        };
        return match says(SIGNATURE) || says(VERSION_1) {
            true => Err(BadHeader::Untrusted),
            false => Ok(peer),
        };
    }
    // Byte by byte as far as it is one: whoever sends none may send less than a header has.
    let mut head = [0; HEAD_BYTES];
    for at in 0..HEAD_BYTES {
        stream.read_exact(&mut head[at..=at]).await?;
        let so_far = &head[..=at];
        if at < SIGNATURE.len() && !SIGNATURE.starts_with(so_far) {
            if !VERSION_1.starts_with(so_far) {
                return Err(BadHeader::None);
            }
            if so_far.len() == VERSION_1.len() {
                return Err(BadHeader::Version1);
            }
        }
    }
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > REST_BYTES_MAX {
        return Err(BadHeader::Malformed("it is longer than 4096 bytes"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    let source = source(head[12], head[13], &rest).map_err(BadHeader::Malformed)?;
    Ok(source.map_or(peer, Peer))
}

/// Whom the proxy speaks for; `None`: for itself, or for somebody without an address of the
/// internet.
fn source(command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    match command {
        // Of its own accord: a health check.
        0x20 => return Ok(None),
        0x21 => {}
        _ if command >> 4 == 2 => return Err("its command is neither LOCAL nor PROXY"),
        _ => return Err("its version is another than 2"),
    }
    let short = "its addresses are shorter than their kind needs";
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    let (address, port) = match family {
        0x11 => {
            let octets: [u8; 4] = rest
                .get(..12)
                .and_then(|all| all[..4].try_into().ok())
                .ok_or(short)?;
            (IpAddr::from(octets), port(8))
        }
        0x21 => {
            let octets: [u8; 16] = rest
                .get(..36)
                .and_then(|all| all[..16].try_into().ok())
                .ok_or(short)?;
            (IpAddr::from(octets), port(32))
        }
        0x00 | 0x31 => return Ok(None),
        _ => return Err("it is about something else than a TCP connection"),
    };
    Ok(Some(SocketAddr::new(address, port.ok_or(short)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const PROXY: [u8; 4] = [127, 0, 0, 1];

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn of_v4(source: [u8; 4], port: u16, extra: &[u8]) -> Vec<u8> {
        let rest = [&source[..], &PROXY, &port.to_be_bytes(), &[0, 80], extra].concat();
        header(0x21, 0x11, &rest)
    }

    /// What is read of these bytes and what is left of them.
    async fn told(bytes: &[u8], is_proxy: bool) -> (Result<SocketAddr, String>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        caller.write_all(bytes).await.unwrap();
        caller.shutdown().await.unwrap();
        let own = Peer(SocketAddr::from((PROXY, 9)));
        let told = read(&mut stream, own, is_proxy).await;
        let mut left = Vec::new();
        stream.read_to_end(&mut left).await.unwrap();
        let told = told.map(|peer| peer.0).map_err(|why| why.kind().to_owned());
        (told, left)
    }

    #[tokio::test]
    async fn a_header_says_who_comes_and_not_a_byte_more_is_read() {
        let client = SocketAddr::from(([203, 0, 113, 7], 4711));
        let check = async |header: Vec<u8>, expected: SocketAddr| {
            let (told, left) = told(&[&header[..], b"GET / HTTP/1.1\r\n"].concat(), true).await;
            assert_eq!(told, Ok(expected));
            assert_eq!(left, b"GET / HTTP/1.1\r\n");
        };
        let own = SocketAddr::from((PROXY, 9));
        check(of_v4([203, 0, 113, 7], 4711, b""), client).await;
        check(of_v4([203, 0, 113, 7], 4711, &[7; 500]), client).await;
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        let IpAddr::V6(octets) = v6 else {
            unreachable!()
        };
        let rest = [&octets.octets()[..], &[0; 16], &[0x12, 0x67], &[0, 80]].concat();
        check(header(0x21, 0x21, &rest), SocketAddr::new(v6, 4711)).await;
        // A health check of the proxy, a family that it does not tell, a socket of its machine.
        check(header(0x20, 0x11, b""), own).await;
        check(header(0x20, 0x00, &[1; 30]), own).await;
        check(header(0x21, 0x00, b""), own).await;
        check(header(0x21, 0x31, &[0; 216]), own).await;
    }

    #[tokio::test]
    async fn whatever_else_a_proxy_sends_closes_the_connection() {
        let check = async |bytes: &[u8], expected: &str| {
            assert_eq!(
                told(bytes, true).await.0,
                Err(expected.to_owned()),
                "{bytes:?}"
            );
        };
        check(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n", "version 1").await;
        check(b"POST /openim HTTP/1.1\r\n", "none").await;
        check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "none").await;
        check(b"PRI * HTTP/2.0\r\n\r\n", "none").await;
        check(&header(0x31, 0x11, &[0; 12]), "malformed").await;
        check(&header(0x22, 0x11, &[0; 12]), "malformed").await;
        check(&header(0x21, 0x12, &[0; 12]), "malformed").await;
        check(&header(0x21, 0x11, &[0; 11]), "malformed").await;
        check(&header(0x21, 0x21, &[0; 12]), "malformed").await;
        check(&of_v4(PROXY, 1, &[0; 4085]), "malformed").await;
        let whole = of_v4(PROXY, 1, b"");
        for length in 0..whole.len() {
            check(&whole[..length], "closed").await;
        }
    }

    #[tokio::test]
    async fn nobody_else_is_believed() {
        let own = SocketAddr::from((PROXY, 9));
        let get = b"GET / HTTP/1.1\r\n";
        let (who, left) = told(get, false).await;
        assert_eq!((who, &left[..]), (Ok(own), &get[..]));
        for bytes in [
            &of_v4([203, 0, 113, 7], 1, b"")[..],
            b"PROXY TCP4 203.0.113.7 ",
        ] {
            assert_eq!(told(bytes, false).await.0, Err("untrusted".to_owned()));
        }
        // An odd start of something that is none is HTTP's to judge.
        assert_eq!(told(b"PROPFIND / HTTP/1.1\r\n", false).await.0, Ok(own));
        assert_eq!(told(b"\r\nGET / HTTP/1.1\r\n", false).await.0, Ok(own));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_an_error(command: u8, family: u8, rest: Vec<u8>) {
            if let Ok(Some(address)) = source(command, family, &rest) {
                let octets = match address.ip() {
                    IpAddr::V4(ip) => ip.octets().to_vec(),
                    IpAddr::V6(ip) => ip.octets().to_vec(),
                };
                prop_assert_eq!(command, 0x21);
                prop_assert!(rest.starts_with(&octets));
            }
        }
    }
}
