//! Plans about what the outbox holds: how much would be replayed or discarded, and of when it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tonic::Status;

use super::orders;
use super::outbox::{self, Progress};
use super::plans::{Doing, Draft, Summary, age, grouped};
use super::shown::Admin;
use crate::operators::Capability;
use crate::outbox::{DeadCursor, DeadFilter, PendingFilter};
use crate::proto::v1;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub(super) enum OutboxAct {
    /// Dead events are sent again.
    Replay,
    /// Dead events are given up for good.
    Discard,
    /// So is what waits for one endpoint.
    DiscardPending,
}

/// What is to be done, and to what.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub act: OutboxAct,
    pub filter: v1::DeadFilter,
    /// Of a replay: events a second; 0 is 100.
    pub rate: u32,
}

/// What is meant for one endpoint.
struct Meant {
    endpoint: String,
    rows: u64,
    oldest_ms: Option<u64>,
}

/// Says what would be done. What dies or comes from now on is not meant.
///
/// Errors: there is no such endpoint or hook, nothing is meant, or the outbox does not answer.
pub(super) async fn draft(admin: &Admin, wanted: Wanted) -> Result<Draft, Status> {
    admin.check_names(Some(&wanted.filter)).await?;
    let as_of_ms = admin.clock.now_ms();
    let meant = match wanted.act {
        OutboxAct::Replay | OutboxAct::Discard => dead(admin, &wanted, as_of_ms).await?,
        OutboxAct::DiscardPending => vec![pending(admin, &wanted).await?],
    };
    let rows: u64 = meant.iter().map(|meant| meant.rows).sum();
    if rows == 0 {
        return Err(Status::failed_precondition("there are no such events"));
    }
    let name = match &meant[..] {
        [one] => one.endpoint.clone(),
        _ => "all".to_owned(),
    };
    let oldest_ms = meant.iter().filter_map(|meant| meant.oldest_ms).min();
    let run = wanted.clone();
    let admin = admin.clone();
    Ok(Draft {
        summary: summary(
            &wanted,
            &meant,
            oldest_ms.map(|oldest| admin.clock.age_of(oldest)),
        ),
        rows,
        name,
        capability: Capability::Operate,
        facts: facts(&meant, oldest_ms),
        run: Box::new(move |doing| carry_out(admin, run, as_of_ms, doing).boxed()),
    })
}

fn summary(wanted: &Wanted, meant: &[Meant], oldest: Option<std::time::Duration>) -> Summary {
    let rows: u64 = meant.iter().map(|meant| meant.rows).sum();
    let (verb, kind, in_chinese) = match wanted.act {
        OutboxAct::Replay => ("replay", "dead", "重发 {rows} 个死信事件"),
        OutboxAct::Discard => ("discard", "dead", "放弃 {rows} 个死信事件"),
        OutboxAct::DiscardPending => ("discard", "waiting", "放弃 {rows} 个待投递事件"),
    };
    let events = if rows == 1 { "event" } else { "events" };
    let rows = grouped(rows);
    let (whom, of_whom) = match meant {
        [one] => (format!("`{}`", one.endpoint), format!("`{}`", one.endpoint)),
        all => (
            format!("{} endpoints", all.len()),
            format!("{} 个端点", all.len()),
        ),
    };
    let mut english = format!("{verb} {rows} {kind} {events} for {whom}");
    let mut chinese = format!("{}（{of_whom}）", in_chinese.replace("{rows}", &rows));
    if let Some((oldest, in_chinese)) = oldest.map(age) {
        english.push_str(&format!(", the oldest {oldest} old"));
        chinese.push_str(&format!("，最早的在 {in_chinese}之前"));
    }
    Summary { english, chinese }
}

fn facts(meant: &[Meant], oldest_ms: Option<u64>) -> Value {
    let endpoints = meant.iter().map(|meant| {
        json!({
            "endpoint": meant.endpoint,
            "rows": meant.rows,
            "oldest_at_ms": meant.oldest_ms,
        })
    });
    json!({ "endpoints": endpoints.collect::<Vec<_>>(), "oldest_at_ms": oldest_ms })
}

