//! Our own certificate and its key: whether they fit each other and the time.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::certificate::{Certificate, hex};
use super::pem;
use super::provider::provider;
use super::shown::Shown;
use crate::settings::Problem;

/// A certificate with its chain and its key, good as far as one can tell.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) shown: Shown,
}

/// Reads both files.
///
/// Errors: everything that is wrong with either.
pub(super) fn read(cert: &Path, key: &Path, now: SystemTime) -> Result<Identity, Vec<Problem>> {
    let (chain, key_der) = match (pem::certificates(cert), pem::key(key)) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err(chain.err().into_iter().chain(key.err()).collect()),
    };
    let wrong = |what: String, hint: &str| Problem::of_file(cert.display().to_string(), what, hint);
    let read = parsed(&chain).map_err(|what| {
        vec![wrong(
            what,
            "take the file as the authority gave it, certificates alone",
        )]
    })?;
    let signing = signing_key(key, key_der).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    if let Err((what, hint)) = fits(&chain, &signing) {
        problems.push(wrong(what, hint));
    } else if let Err(what) = is_in_order(&read) {
        problems.push(wrong(
            what,
            "write the certificate of this server first, and after each one the one that signed it",
        ));
    }
    for (number, certificate) in read.iter().enumerate() {
        if let Err(what) = certificate.dated(now) {
            let what = match number {
                0 => format!("the certificate {what}"),
                number => format!("certificate {} of the file {what}", number + 1),
            };
            problems.push(wrong(what, "renew it, and check this machine's clock"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let shown = shown(&read);
    let key = Arc::new(CertifiedKey::new(chain, signing));
    Ok(Identity { key, shown })
}

fn parsed(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, String> {
    let numbered = chain.iter().enumerate();
    let read = numbered.map(|(number, der)| {
        Certificate::read(der).map_err(|what| format!("certificate {} {what}", number + 1))
    });
    read.collect()
}

fn signing_key(path: &Path, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Problem> {
    provider().key_provider.load_private_key(key).map_err(|_| {
        Problem::of_file(
            path.display().to_string(),
            "the key cannot be used",
            "make one that is RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519",
        )
    })
}

/// Whether the key is that of the first certificate; what is wrong and what to do about it.
fn fits(
    chain: &[CertificateDer<'static>],
    key: &Arc<dyn SigningKey>,
) -> Result<(), (String, &'static str)> {
    let is_key_of = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], Arc::clone(key));
        pair.keys_match().is_ok()
    };
    if is_key_of(&chain[0]) {
        return Ok(());
    }
    match chain.iter().position(is_key_of) {
        Some(place) => Err((
            format!(
                "is in the wrong order: the key is that of certificate {}",
                place + 1
            ),
            "write the certificate of this server first, and after each one the one that signed it",
        )),
        None => Err((
            "the key does not fit the certificate".to_owned(),
            "name the key that the certificate was asked for with; when both are being renewed, \
             the second file ends it",
        )),
    }
}

fn is_in_order(chain: &[Certificate]) -> Result<(), String> {
    for (place, pair) in chain.windows(2).enumerate() {
        if !pair[1].can_have_signed(&pair[0]) {
            return Err(format!(
                "is in the wrong order: certificate {} did not sign certificate {}",
                place + 2,
                place + 1
            ));
        }
    }
    Ok(())
}

/// `chain` is not empty.
fn shown(chain: &[Certificate]) -> Shown {
    let own = &chain[0];
    let ends = chain.iter().map(|certificate| certificate.not_after).min();
    Shown {
        subject: own.subject.clone(),
        names: own.names.clone(),
        sha256: hex(&own.sha256),
        not_before: own.not_before,
        not_after: ends.unwrap_or(own.not_after),
    }
}
