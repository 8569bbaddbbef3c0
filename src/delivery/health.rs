//! What a worker knows of its endpoint: whether it fails and since when, whether it is paused,
//! and when it is tried next. The first two outlive the process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info};

use super::attempt::{Failing, Standing};
use super::pace::Pace;
use super::request::Ended;
use super::tools::Tools;
use crate::outbox::{Health, OutboxError, Paused};
use crate::policy::Endpoint;

/// The first wait before a paused endpoint is tried; it doubles up to `probe_every`.
const PROBE_WAIT: Duration = Duration::from_secs(1);

pub(super) struct EndpointHealth {
    tools: Arc<Tools>,
    name: String,
    kept: Health,
    /// The first failure in a row that this process saw; milliseconds since 1970.
    seen_ms: Option<u64>,
    hold_until_ms: u64,
    /// When a paused endpoint is tried next.
    probe_at: Instant,
    probe_wait: Duration,
}

impl EndpointHealth {
    pub(super) async fn load(
        tools: Arc<Tools>,
        name: String,
    ) -> Result<EndpointHealth, OutboxError> {
        let stats = tools.outbox.stats().await?;
        let mut endpoints = stats.endpoints.into_iter();
        let stats = endpoints.find(|stats| stats.endpoint == name);
        let mut kept = stats.map(|stats| stats.health).unwrap_or_default();
        // Nothing began in the future: the clock of an earlier process was ahead.
        let now_ms = tools.clock.now_ms();
        kept.failing_since_ms = kept.failing_since_ms.map(|at_ms| at_ms.min(now_ms));
        Ok(EndpointHealth {
            tools,
            name,
            kept,
            seen_ms: None,
            hold_until_ms: 0,
            probe_at: Instant::now(),
            probe_wait: PROBE_WAIT,
        })
    }

    pub(super) fn is_paused(&self) -> bool {
        self.kept.paused.is_some()
    }

    /// How long until a paused endpoint is tried again.
    pub(super) fn probe_left(&self, now: Instant) -> Duration {
        self.probe_at.saturating_duration_since(now)
    }

    /// How long the endpoint asked to be left alone.
    pub(super) fn hold_left(&self) -> Duration {
        let now_ms = self.tools.clock.now_ms();
        Duration::from_millis(self.hold_until_ms.saturating_sub(now_ms))
    }

    /// A paused endpoint is being tried.
    pub(super) fn probed(&mut self, probe_every: Duration, now: Instant) {
        self.probe_wait = self.probe_wait.min(probe_every);
        self.probe_at = now + self.probe_wait;
        self.probe_wait = (self.probe_wait * 2).min(probe_every);
    }

    pub(super) fn failing(&self) -> Option<Failing> {
        Some(Failing {
            since_ms: self.kept.failing_since_ms?,
            seen_ms: self.seen_ms?,
        })
    }

    /// Takes in what a request said about the endpoint.
    pub(super) async fn learn(
        &mut self,
        ended: &Ended,
        endpoint: &Endpoint,
        pace: &mut Pace,
    ) -> Result<(), OutboxError> {
        if let Some(until_ms) = ended.hold_until_ms {
            self.hold_until_ms = self.hold_until_ms.max(until_ms);
        }
        match ended.endpoint {
            Standing::Unknown => Ok(()),
            Standing::Alive => {
                pace.succeeded(endpoint.events.in_flight_max);
                self.recovered(pace).await
            }
            Standing::Pause => self.pause(&ended.detail).await,
            Standing::Failing => self.failed().await,
        }
    }

    async fn failed(&mut self) -> Result<(), OutboxError> {
        let now_ms = self.tools.clock.now_ms();
        self.seen_ms.get_or_insert(now_ms);
        if self.kept.failing_since_ms.is_some() {
            return Ok(());
        }
        self.kept.failing_since_ms = Some(now_ms);
        self.keep().await
    }

    async fn recovered(&mut self, pace: &mut Pace) -> Result<(), OutboxError> {
        self.seen_ms = None;
        if self.kept == Health::default() {
            return Ok(());
        }
        if self.is_paused() {
            info!(
                endpoint = self.name,
                "endpoint answers again, its events are sent"
            );
            pace.slow_down();
        }
        self.probe_wait = PROBE_WAIT;
        self.kept = Health::default();
        self.keep().await
    }

    async fn pause(&mut self, reason: &str) -> Result<(), OutboxError> {
        if self.is_paused() {
            return Ok(());
        }
        error!(
            endpoint = self.name,
            reason, "endpoint paused, its events wait and one of them tries it now and then"
        );
        let now_ms = self.tools.clock.now_ms();
        self.seen_ms.get_or_insert(now_ms);
        self.kept.failing_since_ms.get_or_insert(now_ms);
        self.kept.paused = Some(Paused {
            at_ms: now_ms,
            reason: reason.to_owned(),
        });
        self.probe_at = Instant::now() + self.probe_wait;
        self.keep().await?;
        // What waits for its next attempt, perhaps for a day, is what tries the endpoint, and it
        // goes as soon as the endpoint answers.
        let outbox = &self.tools.outbox;
        outbox.bound_retries(&self.name, vec![now_ms]).await
    }

    async fn keep(&self) -> Result<(), OutboxError> {
        let outbox = &self.tools.outbox;
        outbox.set_health(&self.name, self.kept.clone()).await
    }
}
