//! Whoever has the outbox open, asked in the same words: a running server, or the file itself.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use futures_util::StreamExt;

use crate::admin::orders as acts;
use crate::admin::outbox as orders;
use crate::audit::{Act, Audit, Begun};
use crate::cli::audited;
use crate::cli::client::{self, AdminClient};
use crate::cli::engine_file::config_for_files;
use crate::cli::files::Files;
use crate::cli::output;
use crate::cli::postgres;
use crate::cli::reach::{Asked, Reach, TlsArgs};
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::outbox::{self, Kind, OpenError, Outbox};
use crate::proto::v1;
use crate::telemetry::UsageLimits;

/// Whoever has the outbox open: a server, or this command itself.
pub(super) enum Client {
    Server(AdminClient),
    File(Held),
}

/// The file, opened by this command, and where it records what it does.
pub(super) struct Held {
    pub(super) outbox: Arc<dyn Outbox>,
    limits: UsageLimits,
    audit: Arc<Audit>,
}

impl Held {
    async fn begin(&self, act: Act) -> anyhow::Result<Begun> {
        Ok(self.audit.begun(act).await?)
    }
}

impl Client {
    pub(super) async fn find(
        files: &Files,
        server: Option<String>,
        tls: &TlsArgs,
    ) -> anyhow::Result<Client> {
        if server.is_some() {
            let reach = Reach::find(Asked::Admin, server, tls, files)?;
            return Ok(Client::Server(large(client::admin(&reach).await?)));
        }
        let config = config_for_files(files)?;
        let reach = Reach::of(Asked::Admin, None, tls, Some(&config))?;
        if let Ok(admin) = client::admin(&reach).await {
            return Ok(Client::Server(large(admin)));
        }
        let outbox = open_file(&config, &reach.url)?;
        Ok(Client::File(Held {
            outbox,
            limits: config.usage_limits(),
            audit: audited::open(&config),
        }))
    }

    pub(super) async fn status(&self) -> anyhow::Result<v1::OutboxStatusResponse> {
        match self {
            Client::Server(client) => one(client
                .clone()
                .outbox_status(v1::OutboxStatusRequest {})
                .await),
            Client::File(held) => orders::status(&*held.outbox, held.limits, Clock::start())
                .await
                .map_err(said),
        }
    }

