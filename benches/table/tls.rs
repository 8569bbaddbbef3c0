//! A decision over TLS, by a caller with a token, beside the same in plain text from anybody: on
//! connections that stay open, so that what is compared is each call and not each handshake.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callgate::policy::Digest;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::servers::{Process, WORDS};
use super::{Row, load, median, openim};

const TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 32;
const TOKEN: &str = "token-of-the-pipeline";

pub fn rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let key = KeyPair::generate().expect("there are random bytes");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("it is a name");
    let cert = params.self_signed(&key).expect("it can be signed");
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("it can be trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let calls = openim::calls();
    let with_token = calls.iter().map(|call| add_token(call)).collect();
    let with_token: Arc<Vec<Vec<u8>>> = Arc::new(with_token);
    let plain = Process::callgate(None);
    let digest = Digest::of(TOKEN.as_bytes()).to_string();
    let secured = Process::callgate_secured(&cert.pem(), &key.serialize_pem(), &digest);
    let (mut reference, mut measured) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        // The first round only warms up.
        for round in 0..=rounds {
            let before = saturate(&plain, &calls, None).await;
            let after = saturate(&secured, &with_token, Some(&config)).await;
            eprintln!(
                "round {round}: plain {:.1} us at {:.0}/s, TLS and token {:.1} us at {:.0}/s",
                before.cpu_us, before.calls_a_second, after.cpu_us, after.calls_a_second
            );
            if round > 0 {
                reference.push(before.cpu_us);
                measured.push(after.cpu_us);
            }
        }
    });
    let ratios = measured
        .iter()
        .zip(&reference)
        .map(|(ours, theirs)| ours / theirs);
    vec![Row {
        what: "OpenIM over HTTP with TLS and a token, keep-alive, server CPU a request",
        reference: format!("plain text, {:.1} us", median(&reference)),
        measured: format!("{:.1} us with {WORDS} words", median(&measured)),
        ratios: ratios.collect(),
        goal: "at most 1.15",
    }]
}

fn add_token(call: &[u8]) -> Vec<u8> {
    let line_end = call.iter().position(|byte| *byte == b'\n');
    let (first, rest) = call.split_at(line_end.expect("it is a call") + 1);
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    [first, token.as_bytes(), rest].concat()
}

/// Calls as fast as it goes.
async fn saturate(
    server: &Process,
    calls: &Arc<Vec<Vec<u8>>>,
    tls: Option<&Arc<ClientConfig>>,
) -> load::Cost {
    // Shaken before the clock starts.
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(connect(server.http, tls).await);
    }
    let done = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), server.cpu_seconds());
    let mut callers = Vec::new();
    for (number, mut stream) in streams.into_iter().enumerate() {
        let (calls, done) = (calls.clone(), done.clone());
        callers.push(tokio::spawn(async move {
            let mut at = number * 131;
            while started.elapsed() < TIME {
                call(&mut stream, &calls[at % calls.len()]).await;
                done.fetch_add(1, Ordering::Relaxed);
                at += 1;
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    load::cost(server, &done, started, cpu)
}

/// Either kind of connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Box<dyn Stream> {
    let stream = TcpStream::connect(address)
        .await
        .expect("the server listens");
    stream.set_nodelay(true).expect("it is a socket");
    let Some(config) = tls else {
        return Box::new(stream);
    };
    let name = ServerName::try_from("localhost").expect("it is a name");
    let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    Box::new(shaken.await.expect("both speak TLS"))
}

/// Makes one call and waits for the whole of its answer.
async fn call(stream: &mut Box<dyn Stream>, call: &[u8]) {
    stream.write_all(call).await.expect("the server reads");
    stream.flush().await.expect("the server reads");
    let mut came = Vec::with_capacity(1024);
    while !openim::is_whole(&came) {
        let read = stream.read_buf(&mut came).await;
        assert!(read.expect("the server answers") > 0, "it closed");
    }
    assert!(came.starts_with(b"HTTP/1.1 200"), "it is an answer");
}
