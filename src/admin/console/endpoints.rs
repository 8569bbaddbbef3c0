//! The endpoints: how the last call of each went, and whether it is asked at all.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::endpoints_words::{EndpointsWords, WORDS};
use super::frame::{Tone, badge, coded, empty, heading, hostile, number, page, table, time};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::callback::EndpointStatus;

/// As many endpoints as a page shows: a chat server brings one for each room.
const SHOWN_MAX: usize = 500;
/// What the last call of a good endpoint ended as.
const WELL: [&str; 2] = ["answered", "delivered"];

pub(in crate::admin) async fn endpoints_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let all = admin.callbacks.status();
    let body = html! {
        (heading(words.title, words.lead))
        div #live data-live="hooks" {
            @if all.is_empty() { (empty(words.none, coded(words.none_hint))) }
            @else { (rows(&admin, &visit, words, &all)) }
        }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn rows(admin: &Admin, visit: &Visit, words: &EndpointsWords, all: &[EndpointStatus]) -> Markup {
    let snapshot = admin.policies.current();
    let hooks_of = |name: &str| {
        let named = snapshot.hooks().filter(|rules| {
            let mut endpoints = rules.endpoints.iter();
            endpoints.any(|endpoint| *endpoint.name == *name)
        });
        named.map(|rules| rules.hook.name).collect::<Vec<_>>()
    };
    let in_flight = format!("#{}", words.in_flight);
    let columns = [
        words.endpoint,
        words.asking,
        words.telling,
        &in_flight,
        words.last_call,
        words.hooks,
    ];
    let shown = html! {
        @for endpoint in all.iter().take(SHOWN_MAX) {
            tr {
                td {
                    strong { (hostile(visit, &endpoint.name)) }
                    @if endpoint.is_candidates { " " (badge(Tone::Info, words.of_candidate)) }
                    div .hint { (hostile(visit, &endpoint.url)) }
                }
                td {
                    (breaker(words, endpoint.breaker))
                    @if let Some(left) = endpoint.open_left {
                        div .hint { (words.again_in) " " (left.as_secs() + 1) " s" }
                    }
                    @for (hook, state) in &endpoint.hook_breakers {
                        div .hint { code { (hook) } " " (breaker(words, state)) }
                    }
                }
                td { (breaker(words, endpoint.delivery_breaker)) }
                td .number { (number(endpoint.in_flight as u64)) }
                td { (last(visit, words, endpoint)) }
                td {
                    // Which hooks a candidate asks it for stands in its own policy.
                    @if !endpoint.is_candidates {
                        @for hook in hooks_of(&endpoint.name) { div { code { (hook) } } }
                    }
                }
            }
        }
    };
    html! {
        (table(words.caption, &columns, shown))
        @if all.len() > SHOWN_MAX { p .hint { (words.more) " " (number((all.len() - SHOWN_MAX) as u64)) } }
    }
}

fn last(visit: &Visit, words: &EndpointsWords, endpoint: &EndpointStatus) -> Markup {
    let Some(outcome) = endpoint.last_outcome else {
        return html! { span .hint { (words.never) } };
    };
    let tone = match WELL.contains(&outcome) {
        true => Tone::Good,
        false => Tone::Bad,
    };
    html! {
        (badge(tone, words.outcome(outcome))) " " (time(visit, endpoint.last_at_ms))
        @if tone == Tone::Bad && !endpoint.last_detail.is_empty() {
            div .hint { (hostile(visit, &endpoint.last_detail)) }
        }
    }
}

fn breaker(words: &EndpointsWords, state: &str) -> Markup {
    match state {
        "closed" => badge(Tone::Good, words.closed),
        "open" => badge(Tone::Bad, words.open),
        _ => badge(Tone::Warn, words.half_open),
    }
}
