//! The first page: what becomes of messages, and what needs somebody.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{StatusCode, header};
use maud::{Markup, html};
use strum::VariantArray;

use super::frame::{
    Chart, Mark, Series, Tone, badge, chart, empty, heading, number, of_core, page, problem, share,
    since,
};
use super::overview_past::{Past, Range, past};
use super::overview_words::{OverviewWords, WORDS};
use super::troubles::troubles;
use super::visit::{Answer, Visit};
use crate::admin::doors::INDEX;
use crate::admin::lately::Minutes;
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::telemetry::{CameTo, UsageLevel};

/// The overview for people; programs that ask for `/` are told what there is.
pub(in crate::admin) async fn index(State(admin): State<Admin>, request: Request) -> Answer {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(INDEX.into_response());
    }
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let range: Range = visit.asks("range").parse().unwrap_or_default();
    let past = past(&admin, range, visit.now_ms).await;
    let is_new = admin.metrics.outcomes.totals().iter().sum::<u64>() == 0;
    let body = html! {
        (heading(words.title, words.lead))
        div #live data-live="overview" {
            (troubles(&admin, &visit).await)
            @match &past {
                Ok(past) => {
                    (tiles(&admin, &visit, words, &past.minutes, range).await)
                    @if is_new && range == Range::Hour { (nothing_yet(words)) }
                    (ranges(&admin, &visit, words, range))
                    @if !is_new || range != Range::Hour { (curve(&visit, words, past, range)) }
                }
                Err(why) => (problem(Some(&of_core(&visit, ApiProblem::internal(why.to_string()))))),
            }
        }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

/// The ways to other ranges, where there is a history to take them from.
fn ranges(admin: &Admin, visit: &Visit, words: &OverviewWords, range: Range) -> Markup {
    if admin.history.settings().is_none() {
        return html! {};
    }
    html! {
        nav .tabs aria-label=(words.range) {
            @for one in Range::VARIANTS {
                @let name: &str = one.into();
                a href=(visit.with("range", name)) aria-current=[(*one == range).then_some("page")] { (words.last(*one)) }
            }
        }
    }
}

fn nothing_yet(words: &OverviewWords) -> Markup {
    let hint = html! {
        p { (words.try_it) }
        pre tabindex="0" { "callgate send \"see you at eight\"" }
        p { (words.connect) " " a href="/hooks" { (words.to_hooks) } }
    };
    empty(words.no_calls, hint)
}

async fn tiles(
    admin: &Admin,
    visit: &Visit,
    words: &OverviewWords,
    minutes: &Minutes,
    range: Range,
) -> Markup {
    let messages: u64 = CameTo::ALL.map(|kind| minutes.sum(kind)).iter().sum();
    let blocked = minutes.sum(CameTo::Blocked);
    let unreviewed = minutes.sum(CameTo::LetThrough);
    let version = admin.policies.current().version.clone();
    let loaded = admin.policies.versions().first().map(|loaded| loaded.at_ms);
    html! {
        div .tiles {
            div {
                p .hint { (words.messages) }
                p .value { (number(messages)) }
                p .hint { (words.last(range)) }
            }
            div {
                p .hint { (words.blocked) }
                p .value { (number(blocked)) }
                p .hint { (share(blocked, messages)) }
            }
            div {
                p .hint { (words.unreviewed) }
                p .value { (number(unreviewed)) }
                p {
                    @match unreviewed {
                        0 => (badge(Tone::Good, words.none)),
                        _ => (badge(Tone::Bad, words.a_failure)),
                    }
                }
            }
            div {
                p .hint { (words.version) }
                p .value { (version.number) }
                p .hint { @if let Some(at_ms) = loaded { (words.since) " " (since(visit, at_ms)) } }
            }
            (outbox(admin, words).await)
        }
    }
}

async fn outbox(admin: &Admin, words: &OverviewWords) -> Markup {
    let seen = admin.observed.latest().await;
    let Some(stats) = &seen.stats else {
        return html! {};
    };
    let used = admin.outbox_limits.used(stats.bytes, stats.entries);
    let pending: u64 = stats.endpoints.iter().map(|one| one.counts.pending).sum();
    let (tone, level) = match UsageLevel::of(used) {
        UsageLevel::Normal => (Tone::Good, words.normal),
        UsageLevel::High => (Tone::Warn, words.high),
        UsageLevel::Critical => (Tone::Bad, words.critical),
    };
    html! {
        div {
            p .hint { (words.outbox) }
            p .value { (number(pending)) }
            p { (badge(tone, level)) " " span .hint { (format!("{:.0} %", used * 100.0)) } }
        }
    }
}

fn curve(visit: &Visit, words: &OverviewWords, past: &Past, range: Range) -> Markup {
    let kinds = [
        (CameTo::Passed, words.passed, Tone::Quiet),
        (CameTo::Flagged, words.flagged, Tone::Info),
        (CameTo::Replaced, words.replaced, Tone::Good),
        (CameTo::LetThrough, words.let_through, Tone::Warn),
        (CameTo::Blocked, words.refused, Tone::Bad),
    ];
    // From above: what is looked for lies at the bottom, where its height is read.
    let series = kinds.iter().rev().map(|(kind, name, tone)| Series {
        name,
        tone: *tone,
        points: past.minutes.of(*kind),
    });
    let marks = past.versions.iter().map(|(at_ms, version)| Mark {
        at_ms: *at_ms,
        text: format!("v{version}"),
    });
    let messages = Chart {
        title: words.rate,
        unit: words.each(range),
        start_ms: past.minutes.start_ms,
        step_ms: past.minutes.step_ms,
        series: series.collect(),
        marks: marks.collect(),
    };
    chart(visit, &messages)
}
