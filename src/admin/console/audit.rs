//! Who did what here, newest first, a page at a time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::audit_words::{AuditWords, WORDS};
use super::decisions::time_of;
use super::frame::{
    Choice, Tone, badge, coded, empty, exact, filters, heading, hostile, notice, number, optional,
    page, pager, plan, problem, select, table, time,
};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::audit::{Outcome, Page, Record, Wanted};

const ROWS: usize = 50;
/// What a filter of the page is called, here and by the API.
const FILTER: [&str; 5] = ["who", "act", "result", "since", "until"];

pub(in crate::admin) async fn audit_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let (status, found) = match wanted(&visit, words) {
        Err(why) => (StatusCode::BAD_REQUEST, problem(Some(&why))),
        Ok(wanted) => {
            let below = visit.asks("after").parse().ok();
            match admin.audit.page(wanted, below, ROWS).await {
                Ok(page) => (StatusCode::OK, rows(&visit, words, &page)),
                Err(error) => {
                    let why = format!("{}: {error}", words.unread);
                    (StatusCode::SERVICE_UNAVAILABLE, problem(Some(&why)))
                }
            }
        }
    };
    let body = html! {
        (heading(words.title, words.lead))
        @if let Some(why) = admin.audit.error() {
            (notice(Tone::Bad, html! { p { (words.failing) ": " (hostile(&visit, &why)) } }))
        }
        (filter_bar(&visit, words))
        (found)
        @if let Some(head) = admin.audit.head() {
            p .hint { (words.head) ": " code { (head) } " – " (coded(words.head_hint)) }
        }
    };
    Ok(page(status, &visit, words.title, &body))
}

/// What of the records is asked for.
///
/// Errors: what of it cannot be read.
fn wanted(visit: &Visit, words: &AuditWords) -> Result<Wanted, String> {
    let named = |name: &str| Some(visit.asks(name).to_owned()).filter(|text| !text.is_empty());
    let at = |name: &str| match visit.asks(name) {
        "" => Ok(None),
        text => match time_of(text, visit.now_ms) {
            Some(ms) => Ok(Some(from_ms(ms))),
            None => Err(format!("{}: {}", words.bad_filter, words.time_hint)),
        },
    };
    let result = named("result").map(|result| {
        let unread = || format!("{}: {}", words.bad_filter, words.result);
        result.parse::<Outcome>().map_err(|_| unread())
    });
    Ok(Wanted {
        who: named("who"),
        act: named("act"),
        result: result.transpose()?,
        since: at("since")?,
        until: at("until")?,
    })
}

fn from_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

fn filter_bar(visit: &Visit, words: &AuditWords) -> Markup {
    let text = |label: &str, name: &'static str| optional(label, name, "text", visit.asks(name));
    let outcomes = [
        Outcome::Begun,
        Outcome::Done,
        Outcome::Refused,
        Outcome::Failed,
    ];
    let outcomes = outcomes.map(|outcome| (outcome.name(), words.outcome(outcome)));
    let outcomes: Vec<Choice<'_>> = [("", words.any)].into_iter().chain(outcomes).collect();
    filters(
        visit,
        html! {
            (text(words.who, "who"))
            (text(words.act, "act"))
            (select(words.result, "result", &outcomes, visit.asks("result")))
            (text(words.since, "since"))
            (text(words.until, "until"))
            p .hint .wide { (words.begins_hint) " " (words.since) ": " (words.time_hint) }
        },
    )
}

fn rows(visit: &Visit, words: &AuditWords, page: &Page) -> Markup {
    let counted = format!("#{}", words.number);
    let columns = [
        &*counted,
        words.at,
        words.who,
        words.act,
        words.target,
        words.result,
    ];
    let next = page.next.map(|next| next.to_string());
    html! {
        @if !page.records.is_empty() {
            (table(words.caption, &columns, html! {
                @for record in &page.records { (row(visit, words, record)) }
            }))
        } @else if next.is_some() {
            (empty(words.none_here, words.none_here_hint))
        } @else {
            (empty(words.none, words.none_hint))
        }
        (pager(visit, next.as_deref()))
        @if !page.records.is_empty() {
            p { a .button href=(export(visit)) download="audit.ndjson" { (words.export) } }
        }
    }
}

