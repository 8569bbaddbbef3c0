//! Who may call callgate: plain values, as a policy gives them.

use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConstantTimeEq};

use super::endpoint::SecretSource;
use crate::event::Hook;

/// Callers that a policy may name. Every call is compared with all of them.
pub(super) const CALLERS_MAX: usize = 64;

/// All that a policy says of callers. Without any, whoever reaches a port may call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallerRules {
    pub callers: Vec<Arc<CallerRule>>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
}

/// One caller: what it is known by, and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerRule {
    pub name: Arc<str>,
    pub tokens: Secrets,
    /// Of the part of a path that follows a route.
    pub paths: Secrets,
    pub certificates: Vec<CertificateName>,
    /// Where it calls from. The only way to know it, or a condition on every other one.
    pub addresses: Vec<IpNet>,
    /// `None`: all hooks.
    pub hooks: Option<Vec<Hook>>,
    pub limits: CallerLimits,
}

impl CallerRule {
    /// It shows something that others do not have; otherwise its address is all there is.
    pub fn has_credentials(&self) -> bool {
        !(self.tokens.is_empty() && self.paths.is_empty() && self.certificates.is_empty())
    }

    /// Whether it may call from this address.
    pub fn may_call_from(&self, address: Option<IpAddr>) -> bool {
        self.addresses.is_empty()
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                self.addresses.iter().any(|net| net.contains(&address))
            })
    }

    pub fn may_call(&self, hook: Hook) -> bool {
        self.hooks
            .as_ref()
            .is_none_or(|hooks| hooks.contains(&hook))
    }
}

/// What one caller may ask of us; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerLimits {
    pub in_flight_max: usize,
    pub calls_per_second: u32,
    /// Calls at once, after a rest; 0 is as many as a second has.
    pub burst: u32,
}

/// Secrets that are as good as each other: digests that stand in the policy, and places where
/// secrets are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secrets {
    pub digests: Vec<Digest>,
    pub sources: Vec<SecretSource>,
}

impl Secrets {
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty() && self.sources.is_empty()
    }
}

/// A client certificate, as a policy names it.
#[derive(Clone, Debug, PartialEq)]
pub enum CertificateName {
    /// One of its alternative names: a DNS name, an IP address or a URI. Letter case does not
    /// matter.
    San(String),
    /// SHA-256 of all of it.
    Fingerprint(Digest),
}

/// SHA-256 of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u64; 4]);

impl Digest {
    pub fn of(secret: &[u8]) -> Digest {
        let digest = digest(&SHA256, secret);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Digest::from_bytes(bytes)
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Digest {
        let mut words = [0; 4];
        for (word, part) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*part);
        }
        Digest(words)
    }

    /// Reads 64 hex digits, with `:` between the bytes or without.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(Digest::from_bytes(bytes))
    }

    /// Takes the same time whatever is compared.
    pub fn is(&self, other: &Digest) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

/// A weak secret could be found from its digest.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_and_written_in_hex() {
        // NIST's example of SHA-256 for one block.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), hex);
        assert_eq!(Digest::from_hex(hex), Some(digest));
        let colons: Vec<_> = hex
            .as_bytes()
            .chunks(2)
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(
            Digest::from_hex(&colons.join(":").to_uppercase()),
            Some(digest)
        );
        for wrong in [
            "",
            "ba78",
            &hex[1..],
            &format!("{hex}00"),
            &hex.replace('b', "g"),
        ] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
        assert!(!format!("{digest:?}").contains("ba78"));
    }

    #[test]
    fn digests_that_differ_in_one_bit_differ() {
        let digest = Digest::of(b"abc");
        assert!(bool::from(digest.is(&Digest::of(b"abc"))));
        for bit in 0..256 {
            let mut other = digest;
            other.0[bit / 64] ^= 1 << (bit % 64);
            assert!(!bool::from(digest.is(&other)), "{bit}");
        }
    }
}