    pub(super) async fn dead(
        &self,
        request: v1::DeadLettersRequest,
    ) -> anyhow::Result<v1::DeadLettersResponse> {
        match self {
            Client::Server(client) => one(client.clone().dead_letters(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                let act = acts::show_dead(audited::who(), &request);
                let shown = request.show.then_some(act);
                let page = orders::dead(&*held.outbox, request).await.map_err(said)?;
                if let Some(act) = shown.filter(|_| !page.letters.is_empty()) {
                    let act = act.count("events", page.letters.len() as u64);
                    held.audit.recorded(act).await?;
                }
                Ok(page)
            }
        }
    }

    pub(super) async fn discarded(
        &self,
        request: v1::DiscardedEventsRequest,
    ) -> anyhow::Result<v1::DiscardedEventsResponse> {
        match self {
            Client::Server(client) => one(client.clone().discarded_events(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                orders::discarded(&*held.outbox, request)
                    .await
                    .map_err(said)
            }
        }
    }

    pub(super) async fn pending(
        &self,
        request: v1::PendingEventsRequest,
    ) -> anyhow::Result<v1::PendingEventsResponse> {
        match self {
            Client::Server(client) => one(client.clone().pending_events(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                let act = acts::show_pending(audited::who(), &request);
                let shown = request.show.then_some(act);
                let page = orders::pending(&*held.outbox, request)
                    .await
                    .map_err(said)?;
                if let Some(act) = shown.filter(|_| !page.events.is_empty()) {
                    let act = act.count("events", page.events.len() as u64);
                    held.audit.recorded(act).await?;
                }
                Ok(page)
            }
        }
    }

    pub(super) async fn replay(
        &self,
        mut request: v1::ReplayDeadRequest,
    ) -> anyhow::Result<orders::Progress> {
        match self {
            Client::Server(client) => steps(client.clone().replay_dead(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                // Nothing is sent before the next start, so there is nothing to spare.
                request.rate = u32::MAX;
                let act = acts::replay(audited::who(), &request);
                let counts_only = request.dry_run;
                let progress = orders::replay(held.outbox.clone(), request, Clock::start());
                let progress = progress.map_err(said)?;
                match counts_only {
                    true => Ok(progress),
                    false => Ok(acts::audited(progress, held.begin(act).await?)),
                }
            }
        }
    }

    pub(super) async fn discard(
        &self,
        request: v1::DiscardEventsRequest,
    ) -> anyhow::Result<orders::Progress> {
        match self {
            Client::Server(client) => steps(client.clone().discard_events(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                let act = acts::discard(audited::who(), &request);
                let counts_only = request.dry_run;
                let progress = orders::discard(held.outbox.clone(), request, Clock::start());
                let progress = progress.map_err(said)?;
                match counts_only {
                    true => Ok(progress),
                    false => Ok(acts::audited(progress, held.begin(act).await?)),
                }
            }
        }
    }

    pub(super) async fn retry(
        &self,
        request: v1::RetryPendingRequest,
    ) -> anyhow::Result<orders::Progress> {
        match self {
            Client::Server(client) => steps(client.clone().retry_pending(request).await),
            Client::File(held) => {
                check(&held.outbox, request.filter.as_ref()).await?;
                let begun = held.begin(acts::retry(audited::who(), &request)).await?;
                let progress = orders::retry(held.outbox.clone(), request, Clock::start());
                Ok(acts::audited(progress, begun))
            }
        }
    }
}

/// A server's answer.
fn one<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> anyhow::Result<T> {
    answer.map(tonic::Response::into_inner).map_err(said)
}

/// A server's answer, step by step.
fn steps(
    answer: Result<tonic::Response<tonic::Streaming<v1::OutboxProgress>>, tonic::Status>,
) -> anyhow::Result<orders::Progress> {
    one(answer).map(|steps| steps.boxed())
}

/// A server checks names for itself; it knows the policy too.
async fn check<'a, F>(outbox: &Arc<dyn Outbox>, filter: Option<&'a F>) -> anyhow::Result<()>
where
    &'a F: Into<orders::Named<'a>>,
{
    let checked = orders::check_names(&**outbox, &[], filter).await;
    checked.map_err(said)
}

/// A body may be larger than what gRPC takes by itself.
fn large(admin: AdminClient) -> AdminClient {
    admin.max_decoding_message_size(usize::MAX)
}

fn open_file(config: &Config, url: &str) -> anyhow::Result<Arc<dyn Outbox>> {
    let on_fatal =
        |why: &str| output::complain(&format!("callgate: the disk of the outbox failed: {why}"));
    if config.storage != Storage::Embedded {
        let settings = postgres::outbox_of(config)?;
        return Ok(outbox::open(&settings, Box::new(on_fatal))?);
    }
    let path = config.outbox.path.display();
    if config.outbox.kind == Kind::Memory {
        bail!("no callgate answers at {url}, and an outbox in memory ends with its server");
    }
    if !config.outbox.path.exists() {
        bail!("no callgate answers at {url}, and there is no outbox at `{path}`");
    }
    outbox::open(&config.outbox, Box::new(on_fatal)).map_err(|error| match error {
        OpenError::Locked { .. } => anyhow!(
            "`{path}` is in use by a server that does not answer at {url}; name its `admin.listen` with --server"
        ),
        error => error.into(),
    })
}

/// What was asked for cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

/// What a server or the outbox said, for the person who asked.
pub(super) fn said(status: tonic::Status) -> anyhow::Error {
    match status.code() {
        tonic::Code::InvalidArgument => {
            // Of a command the option is meant, not the field.
            let said = status.message();
            let said = said.trim_start_matches("filter.endpoint: ");
            let said = said.trim_start_matches("filter.hook: ");
            Refused(said.to_owned()).into()
        }
        _ => client::said(status),
    }
}
