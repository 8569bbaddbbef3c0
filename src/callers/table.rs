//! Who is who, under the policy in force and the secrets as they were read last.
//!
//! Looking somebody up takes the same time whatever is wrong with a secret: what is brought is
//! hashed, and its digest compared with every one, each to its end.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use subtle::ConditionallySelectable;
use tokio::time::Instant;

use super::known::Known;
use super::refused::Refused;
use super::secrets::Outside;
use crate::policy::{CallerRules, CertificateName, Digest, Secrets};
use crate::tls::{ClientCertificate, San};

/// What a call brings that may say who makes it.
#[derive(Clone, Debug, Default)]
pub struct Evidence<'a> {
    /// `Authorization: Bearer …`.
    pub token: Option<&'a [u8]>,
    /// The part of the path that follows the route.
    pub path: Option<&'a str>,
    /// One that was verified.
    pub certificate: Option<&'a ClientCertificate>,
    /// Of the socket's peer.
    pub address: Option<IpAddr>,
    /// `X-Forwarded-For`, believed if the peer is a named proxy.
    pub forwarded_for: Option<Cow<'a, str>>,
}

/// Whether a certificate is the one that a policy names.
fn is(certificate: &ClientCertificate, named: &CertificateName) -> bool {
    match named {
        CertificateName::San(name) => certificate.names.iter().any(|san| match san {
            San::Dns(own) | San::Uri(own) | San::Email(own) => own.eq_ignore_ascii_case(name),
            San::Ip(own) => own.to_string() == *name,
        }),
        CertificateName::Fingerprint(named) => *named == Digest::from_bytes(certificate.sha256),
    }
}

/// A caller's place in the table.
const NOBODY: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Table {
    callers: Vec<Known>,
    tokens: Vec<(Digest, u32)>,
    paths: Vec<(Digest, u32)>,
    proxies: Vec<IpNet>,
}

impl Table {
    /// `before` is the table before, whose callers go on.
    pub(super) fn new(
        rules: &CallerRules,
        outside: &Outside,
        before: &Table,
        now: Instant,
    ) -> Table {
        let mut table = Table {
            proxies: rules.proxies.clone(),
            ..Table::default()
        };
        for (at, rule) in (0..).zip(&rules.callers) {
            let digests = |secrets: &Secrets| -> Vec<(Digest, u32)> {
                let sources = secrets.sources.iter();
                let outside = sources.flat_map(|source| outside.digests(source));
                let all = secrets.digests.iter().chain(outside);
                all.map(|digest| (*digest, at)).collect()
            };
            table.tokens.extend(digests(&rule.tokens));
            table.paths.extend(digests(&rule.paths));
            let known = before.named(&rule.name);
            table.callers.push(Known::new(Arc::clone(rule), known, now));
        }
        table
    }

    /// Nobody is named: whoever reaches a port may call.
    pub(super) fn is_open(&self) -> bool {
        self.callers.is_empty()
    }

    pub(super) fn callers(&self) -> &[Known] {
        &self.callers
    }

    fn named(&self, name: &str) -> Option<&Known> {
        self.callers.iter().find(|known| &**known.name() == name)
    }

    /// The caller that an address may speak for, or why there is none; and whether the path's part
    /// is somebody's secret.
    pub(super) fn identify(&self, evidence: &Evidence<'_>) -> (Result<Known, Refused>, bool) {
        let by_token = evidence
            .token
            .and_then(|token| self.find(&self.tokens, token));
        let by_path = evidence
            .path
            .filter(|_| !self.paths.is_empty())
            .and_then(|path| self.find(&self.paths, path.as_bytes()));
        let by_certificate = evidence
            .certificate
            .and_then(|certificate| self.certified(certificate));
        let address = self.address(evidence);
        let mut proven = [by_token, by_certificate, by_path].into_iter().flatten();
        let found = proven
            .clone()
            .find(|known| known.rule().may_call_from(address));
        let by_address = || {
            let mut callers = self.callers.iter();
            callers.find(|known| {
                !known.rule().has_credentials() && known.rule().may_call_from(address)
            })
        };
        let found = found.or_else(by_address).cloned();
        let refused = || match proven.next() {
            Some(known) => Refused::Address(Arc::clone(known.name())),
            None if evidence.token.is_some() => Refused::Token,
            None if evidence.certificate.is_some() => Refused::Certificate,
            None => Refused::Nobody,
        };
        (found.ok_or_else(refused), by_path.is_some())
    }

    fn find(&self, digests: &[(Digest, u32)], secret: &[u8]) -> Option<&Known> {
        let sought = Digest::of(secret);
        let mut found = NOBODY;
        for (digest, caller) in digests {
            found.conditional_assign(caller, digest.is(&sought));
        }
        self.callers.get(found as usize)
    }

    fn certified(&self, certificate: &ClientCertificate) -> Option<&Known> {
        self.callers.iter().find(|known| {
            let mut names = known.rule().certificates.iter();
            names.any(|name| is(certificate, name))
        })
    }

    pub(super) fn is_proxy(&self, address: &IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(address))
    }

    /// Whom a call comes from: behind named proxies, the nearest address that is none of theirs.
    fn address(&self, evidence: &Evidence<'_>) -> Option<IpAddr> {
        let peer = evidence.address?.to_canonical();
        let Some(forwarded) = evidence
            .forwarded_for
            .as_ref()
            .filter(|_| self.is_proxy(&peer))
        else {
            return Some(peer);
        };
        let mut last = peer;
        for hop in forwarded.rsplit(',') {
            // What a proxy wrote and we cannot read is nobody's address.
            last = hop.trim().parse::<IpAddr>().ok()?.to_canonical();
            if !self.is_proxy(&last) {
                break;
            }
        }
        Some(last)
    }
}
