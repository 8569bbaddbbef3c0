//! The certificates that endpoints are called with, where their policy names some.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::ClientConfig;

use crate::policy::{Endpoint, EndpointTls};
use crate::settings::Problem;
use crate::tls::{CallingFiles, CallingTls, CertificateStatus};

/// Our calls are HTTP/1.1.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// By the name of the endpoint, with what its policy says.
type ByName = HashMap<Arc<str>, (EndpointTls, Arc<CallingTls>)>;

#[derive(Debug, Default)]
pub(super) struct Certificates(Mutex<ByName>);

/// What is wrong with the files of an endpoint, each with a way out.
pub fn check_tls(tls: &EndpointTls) -> Vec<String> {
    let problems = files(tls).check(SystemTime::now());
    problems.iter().map(ToString::to_string).collect()
}

fn files(tls: &EndpointTls) -> CallingFiles {
    let client = tls.client.as_ref();
    CallingFiles {
        ca: tls.ca.as_ref().map(PathBuf::from),
        client: client.map(|(cert, key)| (cert.into(), key.into())),
        known: Vec::new(),
    }
}

impl Certificates {
    /// Whether the policy of an endpoint names files.
    pub(super) fn names(endpoint: &Endpoint) -> bool {
        endpoint.tls.ca.is_some() || endpoint.tls.client.is_some()
    }

    /// Errors: they were never good since the policy names them.
    pub(super) fn config(&self, endpoint: &Endpoint) -> Result<Arc<ClientConfig>, Arc<str>> {
        let mut all = self.lock();
        if let Some((tls, calling)) = all.get(&endpoint.name)
            && *tls == endpoint.tls
        {
            return Ok(calling.config());
        }
        let used_by = format!("endpoint:{}", endpoint.name);
        let calling = CallingTls::start(used_by, files(&endpoint.tls), PROTOCOLS);
        let calling = Arc::new(calling.map_err(|problems| said(&problems))?);
        let config = calling.config();
        all.insert(Arc::clone(&endpoint.name), (endpoint.tls.clone(), calling));
        Ok(config)
    }

    /// Forgets those of other endpoints.
    pub(super) fn keep_only(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|name, _| keep(name));
    }

    /// Reads again what has changed.
    pub(super) fn look(&self) {
        for calling in self.all() {
            calling.look();
        }
    }

    pub(super) fn status(&self) -> Vec<CertificateStatus> {
        let mut all: Vec<_> = self.all().iter().map(|calling| calling.status()).collect();
        all.sort_by(|a, b| a.used_by.cmp(&b.used_by));
        all
    }

    fn all(&self) -> Vec<Arc<CallingTls>> {
        let all = self.lock();
        all.values()
            .map(|(_, calling)| Arc::clone(calling))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, ByName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(problems: &[Problem]) -> Arc<str> {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ").into()
}
