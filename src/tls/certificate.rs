//! What a certificate says: names, dates, who signed it.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

/// A name that a certificate is for (its subjectAltName). Reads as `dns:im.example`,
/// `uri:spiffe://cluster/im`, `email:im@example` or `ip:10.0.0.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum San {
    Dns(String),
    Uri(String),
    Email(String),
    Ip(IpAddr),
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            San::Dns(name) => write!(f, "dns:{name}"),
            San::Uri(name) => write!(f, "uri:{name}"),
            San::Email(name) => write!(f, "email:{name}"),
            San::Ip(address) => write!(f, "ip:{address}"),
        }
    }
}

/// The certificate of a caller, verified; calls of its connection have it as an extension
/// (`Arc<ClientCertificate>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub names: Vec<San>,
    /// Of the certificate as DER, as `openssl x509 -fingerprint -sha256` prints it.
    pub sha256: [u8; 32],
    /// From then on it is worth nothing.
    pub not_after: SystemTime,
}

/// A certificate, read.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) names: Vec<San>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    pub(super) sha256: [u8; 32],
    /// It may sign others: by its own word, or as one of the first version, which had no words.
    pub(super) is_authority: bool,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

impl Certificate {
    /// Errors: it is none, in words.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Certificate, String> {
        let (_, read) = X509Certificate::from_der(der)
            .map_err(|error| format!("is no certificate: {error}"))?;
        let names = read.subject_alternative_name();
        let names = names.map_err(|error| format!("has names that cannot be read: {error}"))?;
        let names = names.map(|names| names.value.general_names.iter().filter_map(san).collect());
        Ok(Certificate {
            subject: read.subject().to_string(),
            names: names.unwrap_or_default(),
            not_before: at(read.validity().not_before.timestamp()),
            not_after: at(read.validity().not_after.timestamp()),
            sha256: sha256(der),
            is_authority: read.is_ca()
                || (read.version() == X509Version::V1
                    && read.subject().as_raw() == read.issuer().as_raw()),
            subject_der: read.subject().as_raw().to_vec(),
            issuer_der: read.issuer().as_raw().to_vec(),
        })
    }

    /// Whether this one can have signed the other, by its name.
    pub(super) fn can_have_signed(&self, other: &Certificate) -> bool {
        self.subject_der == other.issuer_der
    }

    /// What is wrong with its dates, in words.
    pub(super) fn dated(&self, now: SystemTime) -> Result<(), String> {
        let date = |at| humantime::format_rfc3339_seconds(at);
        if self.not_after < now {
            return Err(format!("expired on {}", date(self.not_after)));
        }
        if self.not_before > now {
            return Err(format!("is not valid before {}", date(self.not_before)));
        }
        Ok(())
    }

    /// As the certificate of a caller.
    pub(super) fn of_client(self) -> ClientCertificate {
        ClientCertificate {
            names: self.names,
            sha256: self.sha256,
            not_after: self.not_after,
        }
    }
}

impl ClientCertificate {
    /// Errors: it is none, in words.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Result<ClientCertificate, String> {
        Ok(Certificate::read(der)?.of_client())
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(der: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, der).as_ref());
    sum
}

fn at(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => UNIX_EPOCH,
    }
}

fn san(name: &GeneralName<'_>) -> Option<San> {
    match name {
        GeneralName::DNSName(name) => Some(San::Dns((*name).to_owned())),
        GeneralName::URI(name) => Some(San::Uri((*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(San::Email((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(San::Ip),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
