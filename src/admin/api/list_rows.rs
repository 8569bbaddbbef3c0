//! Rows of a word list, and what became of one entry.

use serde_json::{Value, json};

use super::about::{About, flag, number, object, objects, text, texts};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::list_rows;
use crate::history::HitsFound;
use crate::lists::{Change, LastChange, Wanted};

const ROWS: usize = 100;
const ROWS_MAX: usize = 1_000;

pub(super) const LIST: About = About {
    query: &[
        text(
            "search",
            "a part of an entry, folded as the filter does, or a tag",
        ),
        text("cursor", "where to go on: `next` of the page before"),
        number("limit", "how many rows at most"),
    ],
    answer: &[
        text("name", "of the list"),
        text("file", "in the policy directory"),
        text("action", "block, replace, flag, shadow, or allow"),
        number("entries", "in force"),
        number("inline", "those that stand in policy.yaml"),
        text("policy", "the version in force"),
        objects(
            "rows",
            "{line, entry, tags, options, section, action, problems, hits: {day, week, \
             shadow_day, shadow_week}, changed: {state, version, at, who, why}}",
        ),
        text(
            "hits_since",
            "what was decided since then is counted in `hits`; null where no history is kept",
        ),
        text("next", "where to go on; null at the end"),
        texts("sections", "headings of the file"),
        texts("words", "that stand in policy.yaml"),
        objects(
            "locked",
            "what is wrong with the file, which cannot be saved then",
        ),
        text(
            "read_only",
            "why an edit can only be had as a patch; null if it can be saved",
        ),
        flag("in_force", "what is on disk is what decides"),
    ],
    ..About::new("Shows rows of a list as it is on disk; the `ETag` names that content.")
};

pub(super) const STORY: About = About {
    query: &[text("entry", "in any spelling that the list reads as the same").must()],
    answer: &[
        text("list", "its name"),
        text("entry", "as it was asked for"),
        objects("now", "its lines in the file: {entry, tags, options}"),
        object(
            "hits",
            "messages that it hit: {day, week, shadow_day, shadow_week}; null where no history is \
             kept",
        ),
        text("hits_since", "what was decided since then is counted"),
        objects(
            "events",
            "the newest first: {what, version, at, who, why, restores, lines}; `what` is added, \
             changed, removed, or found for the oldest version that was looked at",
        ),
        number(
            "since",
            "every version since this one was looked at; null where none is kept",
        ),
        flag(
            "cut",
            "there are older ones, and there was no time for them",
        ),
    ],
    ..About::new("Tells what became of an entry of a list: added, changed and removed, by whom.")
};

pub(super) async fn list(call: Call) -> Answer {
    let after = call.cursor()?;
    let wanted = Wanted {
        after: after.and_then(|line| line.parse().ok()).unwrap_or_default(),
        rows_max: call.limit(ROWS, ROWS_MAX),
        search: call.text("search").to_owned(),
        with_changes: true,
    };
    let found = list_rows::rows(&call.admin, call.name("name"), wanted).await?;
    let page = &found.page;
    let mut document = json!(page);
    document["next"] = match page.next {
        Some(line) => call.next(&line.to_string()).into(),
        None => Value::Null,
    };
    document["hits_since"] = hits_since(found.hits.as_ref());
    for (at, row) in page.rows.iter().enumerate() {
        document["rows"][at]["hits"] = json!(found.hits_of(at));
        document["rows"][at]["changed"] = row.changed.as_ref().map(last_change).into();
    }
    reply::tagged(&document, &page.hash)
}

fn hits_since(hits: Option<&HitsFound>) -> Value {
    hits.map(|hits| times::text(hits.since_us / 1000)).into()
}

/// `state`: changed by this version; unchanged since it or longer; or not in force, which names none.
fn last_change(changed: &LastChange) -> Value {
    let (state, change) = match changed {
        LastChange::In(change) => ("changed", Some(change)),
        LastChange::Before(change) => ("unchanged_since", Some(change)),
        LastChange::NotInForce => ("not_in_force", None),
    };
    let mut told = change.map_or_else(|| json!({}), by_whom);
    told["state"] = state.into();
    told
}

fn by_whom(change: &Change) -> Value {
    json!({
        "version": change.version.to_string(),
        "at": times::text(change.at_ms),
        "who": change.origin.who.to_string(),
        "why": change.origin.why,
        "restores": change.origin.restores,
    })
}

pub(super) async fn story(call: Call) -> Answer {
    let entry = call.text("entry");
    let found = list_rows::entry(&call.admin, call.name("name"), entry).await?;
    let events = found.story.events.iter().map(|event| {
        let mut told = by_whom(&event.change);
        told["what"] = event.deed.name().into();
        told["lines"] = json!(event.lines);
        told
    });
    let hits = found.hits.as_ref();
    reply::found(&json!({
        "list": found.list,
        "entry": entry,
        "now": found.story.now,
        "hits": hits.and_then(|hits| hits.hits.first()),
        "hits_since": hits_since(hits),
        "events": events.collect::<Vec<_>>(),
        "since": found.story.since,
        "cut": found.story.cut,
    }))
}
