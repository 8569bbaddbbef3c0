//! Connecting to a running server: the same limits and the same words for every command.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::service_fn;

use super::reach::Reach;
use crate::proto::v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::hook_service_client::HookServiceClient;
use crate::tls::{Refused, calling_config};

/// How long a command waits for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The operators' port of a running server.
pub(super) type AdminClient = AdminServiceClient<InterceptedService<Channel, Bearer>>;
/// The port of a running server that message services call.
pub(super) type HookClient = HookServiceClient<InterceptedService<Channel, Bearer>>;

/// Shows who calls, if there is something to show.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Errors: the token cannot stand in a header.
    fn new(token: Option<&str>) -> anyhow::Result<Bearer> {
        let value = token.map(|token| {
            let mut value = MetadataValue::try_from(format!("Bearer {token}"))
                .context("the token has characters that no token has")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        Ok(Bearer(value.transpose()?))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Connects to an operators' port.
///
/// Errors: its URL is none, or no server answers there, or one of the two refuses the other.
pub(super) async fn admin(reach: &Reach) -> anyhow::Result<AdminClient> {
    let url = &reach.url;
    let channel = connect(reach).await.with_context(|| {
        format!("no callgate answers at {url}; name its `admin.listen` with --server")
    })?;
    let bearer = Bearer::new(reach.token.as_deref())?;
    Ok(AdminServiceClient::with_interceptor(channel, bearer))
}

/// Connects to a gRPC port.
///
/// Errors: its URL is none, or no server answers there, or one of the two refuses the other.
pub(super) async fn hooks(reach: &Reach) -> anyhow::Result<HookClient> {
    let url = &reach.url;
    let channel = connect(reach).await.with_context(|| {
        format!(
            "no callgate answers at {url}; start one with `callgate serve` or name it with --server"
        )
    })?;
    let bearer = Bearer::new(reach.token.as_deref())?;
    Ok(HookServiceClient::with_interceptor(channel, bearer))
}

async fn connect(reach: &Reach) -> anyhow::Result<Channel> {
    let url = &reach.url;
    let invalid = || format!("`{url}` is not a valid URL; write it like http://127.0.0.1:10007");
    let endpoint = Endpoint::from_shared(url.clone()).with_context(invalid)?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT);
    let uri: Uri = url.parse().with_context(invalid)?;
    if uri.scheme_str() != Some("https") {
        return Ok(endpoint.connect().await?);
    }
    let config = tls_for(reach, b"h2")?;
    let (host, port) = place(&uri);
    let first = shake(&host, port, config.clone()).await?;
    let mut first = Some(first);
    // TLS is spoken below; the library would want a stack of its own for a URL with https://.
    let plain = format!(
        "http://{}",
        uri.authority().map_or("", |authority| authority.as_str())
    );
    let endpoint = Endpoint::from_shared(plain)?.origin(uri);
    let connector = service_fn(move |_| {
        let (first, host, config) = (first.take(), host.clone(), config.clone());
        async move {
            match first {
                Some(stream) => Ok(TokioIo::new(stream)),
                None => shake(&host, port, config).await.map(TokioIo::new),
            }
        }
    });
    Ok(endpoint.connect_with_connector(connector).await?)
}

/// How a server is called that has TLS.
///
/// Errors: files that are not what they should be, each with its place.
pub(super) fn tls_for(reach: &Reach, speaks: &'static [u8]) -> anyhow::Result<Arc<ClientConfig>> {
    calling_config(&reach.tls, &[speaks]).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })
}

/// Host and port of a URL.
pub(super) fn place(uri: &Uri) -> (String, u16) {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let unsaid = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    (host.to_owned(), uri.port_u16().unwrap_or(unsaid))
}

/// A connection with TLS.
///
/// Errors: nobody is there, or what is there is not who was called, with a way out.
pub(super) async fn shake(
    host: &str,
    port: u16,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let shaking = async {
        let stream = TcpStream::connect((host, port)).await?;
        let shaken = TlsConnector::from(config).connect(name, stream).await;
        shaken.map_err(|why| io::Error::other(format!("TLS failed: {why}{}", way_out(&why))))
    };
    let shaken = tokio::time::timeout(CONNECT_TIMEOUT, shaking).await;
    shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn way_out(why: &io::Error) -> &'static str {
    match Refused::of(why) {
        Some(Refused::Untrusted) => "; name the authority that signed its certificate with --ca",
        Some(Refused::OtherName) => "; call it by a name that its certificate is for",
        Some(Refused::OtherTime) => {
            "; give it a certificate that is valid today, and see that this machine's clock is right"
        }
        Some(Refused::ByServer) => {
            "; it wants a certificate of ours: --client-cert and --client-key"
        }
        Some(Refused::PlainText) => "; it speaks plain text: write http://",
        None => "",
    }
}

/// What a server said, for the person who asked.
pub(super) fn said(status: tonic::Status) -> anyhow::Error {
    anyhow!("{}", words(&status))
}

/// What a server said, or why it said nothing.
pub(super) fn words(status: &tonic::Status) -> String {
    let mut words = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    // How HTTP/2 reads what a port with TLS answers to plain text.
    if words.contains("frame with invalid size") {
        words.push_str("; it seems to have TLS: write https://");
    }
    if words.contains("received fatal alert") {
        words
            .push_str("; it refuses our certificate, or wants one: --client-cert and --client-key");
    }
    words
}

/// Runs a command that asks a server.
///
/// Errors: the command's own, or no runtime.
pub(super) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}
