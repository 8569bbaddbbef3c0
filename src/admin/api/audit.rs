//! Who did what here.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::about::{About, Shape, number, object, text, time};
use super::call::{Call, bad_cursor};
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::audit::{Outcome, Wanted};

const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

pub(super) const AUDIT: About = About {
    query: &[
        text("who", "whose name begins so"),
        text("act", "whose act begins so: `outbox`, `policy.changed`"),
        text("result", "begun, done, refused or failed"),
        time("since", "at this time or later"),
        time("until", "before this time"),
    ],
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

pub(super) async fn list(call: Call) -> Answer {
    let named = |name: &str| Some(call.text(name).to_owned()).filter(|text| !text.is_empty());
    let time = |name: &str| call.time(name).map(at);
    let result = named("result").map(|result| {
        let why =
            || format!("`result`: there is no `{result}`; known are begun, done, refused, failed");
        Outcome::from_str(&result).map_err(|_| ApiProblem::invalid(why()).with("field", "result"))
    });
    let wanted = Wanted {
        who: named("who"),
        act: named("act"),
        result: result.transpose()?,
        since: time("since"),
        until: time("until"),
    };
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

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
