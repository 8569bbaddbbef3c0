//! Looks whether a call was signed by callgate: for those who receive calls.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::secret::{PRIVATE_PREFIX, PUBLIC_PREFIX, SHARED_PREFIX};

/// How far the time of a signature may be from now, as Standard Webhooks say.
const AGE_MAX: Duration = Duration::from_secs(300);
const SEED_BYTES: usize = 32;

/// The keys that a receiver verifies with.
pub struct Verifier(Vec<Key>);

enum Key {
    Shared(hmac::Key),
    Public(Vec<u8>),
}

/// What a call says of its signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<'a> {
    pub id: Option<&'a str>,
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
}

impl Verifier {
    /// Reads secrets with white space between them: `whsec_…`, `whpk_…`, or `whsk_…`, of which the
    /// public half counts.
    ///
    /// Errors: what is wrong, in one clause that holds nothing of a secret.
    pub fn read(text: &str) -> Result<Verifier, String> {
        let keys: Result<Vec<Key>, String> = text.split_whitespace().map(Key::read).collect();
        let keys = keys?;
        match keys.is_empty() {
            true => Err("the secret is empty".to_owned()),
            false => Ok(Verifier(keys)),
        }
    }

    /// Errors: why the signature is none of ours.
    pub fn verify(&self, signed: Signed<'_>, body: &[u8], now_s: u64) -> Result<(), String> {
        let missing = |name| format!("`{name}` is missing");
        let id = signed.id.ok_or_else(|| missing("webhook-id"))?;
        let timestamp = signed
            .timestamp
            .ok_or_else(|| missing("webhook-timestamp"))?;
        let signatures = signed
            .signature
            .ok_or_else(|| missing("webhook-signature"))?;
        let at: u64 = timestamp
            .parse()
            .map_err(|_| "`webhook-timestamp` is no number".to_owned())?;
        if now_s.abs_diff(at) > AGE_MAX.as_secs() {
            let seconds = now_s.abs_diff(at);
            return Err(format!("it is {seconds} s from now, and 300 s are allowed"));
        }
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let good = signatures
            .split(' ')
            .any(|signature| self.0.iter().any(|key| key.verifies(signature, &signed)));
        match good {
            true => Ok(()),
            false => Err("no signature is by this secret over this body".to_owned()),
        }
    }
}

impl Key {
    fn read(word: &str) -> Result<Key, String> {
        let decode = |encoded: &str| {
            let decoded = STANDARD.decode(encoded);
            decoded.map_err(|_| "the secret is no base64 after its prefix".to_owned())
        };
        if let Some(encoded) = word.strip_prefix(SHARED_PREFIX) {
            return Ok(Key::Shared(hmac::Key::new(
                hmac::HMAC_SHA256,
                &decode(encoded)?,
            )));
        }
        if let Some(encoded) = word.strip_prefix(PUBLIC_PREFIX) {
            return Ok(Key::Public(decode(encoded)?));
        }
        if let Some(encoded) = word.strip_prefix(PRIVATE_PREFIX) {
            let seed = decode(encoded)?;
            let seed = seed.get(..SEED_BYTES).unwrap_or_default();
            let pair = Ed25519KeyPair::from_seed_unchecked(seed)
                .map_err(|_| "the private key is shorter than 32 bytes".to_owned())?;
            return Ok(Key::Public(pair.public_key().as_ref().to_vec()));
        }
        Err("the secret does not begin with `whsec_`, `whpk_` or `whsk_`".to_owned())
    }

    fn verifies(&self, signature: &str, signed: &[u8]) -> bool {
        let decoded = |prefix| STANDARD.decode(signature.strip_prefix(prefix)?).ok();
        match self {
            Key::Shared(key) => {
                decoded("v1,").is_some_and(|tag| hmac::verify(key, signed, &tag).is_ok())
            }
            Key::Public(key) => decoded("v1a,").is_some_and(|tag| {
                UnparsedPublicKey::new(&ED25519, key)
                    .verify(signed, &tag)
                    .is_ok()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    const PRIVATE: &str = "whsk_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    #[test]
    fn what_callgate_signs_verifies_and_nothing_else_does() {
        use super::super::secret::Keys;
        for secret in [SHARED, PRIVATE] {
            let keys = Keys::parse(secret).unwrap();
            let signature = keys.sign("id1", 1000, b"body");
            let verifier = Verifier::read(secret).unwrap();
            let signed = Signed {
                id: Some("id1"),
                timestamp: Some("1000"),
                signature: Some(&signature),
            };
            assert_eq!(verifier.verify(signed, b"body", 1100), Ok(()));
            let no = "no signature is by this secret over this body";
            assert_eq!(verifier.verify(signed, b"bodY", 1100), Err(no.to_owned()));
            let other = Signed {
                id: Some("id2"),
                ..signed
            };
            assert_eq!(verifier.verify(other, b"body", 1100), Err(no.to_owned()));
            assert!(
                verifier
                    .verify(signed, b"body", 1301)
                    .unwrap_err()
                    .contains("301 s")
            );
            let without = Signed {
                signature: None,
                ..signed
            };
            assert!(
                verifier
                    .verify(without, b"body", 1000)
                    .unwrap_err()
                    .contains("missing")
            );
        }
        let bad = Verifier::read("secret").err();
        assert!(bad.unwrap().contains("does not begin"));
    }
}
