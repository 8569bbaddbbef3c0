//! What was decided: a search over it, with exact numbers.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::decisions_words::{DecisionsWords, WORDS};
use super::frame::{
    Choice, Tone, badge, empty, filters, heading, hostile, notice, number, of_core, optional, page,
    pager, problem, select, table, time,
};
use super::visit::{Answer, Visit};
use crate::admin::decisions::{ask, filter_of};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::history::{DecisionId, Filter, Kind, Page, Row};

const ROWS: usize = 50;
/// More new ones are told as this many.
const NEW_MAX: usize = 999;
/// Numbers are of so long a time where none is asked for.
const COUNTED_MS: u64 = 24 * 3600 * 1000;
const STEP_S: u64 = 365 * 24 * 3600;

/// The search, and what it finds.
pub(in crate::admin) async fn decisions_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let snapshot = admin.policies.current();
    let at = |name: &'static str| time_of(visit.asks(name), visit.now_ms);
    let filter = filter_of(&snapshot, |name| visit.asks(name), at);
    let unread = ["since", "until"]
        .into_iter()
        .find(|name| !visit.asks(name).is_empty() && at(name).is_none());
    let filter = match unread {
        Some(name) => Err(ApiProblem::invalid(format!(
            "`{name}`: {}",
            words.time_hint
        ))),
        None => filter,
    };
    let (status, found) = match filter {
        Err(bad) => {
            let why = format!("{}: {}", words.bad_filter, of_core(&visit, bad));
            (StatusCode::BAD_REQUEST, problem(Some(&why)))
        }
        Ok(filter) => match search(&admin, &visit, filter).await {
            Ok(body) => (StatusCode::OK, body),
            Err(why) => (StatusCode::OK, problem(Some(&why))),
        },
    };
    let body = html! {
        (heading(words.title, words.lead))
        @if let Some(why) = admin.history.error() {
            (notice(Tone::Bad, html! { p { (words.failing) ": " (why) } }))
        }
        (filter_bar(&admin, &visit, words))
        (found)
    };
    Ok(page(status, &visit, words.title, &body))
}

/// A time as RFC 3339 has it, or so long ago; milliseconds since 1970.
pub(super) fn time_of(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now_ms.saturating_sub(ago.as_millis() as u64));
    }
    let at = humantime::parse_rfc3339_weak(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_millis() as u64)
}

async fn search(admin: &Admin, visit: &Visit, filter: Filter) -> Result<Markup, String> {
    let words = visit.say(&WORDS);
    let cursor = Some(visit.asks("after").to_owned()).filter(|cursor| !cursor.is_empty());
    let counted = Filter {
        from_us: filter
            .from_us
            .or(Some(visit.now_ms.saturating_sub(COUNTED_MS) * 1000)),
        ..filter.clone()
    };
    let seen: Option<DecisionId> = visit.asks("seen").parse().ok();
    let newer = filter.clone();
    let asked = ask(admin, move |history| {
        let new = match seen {
            Some(seen) => history.newer(&newer, seen, NEW_MAX)?.len(),
            None => 0,
        };
        let page = history.find(&filter, cursor.as_deref(), ROWS)?;
        Ok((page, history.counts(&counted, STEP_S)?, new))
    });
    let (page, counts, new) = asked.await.map_err(|problem| of_core(visit, problem))?;
    let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
    for counted in counts {
        if let Some(kind) = Kind::from_name(&counted.outcome) {
            *sums.entry(kind as usize).or_default() += counted.count;
        }
    }
    Ok(html! {
        (numbers(visit, words, &sums))
        (new_ones(visit, words, &page, new))
        @if page.rows.is_empty() {
            @let hint = html! { p { (words.none_hint) " " a href="/hooks" { (words.to_hooks) } } };
            (empty(words.none, hint))
        } @else {
            (table(words.title, &columns(words), html! {
                @for row in &page.rows { (table_row(admin, visit, words, row)) }
            }))
        }
        (remarks(visit, words, &page))
        (pager(visit, page.next.as_deref()))
    })
}

fn columns(words: &DecisionsWords) -> [&str; 6] {
    [
        words.time,
        words.outcome,
        words.hook,
        words.who,
        words.matched,
        words.decided,
    ]
}

/// Exact numbers of each outcome, which lead to the rows of it.
fn numbers(visit: &Visit, words: &DecisionsWords, sums: &BTreeMap<usize, u64>) -> Markup {
    let narrowed = [
        "word",
        "sender",
        "target",
        "conversation",
        "message",
        "class",
    ];
    let is_narrowed = narrowed.iter().any(|name| !visit.asks(name).is_empty());
    html! {
        p .counts aria-label=(words.exact) {
            @for kind in Kind::ALL {
                @let count = sums.get(&(kind as usize)).copied().unwrap_or(0);
                @if count > 0 {
                    a href=(visit.with("outcome", kind.name())) {
                        (badge(tone(kind), words.outcomes[kind as usize])) " " (number(count))
                    }
                    " "
                }
            }
        }
        @if is_narrowed { p .hint { (words.exact_of_all) } }
    }
}

/// How many came since the page was made. The rows stay where they are.
fn new_ones(visit: &Visit, words: &DecisionsWords, page: &Page, new: usize) -> Markup {
    let newest = page.rows.first().map(|row| row.id.to_string());
    let seen = match visit.asks("seen") {
        "" => newest.unwrap_or_default(),
        seen => seen.to_owned(),
    };
    let is_first = visit.asks("after").is_empty();
    html! {
        @if is_first && !seen.is_empty() {
            div #new data-live="overview" data-fresh=(visit.with("seen", &seen)) {
                @if new > 0 {
                    p .notice.info { a href=(visit.with("seen", "")) { (number(new as u64)) " " (words.new) } }
                }
            }
        }
    }
}