fn row(visit: &Visit, words: &AuditWords, record: &Record) -> Markup {
    html! {
        tr {
            td .number { (record.number) }
            td { (at(visit, record)) }
            td { (narrow(visit, "who", &record.who.to_string())) }
            td { code { (narrow(visit, "act", &record.what)) } }
            td {
                // In the widest column, which has room for all of it.
                details {
                    summary data-row title=(words.more) {
                        @if record.target.is_empty() { (words.more) } @else { (hostile(visit, &record.target)) }
                    }
                    (more(visit, words, record))
                }
                @if !record.why.is_empty() { div .hint { (hostile(visit, &record.why)) } }
            }
            td {
                (badge(tone(record.result), words.outcome(record.result)))
                @if !record.error.is_empty() { div .hint { (hostile(visit, &record.error)) } }
            }
        }
    }
}

/// The time of a record; as it stands there where it cannot be read as one.
fn at(visit: &Visit, record: &Record) -> Markup {
    let at = humantime::parse_rfc3339(&record.at).ok();
    let ms = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    match ms {
        Some(ms) => time(visit, u64::try_from(ms.as_millis()).unwrap_or(u64::MAX)),
        None => hostile(visit, &record.at),
    }
}

/// A value that leads to all records that have it.
fn narrow(visit: &Visit, name: &str, value: &str) -> Markup {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let others = visit.query.iter();
    query.extend_pairs(others.filter(|(key, _)| key != name && key != "after"));
    query.append_pair(name, value);
    html! { a href={ "/audit?" (query.finish()) } { (hostile(visit, value)) } }
}

fn more(visit: &Visit, words: &AuditWords, record: &Record) -> Markup {
    let mut facts = Vec::new();
    if let Some(from) = record.from {
        facts.push((words.from, html! { code { (from) } }));
    }
    if let Some(capability) = &record.capability {
        facts.push((
            words.capability,
            html! { code { (hostile(visit, capability)) } },
        ));
    }
    if let Some(of) = record.of {
        // Records below the next number begin with this one.
        let path = format!("/audit?after={}", of.saturating_add(1));
        facts.push((words.began, html! { a href=(path) { (of) } }));
    }
    if !record.counts.is_empty() {
        let counts = html! {
            @for (name, count) in &record.counts { (hostile(visit, name)) ": " (number(*count)) br; }
        };
        facts.push((words.counts, counts));
    }
    if let Some(details) = &record.details {
        let text = serde_json::to_string_pretty(details).unwrap_or_default();
        facts.push((words.details, hostile(visit, &text)));
    }
    if let Some(hash) = &record.hash {
        facts.push((words.hash, html! { code { (hash) } }));
    }
    plan(&facts)
}

/// The same, with all its records; times as the API takes them.
fn export(visit: &Visit) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in FILTER {
        let value = visit.asks(name);
        let is_time = name == "since" || name == "until";
        match (
            value,
            is_time.then(|| time_of(value, visit.now_ms)).flatten(),
        ) {
            ("", _) => {}
            (_, Some(ms)) => drop(query.append_pair(name, &exact(ms))),
            (value, None) => drop(query.append_pair(name, value)),
        }
    }
    match query.finish() {
        none if none.is_empty() => "/api/v1/audit.ndjson".to_owned(),
        query => format!("/api/v1/audit.ndjson?{query}"),
    }
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Done => Tone::Good,
        Outcome::Begun => Tone::Info,
        Outcome::Refused => Tone::Warn,
        Outcome::Failed => Tone::Bad,
    }
}
