//! Ids as they are written: plain, or under a key so that nobody can read them and whoever knows
//! one finds it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::settings::IdForm;

const KEY_FILE: &str = "ids.key";
const KEY_BYTES: usize = 32;
/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 12;

#[derive(Debug)]
pub(super) struct Ids {
    key: Option<hmac::Key>,
}

impl Ids {
    /// Reads the key where ids are hashed; makes one where there is none.
    pub(super) fn open(folder: &Path, form: IdForm) -> io::Result<Ids> {
        let key = match form {
            IdForm::Plain => None,
            IdForm::Hashed => {
                let secret = secret(&folder.join(KEY_FILE))?;
                Some(hmac::Key::new(hmac::HMAC_SHA256, &secret))
            }
        };
        Ok(Ids { key })
    }

    /// An id as it is kept. One that is not there stays so.
    pub(super) fn written(&self, id: String) -> String {
        match &self.key {
            Some(key) if !id.is_empty() => {
                let tag = hmac::sign(key, id.as_bytes());
                let kept = &tag.as_ref()[..HASH_BYTES];
                kept.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            _ => id,
        }
    }

    /// What to look for when somebody asks for an id, or for one as it was shown.
    pub(super) fn sought(&self, id: &str) -> Vec<String> {
        let written = self.written(id.to_owned());
        match written == id {
            true => vec![written],
            false => vec![written, id.to_owned()],
        }
    }
}

/// The secret in a file that is nobody else's; made where it is missing.
pub(super) fn secret(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut secret = [0; KEY_BYTES];
    match fs::File::open(path) {
        Ok(mut file) => {
            file.read_exact(&mut secret)?;
            return Ok(secret);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(&secret).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key would be taken for one.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(secret)
}
