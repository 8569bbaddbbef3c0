//! Signatures as Standard Webhooks say, and the secrets that make them.
//!
//! A secret is read where it is needed, looked at again after [`LOOK_AGAIN`], and never printed.
//! Of a pair of keys the public half is: it is what a receiver needs.

use std::fmt;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::policy::SecretSource;

/// How soon a changed secret is noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
// What stands before a key, so that it is known for one wherever it turns up.
pub(super) const SHARED_PREFIX: &str = "whsec_";
pub(super) const PRIVATE_PREFIX: &str = "whsk_";
pub(super) const PUBLIC_PREFIX: &str = "whpk_";
const SHARED_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Of an ed25519 key: its seed. The public key may follow, in as many bytes.
const SEED_BYTES: usize = 32;
/// Secrets that sign at the same time: the new one, the old one, and two for a slip.
const SECRETS_MAX: usize = 4;
/// A file with more in it holds something else.
const FILE_BYTES_MAX: u64 = 4096;

/// Why a secret cannot be used. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    #[error("the environment variable `{0}` is not set")]
    NoVariable(String),
    #[error("`{path}` cannot be read: {why}")]
    NoFile { path: String, why: String },
    #[error("it is empty")]
    Empty,
    #[error("{0} secrets are too many, at most {SECRETS_MAX} sign at the same time")]
    TooMany(usize),
    #[error("secret {0} does not begin with `whsec_` or `whsk_`")]
    NoPrefix(usize),
    #[error("secret {0} is a public key, which signs nothing: write the private one, `whsk_…`")]
    Public(usize),
    #[error("secret {number} is no base64 after `{prefix}`")]
    NoBase64 { number: usize, prefix: &'static str },
    #[error("secret {number} has {bytes} bytes, and must have 24 to 64")]
    Length { number: usize, bytes: usize },
    #[error(
        "secret {number} has {bytes} bytes, and a private key has 32 (its seed) or 64 (its seed and the public key)"
    )]
    PairLength { number: usize, bytes: usize },
    #[error(
        "the last 32 bytes of secret {0} are not the public key of the first 32: write the seed alone"
    )]
    Torn(usize),
}

/// The keys that sign, the newest first.
pub(super) struct Keys(Vec<Key>);

