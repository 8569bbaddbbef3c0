//! Who did what here.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream;
use http::header;

use super::about::{About, Field, Shape, any, number, object, text, time};
use super::call::{Call, bad_cursor};
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::audit::{Act, Outcome, Wanted};

const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

const FILTER: &[Field] = &[
    text("who", "whose name begins so"),
    text("act", "whose act begins so: `outbox`, `policy.changed`"),
    text("result", "begun, done, refused or failed"),
    time("since", "at this time or later"),
    time("until", "before this time"),
];

pub(super) const NDJSON: About = About {
    query: FILTER,
    answer: &[any(
        "ndjson",
        "application/x-ndjson, a record a line as it stands in the files",
    )],
    ..About::new("Exports records of the audit, the newest first. It is recorded.")
};

pub(super) const AUDIT: About = About {
    query: FILTER,
    answer: &[
        number("number", "of the record"),
        time("at", "when, by the wall clock"),
        object("who", "kind, and what of it is known"),
        text("from", "the address"),
        text("act", "what was done"),
        text("capability", "what it took"),
        text("target", "to what"),
        text("why", "the reason that was given"),
        object("counts", "to how much"),
        text("result", "begun, done, refused or failed"),
        text("error", "why it was refused or failed"),
        number("of", "the record that says how it began"),
        object("details", "more of it"),
        text("prev", "the hash of the record before"),
        text("hash", "of this record"),
    ],
    shape: Shape::Pages,
    ..About::new("Lists records of the audit, newest first. A page may be empty and not the last.")
};

fn wanted(call: &Call) -> Result<Wanted, ApiProblem> {
    let named = |name: &str| Some(call.text(name).to_owned()).filter(|text| !text.is_empty());
    let time = |name: &str| call.time(name).map(at);
    let result = named("result").map(|result| {
        let why =
            || format!("`result`: there is no `{result}`; known are begun, done, refused, failed");
        Outcome::from_str(&result).map_err(|_| ApiProblem::invalid(why()).with("field", "result"))
    });
    Ok(Wanted {
        who: named("who"),
        act: named("act"),
        result: result.transpose()?,
        since: time("since"),
        until: time("until"),
    })
}

pub(super) async fn list(call: Call) -> Answer {
    let wanted = wanted(&call)?;
    let below = call.cursor()?.map(|place| place.parse::<u64>());
    let below = below.transpose().map_err(|_| bad_cursor())?;
    let limit = call.limit(PAGE, PAGE_MAX);
    let page = call.admin.audit.page(wanted, below, limit).await;
    let page =
        page.map_err(|error| ApiProblem::internal(format!("the audit cannot be read: {error}")))?;
    let items = page.records.iter();
    // Plain maps and strings: serialising them cannot fail.
    let items = items.map(|record| serde_json::to_value(record).unwrap_or_default());
    let next = page.next.map(|next| call.next(&next.to_string()));
    reply::page(items.collect(), next)
}

/// Streams all that is asked for, piece by piece; nothing waits in memory for a slow reader.
pub(super) async fn ndjson(call: Call) -> Answer {
    let wanted = wanted(&call)?;
    let kind = "application/x-ndjson";
    let act = Act::new("audit.export", call.asked.who()).on(kind);
    call.asked.record(act).await?;
    let audit = Arc::clone(&call.admin.audit);
    // What is below the number comes next; `None` when nothing does.
    let pieces = stream::try_unfold(Some(u64::MAX), move |below| {
        let (audit, wanted) = (Arc::clone(&audit), wanted.clone());
        async move {
            let Some(below) = below else {
                return Ok::<_, std::io::Error>(None);
            };
            let page = audit.page(wanted, Some(below), PAGE_MAX).await?;
            let mut lines = Vec::new();
            for record in &page.records {
                serde_json::to_writer(&mut lines, record)?;
                lines.push(b'\n');
            }
            Ok(Some((Bytes::from(lines), page.next)))
        }
    });
    let kind = [(header::CONTENT_TYPE, kind)];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
