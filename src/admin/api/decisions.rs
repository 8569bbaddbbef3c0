//! What was decided: searched, counted, exported, forgotten.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;
use serde_json::{Value, json};

use super::about::{About, Field, Shape, any, flag, number, object, objects, text, texts, time};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::decisions::{
    ask, decision as find_one, document, entry_then, filter_of, removed_by,
};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::audit::Act;
use crate::history::{CSV_HEAD, DecisionId, Filter, Forgotten, Row, csv_line};
use crate::operators::Capability;

/// Rows where nobody says how many.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;
/// Rows of an export that are read at a time.
const PIECE: usize = 500;

const SINCE: Field = time("since", "decided at this time or later");
const UNTIL: Field = time("until", "decided before this time");
const HOOK: Field = text("hook", "of this hook alone, such as beforeSendGroupMsg");
const OUTCOME: Field = texts(
    "outcome",
    "one of these: block, let_through, replace, reply, flag, shadow, allow, skipped",
);
const VERSION: Field = number("version", "by the policy of this number");
const LIST: Field = text("list", "in which this list matched");

const FILTER: &[Field] = &[
    SINCE,
    UNTIL,
    text("message", "the server's id of the message, or the client's"),
    text("operation", "the caller's id of the operation"),
    text("sender", "the user who sent it"),
    text("target", "the user or the group that it was sent to"),
    text("conversation", "the group, the room, or two people as a:b"),
    HOOK,
    text("caller", "as the policy names it"),
    OUTCOME,
    text("class", "the class of a failure, such as timeout"),
    flag("reviewed", "false: those that a failure let through"),
    VERSION,
    text("endpoint", "that was asked"),
    LIST,
    number("line", "of the entry that matched, in its file"),
    text(
        "word",
        "an entry that matched, in any way that its list reads as the same",
    ),
    text("entry", "the hash of an entry, as a match has it"),
    text(
        "after",
        "with the id of a decision: those that were made after it, and no more than `limit`",
    ),
];

const ROW: &[Field] = &[
    text("id", "of the decision, a UUIDv7"),
    time("time", "when it was made"),
    text("hook", "that it was asked by"),
    text("dialect", "of the call"),
    text(
        "caller",
        "as the policy names it; null where callers are not told apart",
    ),
    text("message_id", "the server's id of the message"),
    text("client_message_id", "the client's"),
    text("operation_id", "the caller's id of the operation"),
    text("sender", "who sent it"),
    text("target", "the user or the group that it was sent to"),
    text("conversation", "a group, a room, or two people"),
    number("content_type", "the type of the content"),
    text("outcome", "what came out"),
    text("action", "what the caller was told"),
    number("code", "of a refusal"),
    text("decided_by", "nothing, filter, callback or failure_policy"),
    text("class", "of a failure"),
    text("skipped", "why no rule wanted it"),
    flag("reviewed", "false: a failure let it through"),
    text("why", "which list, whose refusal, what failed"),
    object("version", "number and hash of the policy"),
    objects(
        "matches",
        "what matched: list, line, place, folds, and whether it is still in force",
    ),
    number("matches_left_out", "matches that are only counted"),
    text("endpoint", "that was asked"),
    text("answer", "what it said, or the class of its failure"),
    number("filter_us", "microseconds that the filters took"),
    number("endpoint_us", "that the endpoint took"),
    number("total_us", "all of it"),
    number("weight", "for how many it stands"),
];

pub(super) const DECISIONS: About = About {
    query: FILTER,
    answer: ROW,
    shape: Shape::Pages,
    ..About::new(
        "Lists decisions of this process, the newest first. `sampled` says that some stand for \
         others, `searched_to` how far back was looked so far. A page may be empty and not the last.",
    )
};

pub(super) const DECISION: About = About {
    query: &[flag(
        "show",
        "with the text, while it is kept: it takes the right `text` and is recorded",
    )],
    answer: ROW,
    ..About::new("Shows one decision, with its entries as they were and as they are.")
};

pub(super) const COUNTS: About = About {
    query: &[
        SINCE,
        UNTIL,
        HOOK,
        OUTCOME,
        VERSION,
        LIST,
        number("step_s", "seconds that are counted together; whole minutes"),
    ],
    answer: &[
        time("from", "where the span of time begins"),
        text("hook", "of the decisions"),
        text("outcome", "of the decisions"),
        text("list", "that was asked for; null for all decisions"),
        number("version", "of the policy"),
        number("count", "how many, exactly"),
    ],
    shape: Shape::List,
    ..About::new("Counts all decisions of this process, also those that are not kept.")
};

pub(super) const NDJSON: About = About {
    query: FILTER,
    answer: ROW,
    ..About::new("Exports decisions, one JSON object a line, the newest first. It is recorded.")
};