enum Key {
    /// The receiver has the same: HMAC-SHA256.
    Shared(hmac::Key),
    /// The receiver has the public half: ed25519.
    Pair(Ed25519KeyPair),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Reads secrets with white space between them.
    pub(super) fn parse(text: &str) -> Result<Keys, SecretError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err(SecretError::Empty);
        }
        if words.len() > SECRETS_MAX {
            return Err(SecretError::TooMany(words.len()));
        }
        let keys = words.iter().enumerate();
        let keys = keys.map(|(at, word)| Key::parse(at + 1, word));
        Ok(Keys(keys.collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature`: one signature for each key.
    pub(super) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_s}.");
        let signatures = self.0.iter().map(|key| key.sign(head.as_bytes(), body));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// What receivers verify with, for the keys that have such a half: `whpk_…`.
    fn public(&self) -> Vec<String> {
        let public = self.0.iter().filter_map(|key| match key {
            Key::Shared(_) => None,
            Key::Pair(pair) => Some(format!(
                "{PUBLIC_PREFIX}{}",
                STANDARD.encode(pair.public_key())
            )),
        });
        public.collect()
    }
}

impl Key {
    /// `number` is the key's place among the others, from 1.
    fn parse(number: usize, word: &str) -> Result<Key, SecretError> {
        let decode = |encoded: &str, prefix| {
            let decoded = STANDARD.decode(encoded);
            decoded.map_err(|_| SecretError::NoBase64 { number, prefix })
        };
        if let Some(encoded) = word.strip_prefix(SHARED_PREFIX) {
            let key = decode(encoded, SHARED_PREFIX)?;
            let bytes = key.len();
            return match SHARED_BYTES.contains(&bytes) {
                true => Ok(Key::Shared(hmac::Key::new(hmac::HMAC_SHA256, &key))),
                false => Err(SecretError::Length { number, bytes }),
            };
        }
        if let Some(encoded) = word.strip_prefix(PRIVATE_PREFIX) {
            let key = decode(encoded, PRIVATE_PREFIX)?;
            let bytes = key.len();
            let pair = match key.split_at_checked(SEED_BYTES) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) if public.len() == SEED_BYTES => {
                    Ed25519KeyPair::from_seed_and_public_key(seed, public)
                }
                _ => return Err(SecretError::PairLength { number, bytes }),
            };
            return pair.map(Key::Pair).map_err(|_| SecretError::Torn(number));
        }
        Err(match word.starts_with(PUBLIC_PREFIX) {
            true => SecretError::Public(number),
            false => SecretError::NoPrefix(number),
        })
    }

    /// `head` is what is signed in front of the body.
    fn sign(&self, head: &[u8], body: &[u8]) -> String {
        match self {
            Key::Shared(key) => {
                let mut signing = hmac::Context::with_key(key);
                signing.update(head);
                signing.update(body);
                format!("v1,{}", STANDARD.encode(signing.sign()))
            }
            Key::Pair(pair) => {
                let signature = pair.sign(&[head, body].concat());
                format!("v1a,{}", STANDARD.encode(signature))
            }
        }
    }
}

/// An endpoint's secret as it was last read.
#[derive(Debug, Default)]
pub(super) struct Secret {
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    source: SecretSource,
    at: Instant,
    keys: Result<Arc<Keys>, SecretError>,
    /// Those that were told last.
    public: Vec<String>,
}

impl Secret {
    /// The keys that sign now. `tell` is called with the public halves when they are others than
    /// those that it was called with before.
    pub(super) fn keys(
        &self,
        source: &SecretSource,
        now: Instant,
        tell: impl FnOnce(&[String]),
    ) -> Result<Arc<Keys>, SecretError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*read
            && read.source == *source
            && now.saturating_duration_since(read.at) < LOOK_AGAIN
        {
            return read.keys.clone();
        }
        let keys = look(source).and_then(|text| Keys::parse(&text).map(Arc::new));
        let told = read.take().map(|read| read.public).unwrap_or_default();
        let public = match &keys {
            Ok(keys) => keys.public(),
            Err(_) => told.clone(),
        };
        if public != told {
            tell(&public);
        }
        *read = Some(Read {
            source: source.clone(),
            at: now,
            keys: keys.clone(),
            public,
        });
        keys
    }

    /// What receivers verify with now; empty where both sides have the same secret, where there is
    /// none, and where it cannot be read.
    pub(super) fn public_keys(&self) -> Vec<String> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = read.as_ref().and_then(|read| read.keys.as_ref().ok());
        keys.map(|keys| keys.public()).unwrap_or_default()
    }

    /// Calls are not signed any more.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether a secret can be used now; if not, why, in words without any of it.
pub fn check_secret(source: &SecretSource) -> Result<(), String> {
    let keys = look(source).and_then(|text| Keys::parse(&text));
    keys.map(drop).map_err(|error| error.to_string())
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

    /// RFC 8032, section 7.1, test 2: the message is the one byte 0x72.
    const SEED: [u8; 32] = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e,
        0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8,
        0xa6, 0xfb,
    ];
    const PUBLIC: [u8; 32] = [
        0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e,
        0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4,
        0x66, 0x0c,
    ];
    const PAIR_SIGNATURE: &str = "v1a,kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==";

    fn pair(bytes: &[u8]) -> String {
        format!("whsk_{}", STANDARD.encode(bytes))
    }

    #[test]
    fn a_pair_of_keys_signs_as_its_standard_says() {
        for secret in [pair(&SEED), pair(&[SEED, PUBLIC].concat())] {
            let keys = Keys::parse(&secret).unwrap();
            assert_eq!(keys.0[0].sign(b"", b"\x72"), PAIR_SIGNATURE);
            assert_eq!(keys.0[0].sign(b"\x72", b""), PAIR_SIGNATURE);
            let public = format!("whpk_{}", STANDARD.encode(PUBLIC));
            assert_eq!(keys.public(), [public]);
        }
    }

    #[test]
    fn both_kinds_sign_side_by_side() {
        let both = published(&format!("{} {PUBLISHED}", pair(&SEED)));
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, published(&pair(&SEED)));
        assert!(first.starts_with("v1a,"));
        assert_eq!(second, SIGNATURE);
    }

    #[test]
    fn public_keys_are_told_when_they_change() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = SecretSource::File(file.path().display().to_string());
        let secret = Secret::default();
        let mut now = Instant::now();
        let mut told = |text: &str| {
            fs::write(file.path(), text).unwrap();
            now += LOOK_AGAIN;
            let mut told = None;
            let _ = secret.keys(&source, now, |keys| told = Some(keys.len()));
            (told, secret.public_keys().len())
        };
        assert_eq!(told(PUBLISHED), (None, 0));
        assert_eq!(told(&pair(&SEED)), (Some(1), 1));
        assert_eq!(told(&pair(&SEED)), (None, 1));
        assert_eq!(told("half a secret"), (None, 0));
        assert_eq!(told(&pair(&SEED)), (None, 1));
        assert_eq!(
            told(&format!("{} {}", pair(&[7; 32]), pair(&SEED))),
            (Some(2), 2)
        );
        assert_eq!(told(PUBLISHED), (Some(0), 0));
        secret.forget();
        assert_eq!(secret.public_keys(), [""; 0]);
    }

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
                "secret 1 does not begin with `whsec_` or `whsk_`",
            ),
            (
                format!("{PUBLISHED} whsec_hunter2!"),
                "secret 2 is no base64 after `whsec_`",
            ),
            (encoded(23), "secret 1 has 23 bytes, and must have 24 to 64"),
            (encoded(65), "secret 1 has 65 bytes, and must have 24 to 64"),
            (
                format!("{PUBLISHED} whsk_hunter2!"),
                "secret 2 is no base64 after `whsk_`",
            ),
            (
                pair(&[1; 48]),
                "secret 1 has 48 bytes, and a private key has 32 (its seed) or 64 (its seed and the public key)",
            ),
            (
                pair(&[1; 31]),
                "secret 1 has 31 bytes, and a private key has 32 (its seed) or 64 (its seed and the public key)",
            ),
            (
                pair(&[1; 64]),
                "the last 32 bytes of secret 1 are not the public key of the first 32: write the seed alone",
            ),
            (
                format!("whpk_{}", STANDARD.encode(PUBLIC)),
                "secret 1 is a public key, which signs nothing: write the private one, `whsk_…`",
            ),
            (
                [PUBLISHED; 5].join(" "),
                "5 secrets are too many, at most 4 sign at the same time",
            ),
        ] {
            let error = Keys::parse(&text).unwrap_err();
            assert_eq!(error.to_string(), wanted);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        let both = format!("{PUBLISHED} {}", pair(&SEED));
        let shown = format!("{:?}", Keys::parse(&both).unwrap());
        assert_eq!(shown, "Keys(2)");
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), PUBLISHED).unwrap();
        let source = SecretSource::File(file.path().display().to_string());
        let secret = Secret::default();
        let now = Instant::now();
        assert_eq!(secret.keys(&source, now, |_| {}).unwrap().0.len(), 1);
        fs::write(file.path(), format!("{PUBLISHED}\n{PUBLISHED}")).unwrap();
        assert_eq!(secret.keys(&source, now, |_| {}).unwrap().0.len(), 1);
        let later = now + LOOK_AGAIN;
        assert_eq!(secret.keys(&source, later, |_| {}).unwrap().0.len(), 2);
        fs::remove_file(file.path()).unwrap();
        let gone = secret
            .keys(&source, later + LOOK_AGAIN, |_| {})
            .unwrap_err();
        assert!(gone.to_string().contains("cannot be read"), "{gone}");
        let unset = SecretSource::Env("CALLGATE_TEST_NO_SUCH_VARIABLE".to_owned());
        let unset = secret.keys(&unset, later + LOOK_AGAIN, |_| {}).unwrap_err();
        assert_eq!(
            unset.to_string(),
            "the environment variable `CALLGATE_TEST_NO_SUCH_VARIABLE` is not set"
        );
    }
}
