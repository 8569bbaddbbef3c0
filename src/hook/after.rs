//! A message after it was sent: what a policy wants goes to the outbox, then it is acknowledged.

use std::sync::Arc;

use tracing::warn;
use uuid::Uuid;

use crate::clock::Clock;
use crate::event::{Event, Hook};
use crate::outbox::{AppendError, Appended, AsRead, NewEntry, Outbox, Series};
use crate::policy::{HookRules, Version};
use crate::reload::Policies;
use crate::telemetry::{LogThrottle, Metrics};

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// On disk under this id; will be delivered at least once.
    Stored(String),
    /// An event with this id was accepted before.
    Duplicate(String),
    /// No rule wants it.
    Dropped,
}

/// The events could not be stored, and none of them was.
#[derive(Debug, thiserror::Error)]
#[error("events were not stored: {0}")]
pub struct NotStored(#[from] pub AppendError);

/// Accepts after events.
pub struct After {
    policies: Arc<Policies>,
    outbox: Arc<dyn Outbox>,
    metrics: Arc<Metrics>,
    clock: Clock,
    refused_logged: LogThrottle<&'static str>,
}

impl After {
    pub fn new(
        policies: Arc<Policies>,
        outbox: Arc<dyn Outbox>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> After {
        After {
            policies,
            outbox,
            metrics,
            clock,
            refused_logged: LogThrottle::default(),
        }
    }

    /// Whether a policy wants the events of a hook.
    pub fn wants(&self, hook: Hook) -> bool {
        let snapshot = self.policies.current();
        snapshot
            .rules(hook)
            .is_some_and(|rules| !rules.endpoints.is_empty())
    }

    /// Stores events, all or none, and says what became of each, in their order.
    ///
    /// `ids` are the callers' own stable ids, where they gave one.
    /// When this returns, what is `Stored` survives a power loss.
    pub async fn accept(
        &self,
        events: &[Arc<Event>],
        ids: &[Option<String>],
    ) -> Result<(Vec<Accepted>, Version), NotStored> {
        let snapshot = self.policies.current();
        let mut results = vec![Accepted::Dropped; events.len()];
        let mut entries = Vec::with_capacity(events.len());
        let mut places = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            match snapshot.select(event) {
                Ok(rules) if !rules.endpoints.is_empty() => {
                    let id = ids.get(place).cloned().flatten();
                    entries.push(entry_of(event, rules, id, self.clock.now_ms()));
                    places.push(place);
                }
                // The hook is on, and nobody wants to be told.
                Ok(_) => self.metrics.accepted(event.hook, "dropped"),
                Err(reason) => self.metrics.dropped(event.hook, reason),
            }
        }
        if entries.is_empty() {
            return Ok((results, snapshot.version.clone()));
        }
        let names: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        let appended = match self.outbox.append(entries).await {
            Ok(appended) => appended,
            Err(error) => {
                if let Some(held_back) = self.refused_logged.pass("refused") {
                    warn!(events = places.len(), %error, held_back, "after events refused");
                }
                for place in places {
                    self.metrics.accepted(events[place].hook, "refused");
                }
                return Err(NotStored(error));
            }
        };
        for ((place, id), appended) in places.into_iter().zip(names).zip(appended) {
            let (result, name) = match appended {
                Appended::Stored => (Accepted::Stored(id), "stored"),
                Appended::Duplicate => (Accepted::Duplicate(id), "duplicate"),
            };
            self.metrics.accepted(events[place].hook, name);
            results[place] = result;
        }
        Ok((results, snapshot.version.clone()))
    }
}

fn entry_of(
    event: &Arc<Event>,
    rules: &HookRules,
    id: Option<String>,
    accepted_at_ms: u64,
) -> NewEntry {
    let mut natural = event.natural_id.clone();
    let mut series = None;
    if id.is_none()
        && let Some(of) = &event.series
        && let Some(line) = natural.take()
    {
        series = Some(Series {
            name: of.name.clone(),
            line,
            within: of.repeats_within,
        });
    }
    // Without a natural id, equal content is not a repeat: the id must be a new one. In a series
    // too, for a receiver that knows ids must take the second one for new.
    let fresh = || Uuid::now_v7().to_string();
    NewEntry {
        id: id.or(natural).unwrap_or_else(fresh),
        series,
        hook: event.hook.name.to_owned(),
        dialect: event.form(),
        ordering_key: event.ordering_key.clone(),
        operation_id: event.operation_id.clone(),
        body: event.body.clone().unwrap_or_default(),
        endpoints: rules
            .endpoints
            .iter()
            .map(|endpoint| endpoint.name.to_string())
            .collect(),
        accepted_at_ms,
        read: match event.body {
            Some(_) => AsRead::of(Arc::clone(event)),
            None => AsRead::default(),
        },
    }
}
