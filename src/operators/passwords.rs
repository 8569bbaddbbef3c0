//! Passwords: how they are kept, and how much of the machine guessing them can take.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::error::OperatorsError;
use super::secret::random;

pub(super) const CHARS_MIN: usize = 10;
/// What a password is made of takes no longer the longer it is, but it has to end somewhere.
pub(super) const BYTES_MAX: usize = 256;
/// Passwords that are hashed at the same time; each takes 19 MiB and one core.
const AT_ONCE: usize = 2;

/// 19 MiB, twice over: the first of OWASP's recommendations.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// A password as it is kept: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hashed(pub(super) String);

impl Hashed {
    fn of(password: &str) -> Result<Hashed, OperatorsError> {
        let salt = random::<SALT_BYTES>()?;
        let hash = stretch(password, &salt, MEMORY_KIB, PASSES).ok_or(OperatorsError::NoRandom)?;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        Ok(Hashed(format!(
            "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${hash}"
        )))
    }

    /// Whether it is this password. What cannot be read is none.
    fn is(&self, password: &str) -> bool {
        let read = || {
            let rest = self.0.strip_prefix("$argon2id$v=19$m=")?;
            let (memory, rest) = rest.split_once(",t=")?;
            let (passes, rest) = rest.split_once(",p=1$")?;
            let (salt, hash) = rest.split_once('$')?;
            let salt = STANDARD_NO_PAD.decode(salt).ok()?;
            let hash = STANDARD_NO_PAD.decode(hash).ok()?;
            let found = stretch(password, &salt, memory.parse().ok()?, passes.parse().ok()?)?;
            Some(bool::from(found.ct_eq(&hash[..])))
        };
        read().unwrap_or(false)
    }
}

fn stretch(password: &str, salt: &[u8], memory: u32, passes: u32) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(memory, passes, 1, Some(HASH_BYTES)).ok()?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

/// Hashes passwords, a few at a time.
#[derive(Debug)]
pub(super) struct Passwords {
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords {
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Errors: it is too short, too long or the name itself.
    pub(super) async fn keep(
        &self,
        name: &str,
        password: String,
    ) -> Result<Hashed, OperatorsError> {
        let is_good = password.chars().count() >= CHARS_MIN
            && password.len() <= BYTES_MAX
            && !password.eq_ignore_ascii_case(name);
        if !is_good {
            return Err(OperatorsError::Password(CHARS_MIN, BYTES_MAX));
        }
        self.in_turn(move || Hashed::of(&password)).await?
    }

    /// Whether somebody has this password. Nobody has none, and that takes as long to find out.
    pub(super) async fn check(
        &self,
        kept: Option<Hashed>,
        password: String,
    ) -> Result<bool, OperatorsError> {
        self.in_turn(move || match kept {
            Some(kept) => kept.is(&password),
            None => {
                let nobody = stretch(&password, &[0; SALT_BYTES], MEMORY_KIB, PASSES);
                std::hint::black_box(nobody);
                false
            }
        })
        .await
    }

    /// Away from who answers others, and not more than a few at a time.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OperatorsError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await
            .map_err(|error| OperatorsError::Folder(std::io::Error::other(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let kept = Hashed::of("correct horse").unwrap();
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(kept.is("correct horse"));
        for other in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert!(!kept.is(other), "{other}");
        }
        // Two people with one password cannot be told by it.
        assert_ne!(kept, Hashed::of("correct horse").unwrap());
        for nonsense in [
            "",
            "$",
            "$argon2id$v=19$m=1,t=0,p=1$$",
            "$argon2i$v=19$m=8,t=1,p=1$a$b",
        ] {
            assert!(!Hashed(nonsense.to_owned()).is(""), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn passwords_that_are_easily_guessed_are_not_taken() {
        let passwords = Passwords::new();
        for (password, taken) in [
            ("short", false),
            ("operator-1", false),
            ("OPERATOR-1", false),
            ("ten chars!", true),
            ("一二三四五六七八九十", true),
            (&"x".repeat(257), false),
        ] {
            let kept = passwords.keep("operator-1", password.to_owned()).await;
            assert_eq!(kept.is_ok(), taken, "{password}");
        }
    }
}