/// The dead events that are meant, by endpoint.
async fn dead(admin: &Admin, wanted: &Wanted, as_of_ms: u64) -> Result<Vec<Meant>, Status> {
    let mut meant = Vec::new();
    for endpoint in endpoints(admin, &wanted.filter.endpoint).await? {
        let filter = v1::DeadFilter {
            endpoint: endpoint.clone(),
            ..wanted.filter.clone()
        };
        let request = v1::DiscardEventsRequest {
            filter: Some(filter.clone()),
            dry_run: true,
            pending: false,
            why: String::new(),
        };
        let outbox = admin.outbox.clone();
        let counted = outbox::discard_as_of(outbox, request, admin.clock, Some(as_of_ms))?;
        let rows = last(counted).await?;
        if rows > 0 {
            let oldest_ms = oldest_dead(admin, filter).await?;
            meant.push(Meant {
                endpoint,
                rows,
                oldest_ms,
            });
        }
    }
    Ok(meant)
}

async fn endpoints(admin: &Admin, named: &str) -> Result<Vec<String>, Status> {
    if !named.is_empty() {
        return Ok(vec![named.to_owned()]);
    }
    let stats = admin.outbox.stats().await.map_err(unanswered)?;
    let with_dead = stats
        .endpoints
        .into_iter()
        .filter(|stats| stats.counts.dead > 0);
    Ok(with_dead.map(|stats| stats.endpoint).collect())
}

/// Of one endpoint they come in the order in which they were accepted.
async fn oldest_dead(admin: &Admin, filter: v1::DeadFilter) -> Result<Option<u64>, Status> {
    let filter: DeadFilter = outbox::meant_dead(filter);
    let mut from = Some(DeadCursor::default());
    while let Some(at) = from {
        let page = admin
            .outbox
            .dead(&filter, at, 1)
            .await
            .map_err(unanswered)?;
        if let Some(first) = page.letters.first() {
            return Ok(Some(first.accepted_at_ms));
        }
        from = page.next;
    }
    Ok(None)
}

/// What waits for the endpoint and is not on its way.
async fn pending(admin: &Admin, wanted: &Wanted) -> Result<Meant, Status> {
    let endpoint = wanted.filter.endpoint.clone();
    let request = v1::DiscardEventsRequest {
        filter: Some(wanted.filter.clone()),
        dry_run: true,
        pending: true,
        why: String::new(),
    };
    let counted = outbox::discard(admin.outbox.clone(), request, admin.clock)?;
    let rows = last(counted).await?;
    let filter = PendingFilter {
        endpoint: Some(endpoint.clone()),
        ..PendingFilter::default()
    };
    let page = admin
        .outbox
        .pending(&filter, DeadCursor::default(), 1)
        .await;
    let oldest = page.map_err(unanswered)?.events.into_iter().next();
    Ok(Meant {
        endpoint,
        rows,
        oldest_ms: oldest.map(|event| event.accepted_at_ms),
    })
}

async fn last(mut progress: Progress) -> Result<u64, Status> {
    let mut done = 0;
    while let Some(step) = progress.next().await {
        done = step?.done;
    }
    Ok(done)
}

async fn carry_out(
    admin: Admin,
    wanted: Wanted,
    as_of_ms: u64,
    doing: Doing,
) -> Result<(), Status> {
    let Doing {
        asked,
        why,
        plan,
        done,
        came_of_it: _,
    } = doing;
    let outbox = Arc::clone(&admin.outbox);
    let (act, progress) = match wanted.act {
        OutboxAct::Replay => {
            let request = v1::ReplayDeadRequest {
                filter: Some(wanted.filter),
                dry_run: false,
                rate: wanted.rate,
            };
            let act = orders::replay(asked.who(), &request).because(why);
            let clock = admin.clock;
            (act, outbox::replay_as_of(outbox, request, clock, as_of_ms)?)
        }
        OutboxAct::Discard | OutboxAct::DiscardPending => {
            let request = v1::DiscardEventsRequest {
                filter: Some(wanted.filter),
                dry_run: false,
                pending: wanted.act == OutboxAct::DiscardPending,
                why,
            };
            let act = orders::discard(asked.who(), &request);
            let clock = admin.clock;
            (
                act,
                outbox::discard_as_of(outbox, request, clock, Some(as_of_ms))?,
            )
        }
    };
    let begun = asked.begin(act.with(json!({ "plan": plan }))).await?;
    let mut progress = orders::audited(progress, begun);
    while let Some(step) = progress.next().await {
        done.store(step?.done, Ordering::Relaxed);
    }
    Ok(())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what errors are mapped with"
)]
fn unanswered(error: crate::outbox::OutboxError) -> Status {
    Status::unavailable(error.to_string())
}
