//! Certificates that are made for one test, and a client that speaks TLS.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An authority that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Valid {
    Now,
    NoLonger,
    NotYet,
}

fn params(names: &[&str], valid: Valid) -> CertificateParams {
    let (uris, names): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).unwrap();
    for uri in uris {
        let uri = uri.try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
    }
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = match valid {
        Valid::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
        Valid::NoLonger => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
        Valid::NotYet => (date_time_ymd(2110, 1, 1), date_time_ymd(2120, 1, 1)),
    };
    params
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = params(&[], Valid::Now);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Names are host names, addresses or URIs.
    pub fn issue(&self, names: &[&str], valid: Valid) -> Issued {
        let key = KeyPair::generate().unwrap();
        let cert = params(names, valid).signed_by(&key, &self.issuer).unwrap();
        Issued {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Signed by itself, and its own authority, as `openssl req -x509` makes it.
pub fn self_signed(names: &[&str]) -> Issued {
    let mut params = params(names, Valid::Now);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    Issued {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// For this machine, as every test wants it.
pub const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

impl Issued {
    /// Writes `NAME.pem` and `NAME.key`, each whole.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = self.paths(directory, name);
        replace(&cert, &self.cert);
        replace(&key, &self.key);
        (cert, key)
    }

    fn paths(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let path = |end: &str| directory.join(format!("{name}.{end}"));
        (path("pem"), path("key"))
    }
}

/// Writes a file under another name and renames it.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes());
    read.map(Result::unwrap).collect()
}

/// A client that trusts these authorities (PEM), and shows a certificate if it has one.
pub fn client(trusts: &str, shows: Option<&Issued>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(trusts) {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            let chain = certificates(&issued.cert);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Arc::new(config)
}

/// A connection with TLS, shaken.
///
/// Errors: either side refuses the other.
pub fn connect(
    address: SocketAddr,
    name: &str,
    config: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut stream = StreamOwned::new(client, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// One call on a connection of its own; its answer as it came.
///
/// Errors: either side refuses the other.
pub fn call(address: SocketAddr, config: &Arc<ClientConfig>, request: &[u8]) -> io::Result<String> {
    let mut stream = connect(address, "127.0.0.1", config)?;
    exchange(&mut stream, request)
}

/// One call on a connection that stays open.
pub fn exchange<S: Read + Write>(stream: &mut S, request: &[u8]) -> io::Result<String> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lengths = head.lines().filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse().ok())?
            });
            if body.len() >= lengths.max().unwrap_or(0) {
                return Ok(text);
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
}

/// TLS before a server that speaks plain text, as a proxy ends it.
pub struct Front {
    pub port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    /// `callers`: who signs the certificates that callers must show; `None` asks for none.
    pub fn start(server: &Issued, callers: Option<&str>, behind: &str) -> Front {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match callers {
            None => builder.with_no_client_auth(),
            Some(callers) => {
                let mut roots = RootCertStore::empty();
                roots.add(certificates(callers).remove(0)).unwrap();
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                );
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).unwrap();
        let config = builder
            .with_single_cert(certificates(&server.cert), key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let behind = behind.trim_start_matches("http://").to_owned();
        let behind = behind.split('/').next().unwrap().to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut front) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut back = tokio::net::TcpStream::connect(&behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
                });
            }
        });
        Front {
            port,
            _runtime: runtime,
        }
    }
}
