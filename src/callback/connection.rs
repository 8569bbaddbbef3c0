//! One connection to a business server: resolving, connecting, TLS, one call at a time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::guard::{BlockedAddress, forbidden};
use super::own::{OwnAddress, OwnAddresses};
use crate::tls::Refused;

/// A connection on which no call is in flight.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    pub(super) opened: Instant,
    /// Something came since the last request began.
    heard: Arc<AtomicBool>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
    #[error(transparent)]
    Own(#[from] OwnAddress),
    #[error("`{host}` cannot be resolved: {why}")]
    Resolve { host: String, why: io::Error },
    #[error("`{address}` cannot be connected to: {why}")]
    Connect { address: SocketAddr, why: io::Error },
    #[error("TLS with `{host}` failed: {why}{}", way_out(why))]
    Tls { host: String, why: io::Error },
    #[error("the certificates that it is called with cannot be used: {0}")]
    Trust(Arc<str>),
    #[error("no connection to `{host}` within {limit:?}")]
    Timeout { host: String, limit: Duration },
    #[error("HTTP cannot be spoken: {0}")]
    Http(#[from] hyper::Error),
}

/// What to do about the failures that happen most.
fn way_out(why: &io::Error) -> &'static str {
    match Refused::of(why) {
        Some(Refused::Untrusted) => {
            "; name the authority that signed its certificate, or that certificate itself if it \
             signed itself, in `tls.ca` of the endpoint"
        }
        Some(Refused::OtherName) => {
            "; call it by a name that its certificate is for, or write that name into \
             `tls.server_name` of the endpoint"
        }
        Some(Refused::OtherTime) => {
            "; give it a certificate that is valid today, and see that the clock of this machine is \
             right"
        }
        Some(Refused::ByServer) => {
            "; it refuses our certificate, or wants one: see `tls.client_cert` of the endpoint"
        }
        Some(Refused::PlainText) => "; it seems to speak plain text: write http://",
        None => "",
    }
}

/// What a connection is made with.
#[derive(Debug)]
pub(super) struct Connector<'a> {
    /// `None`: plain text.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// What the certificate must be for, where that is not the host.
    pub(super) server_name: Option<&'a str>,
    /// A name, or an address without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) timeout: Duration,
    pub(super) allowed: &'a [IpNet],
    pub(super) own: &'a OwnAddresses,
}

impl Connector<'_> {
    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        tokio::time::timeout(self.timeout, self.open())
            .await
            .unwrap_or_else(|_| {
                Err(ConnectError::Timeout {
                    host: self.host.to_owned(),
                    limit: self.timeout,
                })
            })
    }

    async fn open(&self) -> Result<Connection, ConnectError> {
        let stream = self.reach(&self.resolve().await?).await?;
        // A connection that cannot be set is closed already.
        let _ = stream.set_nodelay(true);
        let heard = Arc::new(AtomicBool::new(false));
        match &self.tls {
            None => Connection::start(stream, heard).await,
            Some(config) => {
                let tls = |why| ConnectError::Tls {
                    host: self.host.to_owned(),
                    why,
                };
                let name = self.server_name.unwrap_or(self.host);
                let name = ServerName::try_from(name.to_owned())
                    .map_err(|why| tls(io::Error::new(io::ErrorKind::InvalidInput, why)))?;
                let connecting = TlsConnector::from(Arc::clone(config)).connect(name, stream);
                Connection::start(connecting.await.map_err(tls)?, heard).await
            }
        }
    }

    /// A connection to the first address that takes one.
    pub(super) async fn reach(&self, addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
        let mut share = self.timeout / addresses.len().max(1) as u32;
        let mut error = None;
        for (number, address) in addresses.iter().enumerate() {
            if number + 1 == addresses.len() {
                share = self.timeout;
            }
            let connecting = tokio::time::timeout(share, TcpStream::connect(address));
            let why = match connecting.await {
                Ok(Ok(stream)) => {
                    self.own.check(&stream)?;
                    return Ok(stream);
                }
                Ok(Err(why)) => why,
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            let address = *address;
            error = Some(ConnectError::Connect { address, why });
        }
        Err(error.unwrap_or_else(|| self.unresolved(io::ErrorKind::NotFound.into())))
    }

    /// Resolves by the system and lets only permitted addresses through.
    ///
    /// One forbidden address refuses the whole answer: mixed answers are a sign of an attack.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let addresses: Vec<SocketAddr> = match self.host.parse() {
            Ok(address) => vec![SocketAddr::new(address, self.port)],
            Err(_) => tokio::net::lookup_host((self.host, self.port))
                .await
                .map_err(|why| self.unresolved(why))?
                .collect(),
        };
        for address in &addresses {
            if let Some(why) = forbidden(address.ip(), self.allowed) {
                return Err(ConnectError::Blocked(BlockedAddress {
                    host: self.host.to_owned(),
                    address: address.ip(),
                    why,
                }));
            }
        }
        Ok(addresses)
    }

    fn unresolved(&self, why: io::Error) -> ConnectError {
        ConnectError::Resolve {
            host: self.host.to_owned(),
            why,
        }
    }
}

impl Connection {
    async fn start<S>(stream: S, heard: Arc<AtomicBool>) -> Result<Connection, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Listening {
            stream,
            heard: Arc::clone(&heard),
        };
        let (sender, driver) = http1::Builder::new()
            // Calls are short: copied behind their heads they are written at once.
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends with its connection, and the connection when nobody holds its sender; what went
        // wrong is said to the call.
        tokio::spawn(async move { drop(driver.await) });
        Ok(Connection {
            sender,
            opened: Instant::now(),
            heard,
        })
    }

    /// Sends a call and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.heard.store(false, Ordering::Relaxed);
        self.sender.send_request(request).await
    }

    /// Whether anything of an answer has come to the last call.
    pub(super) fn was_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Notices when something is read.
struct Listening<S> {
    stream: S,
    heard: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