fn remarks(visit: &Visit, words: &DecisionsWords, page: &Page) -> Markup {
    let export = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asked_for(visit))
        .finish();
    html! {
        p .hint {
            @if page.is_sampled { (words.sampled) " " }
            @if let Some(us) = page.searched_to_us { (words.searched_to) " " (time(visit, us / 1000)) ". " }
            (words.of_process)
        }
        @if !page.rows.is_empty() {
            p { a .button href={ "/api/v1/decisions.csv?" (export) } download="decisions.csv" { (words.export) } }
        }
    }
}

/// What of the address the API takes as well. Times may be written in another way there.
fn asked_for(visit: &Visit) -> Vec<(String, String)> {
    let asked = visit.query.iter();
    let asked =
        asked.filter(|(name, value)| !value.is_empty() && name != "after" && name != "seen");
    asked
        .map(|(name, value)| {
            let is_time = name == "since" || name == "until";
            let at = time_of(value, visit.now_ms).filter(|_| is_time);
            let value = at.map(super::frame::exact).unwrap_or_else(|| value.clone());
            (name.clone(), value)
        })
        .collect()
}

fn table_row(admin: &Admin, visit: &Visit, words: &DecisionsWords, row: &Row) -> Markup {
    let snapshot = admin.policies.current();
    html! {
        tr {
            td { a data-row href={ "/decisions/" (row.id) } { (time(visit, row.at_us / 1000)) } }
            td {
                (outcome(words, row))
                @if row.weight > 1 { " " span .hint title=(words.stands_for) { "×" (row.weight) } }
            }
            td { code { (row.hook) } }
            td {
                (hostile(visit, &row.sender))
                @if !row.target.is_empty() { " → " (hostile(visit, &row.target)) }
            }
            td {
                @for found in row.matches.iter().take(3) {
                    (hostile(visit, &found.list)) @if found.line > 0 { ":" (found.line) }
                    @if admin.history.in_force(&snapshot, &found.list, found.entry).is_none() {
                        " " (badge(Tone::Quiet, words.removed))
                    }
                    " "
                }
            }
            td {
                (row.decided_by)
                @if let Some(class) = &row.class { " " code { (class) } }
                @if let Some(skipped) = &row.skipped { " " code { (skipped) } }
            }
        }
    }
}

pub(super) fn outcome(words: &DecisionsWords, row: &Row) -> Markup {
    let kind = Kind::from_name(&row.outcome).unwrap_or(Kind::Allow);
    badge(tone(kind), words.outcomes[kind as usize])
}

fn tone(kind: Kind) -> Tone {
    match kind {
        Kind::Block => Tone::Bad,
        Kind::LetThrough => Tone::Warn,
        Kind::Replace | Kind::Reply | Kind::Flag | Kind::Shadow => Tone::Info,
        Kind::Allow => Tone::Good,
        Kind::Skipped => Tone::Quiet,
    }
}

fn filter_bar(admin: &Admin, visit: &Visit, words: &DecisionsWords) -> Markup {
    let snapshot = admin.policies.current();
    let text = |label: &str, name: &'static str| optional(label, name, "text", visit.asks(name));
    let any = ("", words.any);
    let names: Vec<&str> = snapshot
        .hooks()
        .filter(|rules| rules.hook.moment == crate::event::Moment::Before)
        .map(|rules| rules.hook.name)
        .collect();
    let hooks: Vec<Choice<'_>> = [any]
        .into_iter()
        .chain(names.iter().map(|name| (*name, *name)))
        .collect();
    let names: Vec<&str> = snapshot.lists().map(|list| &*list.name).collect();
    let lists: Vec<Choice<'_>> = [any]
        .into_iter()
        .chain(names.iter().map(|name| (*name, *name)))
        .collect();
    let outcomes: Vec<Choice<'_>> = [any]
        .into_iter()
        .chain(Kind::ALL.map(|kind| (kind.name(), words.outcomes[kind as usize])))
        .collect();
    let is_open = ["target", "conversation", "class", "version", "line"]
        .iter()
        .any(|name| !visit.asks(name).is_empty());
    filters(
        visit,
        html! {
            (text(words.word, "word"))
            (text(words.sender, "sender"))
            (text(words.message, "message"))
            (select(words.outcome, "outcome", &outcomes, visit.asks("outcome")))
            (select(words.hook, "hook", &hooks, visit.asks("hook")))
            (select(words.list, "list", &lists, visit.asks("list")))
            (text(words.since, "since"))
            (text(words.until, "until"))
            details .wide open[is_open] {
                summary { (words.more) }
                div .filters {
                    (text(words.target, "target"))
                    (text(words.conversation, "conversation"))
                    (text(words.class, "class"))
                    (text(words.version, "version"))
                    (text(words.line, "line"))
                }
                p .hint { (words.since) ": " (words.time_hint) }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        assert_eq!(time_of("2h", 10_000_000), Some(2_800_000));
        assert_eq!(time_of("1970-01-01T00:00:01Z", 0), Some(1_000));
        assert_eq!(time_of("1970-01-01 00:00:01", 0), Some(1_000));
        assert_eq!(time_of("yesterday", 0), None);
        assert_eq!(time_of("", 0), None);
    }
}
