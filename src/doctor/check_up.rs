//! One look at the endpoints of a policy, and at the IM server's own file.

use std::sync::Arc;

use tokio::time::Instant;

use super::examine::Examination;
use super::report::Report;
use super::webhooks::{self, Here};
use crate::callback::Callbacks;
use crate::policy::{Compiled, Endpoint, Snapshot};
use crate::settings::suggest;

/// Looks at the endpoints of one policy.
#[derive(Debug)]
pub struct Doctor<'a> {
    compiled: &'a Compiled,
    snapshot: &'a Snapshot,
}

/// What is to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// One endpoint alone, by its name.
    pub endpoint: Option<String>,
    /// The IM server's own file, by the name that it is told by, and its content.
    pub webhooks: Option<(String, Vec<u8>)>,
    /// When it must be over; what was not played by then is left out, and told.
    pub until: Option<Instant>,
    /// What is not grave counts too.
    pub deny_warnings: bool,
}

/// The policy has no endpoint of this name.
#[derive(Debug, thiserror::Error)]
#[error("no endpoint is named `{name}`; {hint}")]
pub struct UnknownEndpoint {
    name: String,
    hint: String,
}

impl Doctor<'_> {
    /// `None`: the policy has errors.
    pub fn of(compiled: &Compiled) -> Option<Doctor<'_>> {
        let snapshot = compiled.snapshot.as_ref()?;
        Some(Doctor { compiled, snapshot })
    }

    /// Looks at what is wanted; `here` is where callgate itself is.
    ///
    /// Errors: the policy has no such endpoint, and nobody was called.
    pub async fn look(
        &self,
        wanted: &Wanted,
        callbacks: &Callbacks,
        here: &Here,
    ) -> Result<Report, UnknownEndpoint> {
        let endpoints = endpoints(self.snapshot, wanted.endpoint.as_deref())?;
        let remarks = match &wanted.webhooks {
            None => Vec::new(),
            Some((name, content)) => webhooks::look(name, content, self.snapshot, here),
        };
        let examination = Examination {
            compiled: self.compiled,
            snapshot: self.snapshot,
            callbacks,
            until: wanted.until,
        };
        let mut examined = Vec::new();
        for endpoint in &endpoints {
            examined.push(examination.examine(endpoint).await);
        }
        Ok(Report::new(examined, remarks, wanted.deny_warnings))
    }
}

/// Errors: the policy has no endpoint of this name.
fn endpoints(
    snapshot: &Snapshot,
    name: Option<&str>,
) -> Result<Vec<Arc<Endpoint>>, UnknownEndpoint> {
    let Some(name) = name else {
        return Ok(snapshot.endpoints().cloned().collect());
    };
    match snapshot.endpoint(name) {
        Some(endpoint) => Ok(vec![Arc::clone(endpoint)]),
        None => {
            let names: Vec<&str> = snapshot.endpoints().map(|one| &*one.name).collect();
            let hint = suggest(name, names);
            let name = name.to_owned();
            Err(UnknownEndpoint { name, hint })
        }
    }
}
