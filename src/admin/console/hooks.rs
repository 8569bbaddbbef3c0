//! The hooks: whether each is called, what it left out and why, and what its failures lead to.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{Tone, badge, coded, empty, heading, hostile, number, page, table, time};
use super::hooks_words::{HooksWords, WORDS};
use super::set_up_text::set_up_text;
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::decision::{FailureAction, FailureClass};
use crate::event::{Hook, Moment};
use crate::policy::{HookRules, Snapshot};

/// One hook: of the policy, or called without being in it.
struct Line<'a> {
    hook: Hook,
    rules: Option<&'a HookRules>,
}

pub(in crate::admin) async fn hooks_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let snapshot = admin.policies.current();
    let lines = lines(&admin, &snapshot);
    let unknown = admin.metrics.unknown_commands.counts();
    let is_never_called = admin.metrics.hooks.called().is_empty();
    let body = html! {
        (heading(words.title, words.lead))
        div #live data-live="hooks" {
            @if is_never_called { (empty(words.never_called, set_up_text(&visit))) }
            @if lines.is_empty() { (empty(words.no_hooks, coded(words.no_hooks_hint))) }
            @else { (calls(&admin, &visit, words, &lines)) }
            @if !unknown.is_empty() {
                h2 { (words.unknown) }
                (table(words.unknown_hint, &[words.command, &format!("#{}", words.calls)], html! {
                    @for (command, calls) in &unknown {
                        tr { td { (hostile(&visit, command)) } td .number { (number(*calls)) } }
                    }
                }))
            }
            (failures(words, &lines))
            @if !is_never_called {
                details { summary { (words.connect) } (set_up_text(&visit)) }
            }
        }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn lines<'a>(admin: &Admin, snapshot: &'a Snapshot) -> Vec<Line<'a>> {
    let of_policy = snapshot.hooks().map(|rules| Line {
        hook: rules.hook,
        rules: Some(rules),
    });
    let mut lines: Vec<Line<'_>> = of_policy.collect();
    for hook in admin.metrics.hooks.called() {
        if !lines.iter().any(|line| line.hook.name == hook.name) {
            lines.push(Line { hook, rules: None });
        }
    }
    // What is asked before comes before what is told after.
    lines.sort_by_key(|line| (line.hook.moment != Moment::Before, line.hook.name));
    lines
}

fn calls(admin: &Admin, visit: &Visit, words: &HooksWords, lines: &[Line<'_>]) -> Markup {
    let calls = format!("#{}", words.calls);
    let columns = [
        words.hook,
        words.state,
        &calls,
        words.last_call,
        words.skipped,
        words.lists,
        words.asks,
    ];
    let rows = html! {
        @for line in lines {
            @let state = admin.metrics.hooks.get(line.hook);
            tr {
                td { code { (line.hook.name) } }
                td { (state_of(words, line, state.is_some())) }
                td .number { (number(state.as_ref().map_or(0, |state| state.calls()))) }
                td {
                    @if let Some(state) = &state {
                        (time(visit, state.last_at_ms())) br;
                        span .hint { (words.ended(state.last_outcome())) }
                    } @else { span .hint { (words.never) } }
                }
                td {
                    @if let Some(state) = &state {
                        @for (reason, count) in state.skipped() {
                            div { (number(count)) " " span .hint { (words.reason(reason)) } }
                        }
                    }
                }
                td { @for list in line.rules.map(HookRules::list_names).unwrap_or_default() { div { bdi { (list) } } } }
                td {
                    @for endpoint in line.rules.iter().flat_map(|rules| &rules.endpoints) {
                        div { a href="/endpoints" { bdi { (endpoint.name) } } }
                    }
                }
            }
        }
    };
    table(words.caption, &columns, rows)
}

fn state_of(words: &HooksWords, line: &Line<'_>, is_called: bool) -> Markup {
    match (line.rules, is_called) {
        (None, _) => badge(Tone::Warn, words.off),
        (Some(_), true) => badge(Tone::Good, words.called),
        (Some(_), false) => badge(Tone::Warn, words.not_called),
    }
}

/// What each class of failure leads to, for each hook that is asked before.
fn failures(words: &HooksWords, lines: &[Line<'_>]) -> Markup {
    let before = lines.iter().filter_map(|line| line.rules);
    let before: Vec<&HookRules> = before
        .filter(|rules| rules.hook.moment == Moment::Before)
        .collect();
    if before.is_empty() {
        return html! {};
    }
    let names = before.iter().map(|rules| rules.hook.name);
    let columns: Vec<&str> = [words.class].into_iter().chain(names).collect();
    let rows = html! {
        @for class in FailureClass::ALL {
            tr {
                td { code { (class.name()) } div .hint { (words.class_means(class)) } }
                @for rules in &before {
                    td {
                        @match rules.action(class) {
                            FailureAction::Allow => (badge(Tone::Warn, words.let_through)),
                            FailureAction::Block => (badge(Tone::Bad, words.block)),
                        }
                    }
                }
            }
        }
    };
    html! {
        h2 { (words.failures) }
        (table(words.failures_hint, &columns, rows))
    }
}
