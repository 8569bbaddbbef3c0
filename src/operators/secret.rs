//! What somebody is known by and nobody can guess.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use super::error::OperatorsError;
use crate::policy::Digest;

const SECRET_BYTES: usize = 32;
/// Says in a log or a repository what was left lying there.
const TOKEN_START: &str = "cg_";

/// 32 random bytes as base64 for URLs. It is shown once; what is kept is its digest.
pub struct Secret(String);

impl Secret {
    /// Of a link or a session.
    pub(super) fn new() -> Result<Secret, OperatorsError> {
        Ok(Secret(URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?)))
    }

    /// Of a token, which begins with `cg_`.
    pub(super) fn new_token() -> Result<Secret, OperatorsError> {
        let Secret(text) = Secret::new()?;
        Ok(Secret(format!("{TOKEN_START}{text}")))
    }

    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// For the one who is to have it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

pub(super) fn random<const COUNT: usize>() -> Result<[u8; COUNT], OperatorsError> {
    let mut bytes = [0; COUNT];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| OperatorsError::NoRandom)?;
    Ok(bytes)
}
