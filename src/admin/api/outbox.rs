//! What waits for endpoints, what was given up on, and what operators discarded.

use serde_json::{Value, json};

use super::about::{About, Field, Shape, flag, number, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::problem::ApiProblem;
use crate::admin::{orders, outbox};
use crate::audit::Act;
use crate::operators::Capability;
use crate::proto::v1;

const ENDPOINT: Field = text("endpoint", "of this endpoint alone");
const HOOK: Field = text("hook", "of this hook alone, such as afterSendGroupMsg");
const ID: Field = text("id", "the event with this id alone");
const LANE: Field = text("lane", "of this conversation alone");
const SINCE: Field = time("since", "accepted at this time or later");
const UNTIL: Field = time("until", "accepted before this time");
const REASON: Field = text(
    "reason",
    "with this in the reason, whatever the letter case",
);
const SHOW: Field = flag(
    "show",
    "with the bodies: it takes the right `text` and is recorded",
);

const OF_ENDPOINT: Field = text("endpoint", "whom it is for");
const OF_ID: Field = text("id", "of the event");
const OF_HOOK: Field = text("hook", "that it came by");
const OF_LANE: Field = text("lane", "the conversation in which it keeps its place");
const OPERATION: Field = text("operation_id", "as the IM server said");
const ACCEPTED: Field = time("accepted_at", "when it was accepted");
const ATTEMPTS: Field = number("attempts", "requests since it was accepted or replayed");
const REPLAYS: Field = number("replays", "how often it was replayed");
const BODY_BYTES: Field = number("body_bytes", "how long the body is");
const BODY: Field = text("body", "with `show`, where it is UTF-8");
const BODY_BASE64: Field = text("body_base64", "with `show`, where it is not");

pub(super) const PENDING: About = About {
    query: &[ENDPOINT, HOOK, ID, LANE, SHOW],
    answer: &[
        OF_ENDPOINT,
        OF_ID,
        OF_HOOK,
        OF_LANE,
        OPERATION,
        ACCEPTED,
        text(
            "state",
            "ready, in_flight, retry, or waiting behind others of its lane",
        ),
        ATTEMPTS,
        REPLAYS,
        time("due_at", "when a retry is due; null for others"),
        text("reason", "why the last attempt failed"),
        BODY_BYTES,
        BODY,
        BODY_BASE64,
    ],
    shape: Shape::Pages,
    ..About::new(
        "Lists the events that wait for their endpoints. A page may be empty and not the last.",
    )
};

pub(super) const DEAD: About = About {
    query: &[ENDPOINT, HOOK, ID, SINCE, UNTIL, REASON, SHOW],
    answer: &[
        OF_ENDPOINT,
        OF_ID,
        OF_HOOK,
        OF_LANE,
        OPERATION,
        ACCEPTED,
        time("died_at", "when it was given up on"),
        ATTEMPTS,
        REPLAYS,
        text("reason", "the class of failure, and what happened"),
        text("answer", "the beginning of the endpoint's last answer"),
        BODY_BYTES,
        BODY,
        BODY_BASE64,
    ],
    shape: Shape::Pages,
    ..About::new("Lists the events that were given up on. A page may be empty and not the last.")
};

pub(super) const DISCARDED: About = About {
    query: &[ENDPOINT, HOOK, ID, SINCE, UNTIL, REASON],
    answer: &[
        OF_ENDPOINT,
        OF_ID,
        OF_HOOK,
        OF_LANE,
        OPERATION,
        ACCEPTED,
        time("discarded_at", "when it was discarded"),
        text("reason", "that was given"),
    ],
    shape: Shape::Pages,
    ..About::new("Lists the events that operators discarded last.")
};

/// Items on a page where nobody says how many; the core has its own end.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

/// Bodies are shown to whoever has the right to texts; an asking that is refused is on record.
fn may_show(call: &Call, shown: Option<&Act>) -> Result<(), ApiProblem> {
    if let Some(act) = shown {
        call.asked.must(Capability::Text, act.clone())?;
    }
    Ok(())
}

/// Nothing is shown that is not on record.
async fn record_shown(call: &Call, shown: Option<Act>, events: usize) -> Result<(), ApiProblem> {
    if let Some(act) = shown.filter(|_| events > 0) {
        call.asked
            .record(act.count("events", events as u64))
            .await?;
    }
    Ok(())
}

pub(super) async fn pending(call: Call) -> Answer {
    let filter = v1::PendingFilter {
        endpoint: call.text("endpoint").to_owned(),
        hook: call.text("hook").to_owned(),
        id: call.text("id").to_owned(),
        lane: call.text("lane").to_owned(),
    };
    let request = v1::PendingEventsRequest {
        cursor: call.cursor()?.unwrap_or_default(),
        limit: limit(&call),
        show: call.flag("show"),
        filter: Some(filter),
    };
    call.admin.check_names(request.filter.as_ref()).await?;
    let shown = request
        .show
        .then(|| orders::show_pending(call.asked.who(), &request));
    may_show(&call, shown.as_ref())?;
    let page = outbox::pending(&*call.admin.outbox, request).await?;
    record_shown(&call, shown, page.events.len()).await?;
    let items = page.events.into_iter().map(pending_event).collect();
    reply::page(items, next(&call, &page.next))
}

fn pending_event(event: v1::PendingEvent) -> Value {
    let mut item = json!({
        "endpoint": event.endpoint,
        "id": event.id,
        "hook": event.hook,
        "lane": event.lane,
        "operation_id": event.operation_id,
        "accepted_at": times::text(event.accepted_at_ms),
        "state": event.state,
        "attempts": event.attempts,
        "replays": event.replays,
        "due_at": times::or_never(event.due_at_ms),
        "reason": event.reason,
        "body_bytes": event.body_bytes,
    });
    add_body(&mut item, &event.body);
    item
}

pub(super) async fn dead(call: Call) -> Answer {
    let request = v1::DeadLettersRequest {
        cursor: call.cursor()?.unwrap_or_default(),
        limit: limit(&call),
        show: call.flag("show"),
        filter: Some(dead_filter(&call)),
    };
    call.admin.check_names(request.filter.as_ref()).await?;
    let shown = request
        .show
        .then(|| orders::show_dead(call.asked.who(), &request));
    may_show(&call, shown.as_ref())?;
    let page = outbox::dead(&*call.admin.outbox, request).await?;
    record_shown(&call, shown, page.letters.len()).await?;
    let items = page.letters.into_iter().map(letter).collect();
    reply::page(items, next(&call, &page.next))
}

fn letter(letter: v1::DeadLetter) -> Value {
    let mut item = json!({
        "endpoint": letter.endpoint,
        "id": letter.id,
        "hook": letter.hook,
        "lane": letter.lane,
        "operation_id": letter.operation_id,
        "accepted_at": times::text(letter.accepted_at_ms),
        "died_at": times::text(letter.died_at_ms),
        "attempts": letter.attempts,
        "replays": letter.replays,
        "reason": letter.reason,
        "answer": letter.answer,
        "body_bytes": letter.body_bytes,
    });
    add_body(&mut item, &letter.body);
    item
}

pub(super) async fn discarded(call: Call) -> Answer {
    let request = v1::DiscardedEventsRequest {
        cursor: call.cursor()?.unwrap_or_default(),
        limit: limit(&call),
        filter: Some(dead_filter(&call)),
    };
    call.admin.check_names(request.filter.as_ref()).await?;
    let page = outbox::discarded(&*call.admin.outbox, request).await?;
    let items = page.events.into_iter().map(|event| {
        json!({
            "endpoint": event.endpoint,
            "id": event.id,
            "hook": event.hook,
            "lane": event.lane,
            "operation_id": event.operation_id,
            "accepted_at": times::text(event.accepted_at_ms),
            "discarded_at": times::text(event.discarded_at_ms),
            "reason": event.reason,
        })
    });
    reply::page(items.collect(), next(&call, &page.next))
}

fn dead_filter(call: &Call) -> v1::DeadFilter {
    v1::DeadFilter {
        endpoint: call.text("endpoint").to_owned(),
        hook: call.text("hook").to_owned(),
        id: call.text("id").to_owned(),
        since_ms: call.time("since").unwrap_or_default(),
        until_ms: call.time("until").unwrap_or_default(),
        reason: call.text("reason").to_owned(),
    }
}

fn limit(call: &Call) -> u32 {
    u32::try_from(call.limit(PAGE, PAGE_MAX)).unwrap_or(u32::MAX)
}

fn next(call: &Call, place: &str) -> Option<String> {
    (!place.is_empty()).then(|| call.next(place))
}

fn add_body(item: &mut Value, body: &[u8]) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) => item["body"] = text.into(),
        Err(_) => item["body_base64"] = STANDARD.encode(body).into(),
    }
}
