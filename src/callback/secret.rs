//! Signatures as Standard Webhooks say, and the secrets that make them.
//!
//! A secret is read where it is needed, looked at again after [`LOOK_AGAIN`], and never printed.

use std::fmt;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::policy::SecretSource;

/// How soon a changed secret is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What stands before a secret, so that it is known for one wherever it turns up.
const PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that sign at the same time: the new one, the old one, and two for a slip.
const SECRETS_MAX: usize = 4;
/// A file with more in it holds something else.
const FILE_BYTES_MAX: u64 = 4096;

/// Why a secret cannot be used. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable `{0}` is not set")]
    NoVariable(String),
    #[error("`{path}` cannot be read: {why}")]
    NoFile { path: String, why: String },
    #[error("it is empty")]
    Empty,
    #[error("{0} secrets are too many, at most {SECRETS_MAX} sign at the same time")]
    TooMany(usize),
    #[error("secret {0} does not begin with `whsec_`")]
    NoPrefix(usize),
    #[error("secret {0} is no base64 after `whsec_`")]
    NoBase64(usize),
    #[error("secret {number} has {bytes} bytes, and must have 24 to 64")]
    Length { number: usize, bytes: usize },
}

/// The keys that sign, the newest first.
#[derive(Clone)]
pub struct Keys(Vec<Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Reads secrets with white space between them.
    fn parse(text: &str) -> Result<Keys, SecretError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err(SecretError::Empty);
        }
        if words.len() > SECRETS_MAX {
            return Err(SecretError::TooMany(words.len()));
        }
        let keys = words.iter().enumerate().map(|(at, word)| {
            let number = at + 1;
            let encoded = word
                .strip_prefix(PREFIX)
                .ok_or(SecretError::NoPrefix(number))?;
            let key = STANDARD
                .decode(encoded)
                .map_err(|_| SecretError::NoBase64(number))?;
            let bytes = key.len();
            match SECRET_BYTES.contains(&bytes) {
                true => Ok(key),
                false => Err(SecretError::Length { number, bytes }),
            }
        });
        Ok(Keys(keys.collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature`: one signature for each key.
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
            mac.update(format!("{id}.{timestamp_s}.").as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// An endpoint's secret as it was last read.
#[derive(Debug, Default)]
pub struct Secret {
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    source: SecretSource,
    at: Instant,
    keys: Result<Arc<Keys>, SecretError>,
}

impl Secret {
    /// The keys that sign now.
    pub fn keys(&self, source: &SecretSource, now: Instant) -> Result<Arc<Keys>, SecretError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*read
            && read.source == *source
            && now.saturating_duration_since(read.at) < LOOK_AGAIN
        {
            return read.keys.clone();
        }
        let keys = look(source).and_then(|text| Keys::parse(&text).map(Arc::new));
        *read = Some(Read {
            source: source.clone(),
            at: now,
            keys: keys.clone(),
        });
        keys
    }
}

fn look(source: &SecretSource) -> Result<String, SecretError> {
    match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))
        }
        SecretSource::File(path) => read_small(path).map_err(|error| SecretError::NoFile {
            path: path.clone(),
            why: error.to_string(),
        }),
    }
}

fn read_small(path: &str) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        let why = format!("it is no file of at most {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference libraries of Standard Webhooks.
    const PUBLISHED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn published(secrets: &str) -> String {
        let keys = Keys::parse(secrets).unwrap();
        let body = br#"{"test": 2432232314}"#;
        keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    }

    #[test]
    fn the_published_example_has_its_signature() {
        assert_eq!(published(PUBLISHED), SIGNATURE);
    }

    #[test]
    fn every_secret_signs_while_one_replaces_the_other() {
        let new = format!("whsec_{}", STANDARD.encode([7; 32]));
        let both = published(&format!("  {new}\n{PUBLISHED}\n"));
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, published(&new));
        assert_eq!(second, SIGNATURE);
    }

    #[test]
    fn a_bad_secret_is_refused_and_not_printed() {
        let encoded = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
        for (text, wanted) in [
            (String::new(), "it is empty"),
            (
                "hunter2".to_owned(),
                "secret 1 does not begin with `whsec_`",
            ),
            (
                format!("{PUBLISHED} whsec_hunter2!"),
                "secret 2 is no base64 after `whsec_`",
            ),
            (encoded(23), "secret 1 has 23 bytes, and must have 24 to 64"),
            (encoded(65), "secret 1 has 65 bytes, and must have 24 to 64"),
            (
                [PUBLISHED; 5].join(" "),
                "5 secrets are too many, at most 4 sign at the same time",
            ),
        ] {
            let error = Keys::parse(&text).unwrap_err();
            assert_eq!(error.to_string(), wanted);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let shown = format!("{:?}", Keys::parse(PUBLISHED).unwrap());
        assert_eq!(shown, "Keys(1)");
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), PUBLISHED).unwrap();
        let source = SecretSource::File(file.path().display().to_string());
        let secret = Secret::default();
        let now = Instant::now();
        assert_eq!(secret.keys(&source, now).unwrap().0.len(), 1);
        fs::write(file.path(), format!("{PUBLISHED}\n{PUBLISHED}")).unwrap();
        assert_eq!(secret.keys(&source, now).unwrap().0.len(), 1);
        let later = now + LOOK_AGAIN;
        assert_eq!(secret.keys(&source, later).unwrap().0.len(), 2);
        fs::remove_file(file.path()).unwrap();
        let gone = secret.keys(&source, later + LOOK_AGAIN).unwrap_err();
        assert!(gone.to_string().contains("cannot be read"), "{gone}");
        let unset = SecretSource::Env("CALLGATE_TEST_NO_SUCH_VARIABLE".to_owned());
        let unset = secret.keys(&unset, later + LOOK_AGAIN).unwrap_err();
        assert_eq!(
            unset.to_string(),
            "the environment variable `CALLGATE_TEST_NO_SUCH_VARIABLE` is not set"
        );
    }
}
