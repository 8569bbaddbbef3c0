//! The first page: what becomes of messages, and what needs somebody.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{StatusCode, header};
use maud::{Markup, html};

use super::frame::{
    Chart, Mark, Series, Tone, badge, chart, empty, heading, number, page, share, since,
};
use super::overview_words::{OverviewWords, WORDS};
use super::troubles::troubles;
use super::visit::{Answer, Visit};
use crate::admin::doors::INDEX;
use crate::admin::lately::Minutes;
use crate::admin::shown::Admin;
use crate::telemetry::{CameTo, UsageLevel};

const MINUTE_MS: u64 = 60_000;

/// The overview for people; programs that ask for `/` are told what there is.
pub(in crate::admin) async fn index(State(admin): State<Admin>, request: Request) -> Answer {
    let accept = request.headers().get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return Ok(INDEX.into_response());
    }
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let now = admin.metrics.outcomes.totals();
    let minutes = admin.lately.minutes(now, visit.now_ms);
    let body = html! {
        (heading(words.title, words.lead))
        div #live data-live="overview" {
            (troubles(&admin, &visit).await)
            (tiles(&admin, &visit, words, &minutes).await)
            @if now.iter().sum::<u64>() == 0 { (nothing_yet(words)) }
            @else { (curve(&admin, &visit, words, &minutes)) }
        }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn nothing_yet(words: &OverviewWords) -> Markup {
    let hint = html! {
        p { (words.try_it) }
        pre tabindex="0" { "callgate send \"see you at eight\"" }
        p { (words.connect) " " a href="/hooks" { (words.to_hooks) } }
    };
    empty(words.no_calls, hint)
}

async fn tiles(admin: &Admin, visit: &Visit, words: &OverviewWords, minutes: &Minutes) -> Markup {
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
                p .hint { (words.last_hour) }
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

fn curve(admin: &Admin, visit: &Visit, words: &OverviewWords, minutes: &Minutes) -> Markup {
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
        points: minutes.of(*kind),
    });
    let versions = admin.policies.versions().into_iter();
    let marks = versions.map(|loaded| Mark {
        at_ms: loaded.at_ms,
        text: format!("v{}", loaded.version.number),
    });
    let messages = Chart {
        title: words.rate,
        unit: words.a_minute,
        start_ms: minutes.start_ms,
        step_ms: MINUTE_MS,
        series: series.collect(),
        marks: marks.collect(),
    };
    chart(visit, &messages)
}
