//! Every policy that was in force: what each changed, by whom, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::changes_words::{ChangesWords, WORDS};
use super::frame::{
    Tone, badge, choosing, coded, diff, empty, heading, hostile, link, missing, notice, number,
    optional, page, pager, plan, section, share, table, time,
};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::admin::versions::{self, is_list};
use crate::history::Filter;
use crate::operators::Capability;
use crate::versions::{Change, FileDiff, Record};

const ROWS: usize = 50;
/// A longer text is not compared while somebody waits for a page.
const SHOWN_BYTES_MAX: usize = 1 << 20;
/// All of the time that the history has, in one span.
const ALL_S: u64 = 100 * 365 * 86_400;

/// Decisions by one version.
#[derive(Clone, Copy, Default)]
struct Came {
    all: u64,
    blocked: u64,
}

pub(in crate::admin) async fn changes_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let place = visit.asks("after").parse().ok();
    let store = admin.versions.store();
    let read = move || versions::page(&store, place, ROWS).unwrap_or_default();
    let (records, next) = aside(read).await;
    let came = came(&admin).await;
    let in_force = admin.policies.current().version.number;
    let rows = html! {
        @for record in &records {
            (row(&visit, words, record, in_force, came.get(&record.number).copied()))
        }
    };
    let names = [
        format!("#{}", words.decisions),
        format!("#{}", words.blocked),
    ];
    let columns = [
        words.version,
        words.at,
        words.who,
        words.why,
        &names[0],
        &names[1],
    ];
    let next = next.map(|next| next.to_string());
    let body = html! {
        (heading(words.title, words.lead))
        @if visit.asks("done").parse::<u64>().is_ok() {
            (notice(Tone::Good, html! { p { (words.done) " " (visit.asks("done")) } }))
        }
        @if let Ok(number) = visit.asks("forced").parse::<u64>() {
            (notice(Tone::Good, html! { p { (words.forced) " " (number) } }))
        }
        p { (link("/changes/replay", words.replay)) }
        div #live data-live="changes" {
            (state(&admin, &visit, words))
            @if records.is_empty() { (empty(words.none, coded(words.none_hint))) }
            @else { (table(words.title, &columns, rows)) (pager(&visit, next.as_deref())) }
        }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn row(
    visit: &Visit,
    words: &ChangesWords,
    record: &Record,
    in_force: u64,
    came: Option<Came>,
) -> Markup {
    html! {
        tr {
            td {
                a data-row href={ "/changes/" (record.number) } { (record.number) "-" (record.hash) }
                @if record.number == in_force { " " (badge(Tone::Good, words.in_force)) }
                @if let Some(restores) = record.origin.restores {
                    " " (badge(Tone::Info, html! { (words.brings_back) " " (restores) }))
                }
            }
            td { (time(visit, record.at_ms)) }
            td { (hostile(visit, &record.origin.who.to_string())) }
            td { (hostile(visit, &record.origin.why)) }
            (counts(came))
        }
    }
}

fn counts(came: Option<Came>) -> Markup {
    html! {
        @match came {
            Some(came) => {
                td .number { (number(came.all)) }
                td .number { (number(came.blocked)) " · " (share(came.blocked, came.all)) }
            }
            None => { td .number { "–" } td .number { "–" } }
        }
    }
}

/// What on disk is not in force.
fn state(admin: &Admin, visit: &Visit, words: &ChangesWords) -> Markup {
    let rejected = admin.policies.rejected();
    let error = admin.versions.state().error;
    html! {
        @if admin.policies.is_restored() { (notice(Tone::Bad, html! { p { (words.restored) } })) }
        @for held in admin.policies.held() {
            (notice(Tone::Warn, html! {
                p { (hostile(visit, &held.file)) " " (words.held) " " (hostile(visit, &held.why)) }
            }))
        }
        @if let Some(rejected) = rejected {
            (notice(Tone::Bad, html! {
                p { (words.rejected) }
                ul {
                    @for problem in rejected.problems.iter().take(10) {
                        li { (hostile(visit, &problem.to_string())) }
                    }
                }
            }))
        }
        @if let Some(error) = error {
            (notice(Tone::Bad, html! { p { (words.not_kept) " " (hostile(visit, &error)) } }))
        }
    }
}

