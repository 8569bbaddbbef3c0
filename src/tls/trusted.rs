//! Whom a file of authorities trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::certificate::Certificate;
use super::pem;
use crate::settings::Problem;

/// The certificates of a file: what the authorities among them signed is trusted, and each when it
/// is shown itself.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) pins: Vec<CertificateDer<'static>>,
}

/// Errors: a certificate of it cannot be read, or none of them is valid now.
pub(super) fn read(path: &Path, now: SystemTime) -> Result<Trusted, Problem> {
    let pins = pem::certificates(path)?;
    let wrong = |what: String, hint: &str| Problem::of_file(path.display().to_string(), what, hint);
    let mut roots = RootCertStore::empty();
    let mut dated = Err(String::new());
    for (place, der) in pins.iter().enumerate() {
        let number = place + 1;
        let hint = "take the file as the authority gave it";
        let read = Certificate::read(der)
            .map_err(|what| wrong(format!("certificate {number} {what}"), hint))?;
        // What is no authority is trusted itself, and nothing that its key may sign.
        if read.is_authority {
            roots.add(der.clone()).map_err(|error| {
                wrong(
                    format!("certificate {number} cannot be trusted: {error}"),
                    hint,
                )
            })?;
        }
        // An old authority may stay in the file beside the one that follows it.
        dated = match (dated, read.dated(now)) {
            (Err(_), Err(what)) => Err(format!("certificate {number} {what}")),
            _ => Ok(()),
        };
    }
    if let Err(what) = dated {
        return Err(wrong(
            what,
            "add the authority that followed it, and check this machine's clock",
        ));
    }
    Ok(Trusted {
        roots: Arc::new(roots),
        pins,
    })
}