pub(super) const CSV: About = About {
    query: FILTER,
    answer: &[any("csv", "text/csv, with a head")],
    ..About::new("Exports decisions as CSV, the newest first. It is recorded.")
};

pub(super) const FORGET: About = About {
    body: &[
        text(
            "user",
            "whose messages, and messages to whom, are forgotten",
        )
        .must(),
        text("reason", "why, for the record").must(),
    ],
    answer: &[
        number("decisions", "that were deleted from the files"),
        number("texts", "that were forgotten in memory"),
        number("calls", "recorded calls that were overwritten"),
    ],
    ..About::new("Forgets the decisions on what a user wrote or was written to. Counts stay.")
};

fn filter(call: &Call) -> Result<Filter, ApiProblem> {
    let snapshot = call.admin.policies.current();
    let listed = |name: &str| {
        let value = call.field(name).and_then(Value::as_array);
        let names = value.into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(",")
    };
    let plain = |name: &str| match call.field(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    };
    let texts: Vec<(&str, String)> = FILTER
        .iter()
        .map(|field| match field.name {
            "outcome" => (field.name, listed(field.name)),
            name => (name, plain(name)),
        })
        .collect();
    let text = |name: &'static str| {
        let known = texts.iter().find(|(known, _)| *known == name);
        known.map_or("", |(_, text)| text.as_str())
    };
    filter_of(&snapshot, text, |name| call.time(name))
}

pub(super) async fn decisions(call: Call) -> Answer {
    let filter = filter(&call)?;
    let snapshot = call.admin.policies.current();
    let limit = call.limit(PAGE, PAGE_MAX);
    let shown = |rows: &[Row]| -> Vec<Value> {
        let rows = rows.iter();
        rows.map(|row| document(&call.admin, &snapshot, row))
            .collect()
    };
    if !call.text("after").is_empty() {
        let after: DecisionId = call.text("after").parse().map_err(ApiProblem::invalid)?;
        let rows = ask(&call.admin, move |history| {
            history.newer(&filter, after, limit)
        });
        return reply::page(shown(&rows.await?), None);
    }
    let cursor = call.cursor()?;
    let page = ask(&call.admin, move |history| {
        history.find(&filter, cursor.as_deref(), limit)
    });
    let page = page.await?;
    reply::found(&json!({
        "items": shown(&page.rows),
        "next": page.next.map(|next| call.next(&next)),
        "sampled": page.is_sampled,
        "searched_to": page.searched_to_us.map(|us| times::text(us / 1000)),
        "scope": "process",
    }))
}

pub(super) async fn decision(call: Call) -> Answer {
    let row = find_one(&call.admin, call.name("id")).await?;
    let snapshot = call.admin.policies.current();
    let mut shown = document(&call.admin, &snapshot, &row);
    let store = call.admin.versions.store();
    let (then, row) = tokio::task::spawn_blocking(move || {
        let then = row.matches.iter().map(|found| {
            let (file, entry) = entry_then(&store, &row, found)?;
            let removed = removed_by(&store, &row, found, &file);
            Some((file, entry, removed.map(|record| record.number)))
        });
        (then.collect::<Vec<_>>(), row)
    })
    .await
    .map_err(|error| ApiProblem::internal(error.to_string()))?;
    for (index, then) in then.into_iter().enumerate() {
        let (file, entry, removed) = match then {
            Some((file, entry, removed)) => (Some(file), Some(entry), removed),
            None => (None, None, None),
        };
        shown["matches"][index]["entry_then"] = entry.into();
        shown["matches"][index]["file_then"] = file.into();
        shown["matches"][index]["removed_in"] = removed.into();
    }
    if call.flag("show") {
        let act = Act::new("history.show", call.asked.who()).on(format!("decision {}", row.id));
        call.asked.must(Capability::Text, act.clone())?;
        let id = row.id;
        let texts = ask(&call.admin, move |history| history.texts(id)).await?;
        if texts.is_some() {
            call.asked.record(act).await?;
        }
        shown["texts"] = json!(texts);
    }
    reply::found(&shown)
}

pub(super) async fn counts(call: Call) -> Answer {
    let snapshot = call.admin.policies.current();
    let outcomes = call.field("outcome").and_then(Value::as_array);
    let outcomes = outcomes.into_iter().flatten().filter_map(Value::as_str);
    let outcomes = outcomes.collect::<Vec<_>>().join(",");
    let version = call.number("version").map(|number| number.to_string());
    let text = |name: &'static str| match name {
        "outcome" => outcomes.as_str(),
        "version" => version.as_deref().unwrap_or_default(),
        "hook" | "list" => call.text(name),
        _ => "",
    };
    let filter = filter_of(&snapshot, text, |name| call.time(name))?;
    let step_s = call.number("step_s").unwrap_or(60);
    let counts = ask(&call.admin, move |history| history.counts(&filter, step_s));
    let items = counts.await?.into_iter().map(|counted| {
        json!({
            "from": times::text(counted.from_s * 1000),
            "hook": counted.hook,
            "outcome": counted.outcome,
            "list": counted.list,
            "version": counted.version,
            "count": counted.count,
        })
    });
    reply::page(items.collect(), None)
}

