//! Delivery: what waits for each endpoint, what died, what was given up, and what can be done
//! about it.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::delivery_list::list;
use super::delivery_words::{DeliveryWords, View, WORDS};
use super::frame::{
    Tone, badge, bytes, coded, empty, heading, hostile, notice, number, page, problem, table, time,
};
use super::visit::{Answer, Visit};
use crate::admin::observed::Seen;
use crate::admin::shown::Admin;
use crate::outbox::{EndpointStats, SharedState};

pub(in crate::admin) async fn delivery_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let view = View::of(visit.asks("view"));
    let seen = admin.observed.latest().await;
    let body = html! {
        (heading(words.title, words.lead))
        div #live data-live="delivery" {
            @if let Some(state) = &seen.shared { (shared(&visit, words, state)) }
            (endpoints(&admin, &visit, words, &seen))
        }
        (list(&admin, &visit, words, view).await)
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

/// How an outbox that several replicas share looks from this one.
fn shared(visit: &Visit, words: &DeliveryWords, state: &SharedState) -> Markup {
    let counted = |what: &str| html! { p { (what) ": " strong { (number(state.spooled)) } } };
    match &state.away {
        Some(why) => {
            let lines = html! {
                p { strong { (words.away) } ": " (hostile(visit, why)) }
                p { (words.away_hint) }
                (counted(words.spooled))
            };
            notice(Tone::Bad, lines)
        }
        None => html! {
            @if state.spooled > 0 { (notice(Tone::Warn, counted(words.forwarding))) }
            p .hint {
                (words.replicas) ": " (state.replicas) ", " (words.this_one) ": " (hostile(visit, &state.replica))
            }
        },
    }
}

fn endpoints(admin: &Admin, visit: &Visit, words: &DeliveryWords, seen: &Seen) -> Markup {
    let Some(stats) = &seen.stats else {
        return problem(seen.error.as_deref().or(Some(words.silent)));
    };
    if stats.endpoints.is_empty() {
        return empty(words.no_events, coded(words.no_events_hint));
    }
    let limits = admin.outbox_limits;
    let counted = [
        words.pending,
        words.in_flight,
        words.dead,
        words.discarded,
        words.delivered,
    ];
    let counted = counted.map(|column| format!("#{column}"));
    let [pending, in_flight, dead, discarded, delivered] = &counted;
    let columns = [
        words.endpoint,
        words.state,
        pending,
        in_flight,
        dead,
        discarded,
        delivered,
        words.oldest,
    ];
    let rows = html! {
        @for one in &stats.endpoints {
            @let counts = &one.counts;
            tr {
                td { strong { (hostile(visit, &one.endpoint)) } }
                td { (state(visit, words, one)) }
                td .number { (counted_as(View::Pending, one, counts.pending)) }
                td .number { (number(counts.in_flight)) }
                td .number { (counted_as(View::Dead, one, counts.dead)) }
                td .number { (counted_as(View::Discarded, one, counts.discarded)) }
                td .number { (number(counts.delivered)) }
                td { @if let Some(at_ms) = one.oldest_pending_ms { (time(visit, at_ms)) } }
            }
        }
    };
    html! {
        @if let Some(why) = &seen.error { (problem(Some(why))) }
        (table(words.endpoints, &columns, rows))
        p .hint {
            (words.holds) " " (number(stats.entries)) " " (words.of) " " (number(limits.entries_max)) " " (words.events)
            ", " (bytes(stats.bytes)) " " (words.of) " " (bytes(limits.bytes_max)) "."
        }
    }
}

/// A number that leads to what it counts.
fn counted_as(view: View, one: &EndpointStats, count: u64) -> Markup {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("view", view.name());
    query.append_pair("endpoint", &one.endpoint);
    html! {
        @match count {
            0 => "0",
            _ => a href={ "/delivery?" (query.finish()) } { (number(count)) },
        }
    }
}

fn state(visit: &Visit, words: &DeliveryWords, one: &EndpointStats) -> Markup {
    if !one.counts.conserved() {
        return badge(Tone::Bad, words.not_conserved);
    }
    if let Some(paused) = &one.health.paused {
        return html! {
            (badge(Tone::Bad, words.paused)) " " (time(visit, paused.at_ms))
            div .hint { (hostile(visit, &paused.reason)) }
        };
    }
    match one.health.failing_since_ms {
        Some(at_ms) => html! { (badge(Tone::Warn, words.failing)) " " (time(visit, at_ms)) },
        None => badge(Tone::Good, words.works),
    }
}
