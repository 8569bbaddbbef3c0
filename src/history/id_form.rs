//! Ids as they are written: plain, or under a key so that nobody can read them and whoever knows
//! one finds it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::record::cut;
use super::settings::IdForm;

const KEY_FILE: &str = "ids.key";
const KEY_BYTES: usize = 32;
/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 12;

/// Bytes that no text shows.
pub(super) struct Secret(pub [u8; KEY_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Debug)]
pub(super) struct Ids {
    key: Option<Key>,
}

#[derive(Debug)]
struct Key {
    hmac: hmac::Key,
    secret: Secret,
}

impl Ids {
    /// Reads the key where ids are hashed; makes one where there is none.
    pub(super) fn open(folder: &Path, form: IdForm) -> io::Result<Ids> {
        let key = match form {
            IdForm::Plain => None,
            IdForm::Hashed => {
                let secret = secret(&folder.join(KEY_FILE))?;
                let hmac = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
                Some(Key { hmac, secret })
            }
        };
        Ok(Ids { key })
    }

    /// Puts the key back where somebody took it away: whoever starts next must find with it what
    /// is written now.
    pub(super) fn stay(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(KEY_FILE);
        match &self.key {
            Some(key) if !path.exists() => {
                fs::create_dir_all(folder)?;
                keep(&path, &key.secret)
            }
            _ => Ok(()),
        }
    }

    /// An id as it is kept. One that is not there stays so.
    pub(super) fn written(&self, id: String) -> String {
        match &self.key {
            Some(key) if !id.is_empty() => {
                let tag = hmac::sign(&key.hmac, id.as_bytes());
                let kept = &tag.as_ref()[..HASH_BYTES];
                kept.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            _ => id,
        }
    }

    /// What to look for when somebody asks for an id, or for one as it was shown.
    pub(super) fn sought(&self, id: &str) -> Vec<String> {
        let id = cut(id);
        let written = self.written(id.clone());
        match written == id {
            true => vec![written],
            false => vec![written, id],
        }
    }
}

/// The secret in a file that is nobody else's; made where it is missing.
pub(super) fn secret(path: &Path) -> io::Result<Secret> {
    let mut secret = Secret([0; KEY_BYTES]);
    match fs::File::open(path) {
        Ok(mut file) => {
            let read = file.read_exact(&mut secret.0);
            let name = path.display();
            let no_key = |error: io::Error| {
                io::Error::new(error.kind(), format!("`{name}` is no key ({error})"))
            };
            return read.map(|()| secret).map_err(no_key);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    SystemRandom::new()
        .fill(&mut secret.0)
        .map_err(|_| io::Error::other("the system has no random numbers"))?;
    keep(path, &secret)?;
    Ok(secret)
}

fn keep(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file.write_all(&secret.0).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key would be taken for one.
        let _ = fs::remove_file(path);
    }
    written
}