pub(in crate::admin) async fn change_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let Ok(wanted) = visit.param("number").parse::<u64>() else {
        return Ok(missing(&visit, &html! { (words.gone) }));
    };
    let with = visit.asks("with").parse::<u64>().ok();
    let store = admin.versions.store();
    let read = move || {
        let record = store.record(wanted).ok()?;
        let (before, diffs) = versions::differences(&store, wanted, with).ok()?;
        Some((record, before, diffs))
    };
    let Some((record, before, diffs)) = aside(read).await else {
        return Ok(missing(&visit, &html! { (words.gone) }));
    };
    let came = came(&admin).await;
    let title = format!("{} {}-{}", words.version, record.number, record.hash);
    let compared = html! {
        @match before {
            Some(before) => p .hint {
                (words.compared_with) " " a href={ "/changes/" (before) } { (before) }
            },
            None => p .hint { (words.first) },
        }
        (choosing(&visit, words.compared_with, optional(words.compared_with, "with", "number", visit.asks("with"))))
        @if diffs.is_empty() { p { (words.same) } }
        @for diff in &diffs { (file(&visit, words, diff)) }
    };
    let body = html! {
        (heading(&title, words.one_lead))
        (facts(&visit, words, &record))
        (section(words.before_after, before_after(words, &came, before, record.number)))
        (section(words.what_changed, compared))
        div .acts {
            @if visit.may(Capability::Operate) {
                a .button href={ "/changes/" (record.number) "/rollback" } { (words.roll_back) }
                a .button href={ "/changes/" (record.number) "/patch" } { (words.patch) }
            }
            (link("/changes", words.all))
        }
    };
    Ok(page(StatusCode::OK, &visit, &title, &body))
}

fn facts(visit: &Visit, words: &ChangesWords, record: &Record) -> Markup {
    let why = match record.origin.why.as_str() {
        "" => html! { "–" },
        why => hostile(visit, why),
    };
    let mut rows = vec![
        (words.at, time(visit, record.at_ms)),
        (words.who, hostile(visit, &record.origin.who.to_string())),
        (words.why, why),
        (words.files, html! { (number(record.files.len() as u64)) }),
        (words.program, html! { (record.program) }),
    ];
    if let Some(restores) = record.origin.restores {
        let of = html! { a href={ "/changes/" (restores) } { (restores) } };
        rows.insert(3, (words.brings_back, of));
    }
    plan(&rows)
}

fn before_after(
    words: &ChangesWords,
    came: &BTreeMap<u64, Came>,
    before: Option<u64>,
    this: u64,
) -> Markup {
    let numbers = before.into_iter().chain([this]);
    let rows: Vec<_> = numbers.map(|one| (one, came.get(&one).copied())).collect();
    if rows.iter().all(|(_, came)| came.is_none()) {
        return html! { p .hint { (words.no_counts) } };
    }
    let names = [
        format!("#{}", words.decisions),
        format!("#{}", words.blocked),
    ];
    let columns = [words.version, names[0].as_str(), names[1].as_str()];
    let rows = html! {
        @for (number, came) in rows { tr { td { (number) } (counts(came)) } }
    };
    table(words.before_after, &columns, rows)
}

/// One file, as far as it may be seen.
pub(super) fn file(visit: &Visit, words: &ChangesWords, of: &FileDiff) -> Markup {
    let change = match of.change {
        Change::Added => badge(Tone::Good, words.added),
        Change::Removed => badge(Tone::Bad, words.removed),
        Change::Changed => badge(Tone::Info, words.changed),
    };
    let shown = is_list(&of.path) || visit.may(Capability::Operate);
    let is_long = of.before.len().max(of.after.len()) > SHOWN_BYTES_MAX;
    html! {
        h3 { (hostile(visit, &of.path)) " " (change) }
        p .hint { "+" (number(of.added as u64)) " −" (number(of.removed as u64)) " " (words.lines) }
        @if of.patch.is_none() || !shown { p .hint { (words.hidden) } }
        @else if is_long { p .hint { (coded(words.too_long)) } }
        @else { (diff(visit, &of.path, &of.before, &of.after)) }
    }
}

/// What decisions came to by each version, as far as the history has them.
async fn came(admin: &Admin) -> BTreeMap<u64, Came> {
    let history = Arc::clone(&admin.history);
    let counted = aside(move || {
        history
            .counts(&Filter::default(), ALL_S)
            .unwrap_or_default()
    })
    .await;
    let mut came: BTreeMap<u64, Came> = BTreeMap::new();
    // Of those with a list each was counted without it too.
    for counted in counted.iter().filter(|counted| counted.list.is_none()) {
        let of = came.entry(counted.version).or_default();
        of.all += counted.count;
        if counted.outcome == "block" {
            of.blocked += counted.count;
        }
    }
    came
}

/// Files are read away from the server's workers.
pub(super) async fn aside<T: Default + Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}
