//! PEM files, and what is wrong with those that are none.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::Problem;

/// More than all certificates that a machine trusts.
const BYTES_MAX: u64 = 4 << 20;

/// The certificates of a file, in its order; there is at least one.
///
/// Errors: it cannot be read, or holds none, or a broken one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = read.map_err(|error| broken(path, &error))?;
    if certificates.is_empty() {
        let what = "holds no certificate";
        return Err(
            problem(path, what, "write it as PEM: `-----BEGIN CERTIFICATE-----`").of(&text),
        );
    }
    Ok(certificates)
}

/// The first private key of a file.
///
/// Errors: it cannot be read, or holds none, or one that needs a password.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = read(path)?;
    let has = |words: &[u8]| memchr::memmem::find(&text, words).is_some();
    if has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(problem(
            path,
            "the key is encrypted, and nobody is there to type its password",
            "decrypt it (`openssl pkey -in KEY -out DECRYPTED`) and let this user alone read it",
        )
        .problem);
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => {
            let hint = "write it as PEM: `-----BEGIN PRIVATE KEY-----`";
            Err(problem(path, "holds no private key", hint).of(&text))
        }
        Err(error) => Err(broken(path, &error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text));
    if let Err(error) = read {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path; a relative one begins where callgate says",
            io::ErrorKind::PermissionDenied => "let the user that callgate runs as read it",
            _ => "check that it is a file",
        };
        return Err(problem(path, &format!("cannot be read: {error}"), hint).problem);
    }
    if text.len() as u64 > BYTES_MAX {
        let what = "is larger than 4 MiB";
        return Err(problem(path, what, "write PEM certificates alone into it").problem);
    }
    Ok(text)
}

fn broken(path: &Path, error: &pem::Error) -> Problem {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => {
            "is cut off: a PEM block has no `-----END`".to_owned()
        }
        error => format!("is not PEM: {error}"),
    };
    problem(
        path,
        &what,
        "write the whole file, best under another name, and rename it",
    )
    .problem
}

/// What is wrong, with what the content tells in addition.
struct Wrong {
    problem: Problem,
}

fn problem(path: &Path, what: &str, hint: &str) -> Wrong {
    Wrong {
        problem: Problem::of_file(path.display().to_string(), what, hint),
    }
}

impl Wrong {
    /// Says so when it is DER, or nothing yet.
    fn of(self, text: &[u8]) -> Problem {
        let mut problem = self.problem;
        if text.is_empty() {
            problem.what = "is empty".to_owned();
        } else if text.starts_with(&[0x30]) {
            problem.what = "is DER and not PEM".to_owned();
            problem.hint = "convert it: `openssl x509 -inform der -in FILE -out PEM`, for a key \
                            `openssl pkey -inform der`"
                .to_owned();
        }
        problem
    }
}