pub(super) async fn ndjson(call: Call) -> Answer {
    let line = |row: &Row| format!("{}\n", json!(row));
    export(call, "application/x-ndjson", "", line).await
}

pub(super) async fn csv(call: Call) -> Answer {
    let line = |row: &Row| format!("{}\n", csv_line(row));
    export(call, "text/csv; charset=utf-8", CSV_HEAD, line).await
}

/// Streams all that is asked for, piece by piece; nothing waits in memory for a slow reader.
async fn export(
    call: Call,
    kind: &'static str,
    head: &'static str,
    line: impl Fn(&Row) -> String + Copy + Send + 'static,
) -> Answer {
    let filter = filter(&call)?;
    let act = Act::new("history.export", call.asked.who());
    call.asked.record(act.on(kind)).await?;
    let head = match head {
        "" => String::new(),
        head => format!("{head}\n"),
    };
    let begin = Export {
        admin: call.admin.clone(),
        filter,
        place: Place::Head(head),
    };
    let pieces = stream::try_unfold(begin, move |export| export.piece(line));
    let kind = [(header::CONTENT_TYPE, kind)];
    Ok((kind, Body::from_stream(pieces)).into_response() as Response)
}

struct Export {
    admin: Admin,
    filter: Filter,
    place: Place,
}

enum Place {
    Head(String),
    Rows(Option<String>),
    End,
}

impl Export {
    async fn piece(
        mut self,
        line: impl Fn(&Row) -> String,
    ) -> Result<Option<(Bytes, Export)>, std::io::Error> {
        match std::mem::replace(&mut self.place, Place::End) {
            Place::End => Ok(None),
            Place::Head(head) => {
                self.place = Place::Rows(None);
                Ok(Some((head.into(), self)))
            }
            Place::Rows(cursor) => {
                let filter = self.filter.clone();
                let page = ask(&self.admin, move |history| {
                    history.find(&filter, cursor.as_deref(), PIECE)
                });
                // The head is sent: all that can be done is to break off.
                let broken = |_| std::io::Error::other("the history cannot be read");
                let page = page.await.map_err(broken)?;
                let lines: String = page.rows.iter().map(line).collect();
                if page.next.is_some() {
                    self.place = Place::Rows(page.next);
                }
                Ok(Some((lines.into(), self)))
            }
        }
    }
}

pub(super) async fn forget(call: Call) -> Answer {
    let user = call.text("user").to_owned();
    if user.is_empty() || call.text("reason").trim().is_empty() {
        return Err(ApiProblem::invalid(
            "`user` and `reason` must say something",
        ));
    }
    // The record stays for long, so it has no name of somebody who is to be forgotten.
    let act = Act::new("history.forget", call.asked.who())
        .on("one user")
        .because(call.text("reason"));
    let mut begun = call.asked.begin(act).await?;
    match forget_user(&call.admin, user).await {
        Ok((forgotten, calls)) => {
            begun.counted("decisions", forgotten.decisions);
            begun.counted("calls", calls);
            begun.done();
            reply::found(&json!({
                "decisions": forgotten.decisions,
                "texts": forgotten.texts,
                "calls": calls,
            }))
        }
        Err(problem) => {
            begun.failed("the history could not be written");
            Err(problem)
        }
    }
}

/// Forgets in recorded calls and in the history; one that is off has nothing to forget.
async fn forget_user(admin: &Admin, user: String) -> Result<(Forgotten, u64), ApiProblem> {
    let recordings = std::sync::Arc::clone(&admin.recordings);
    let of_calls = user.clone();
    let calls = tokio::task::spawn_blocking(move || recordings.forget(&of_calls)).await;
    let calls = calls.map_err(|error| ApiProblem::internal(error.to_string()))?;
    let calls = calls.map_err(|why| {
        ApiProblem::internal(format!("the recorded calls cannot be written ({why})"))
    })?;
    let is_kept = admin.history.settings().is_some();
    if !is_kept && admin.recordings.is_on() {
        return Ok((Forgotten::default(), calls));
    }
    let forgotten = ask(admin, move |history| history.forget(&user)).await?;
    Ok((forgotten, calls))
}
