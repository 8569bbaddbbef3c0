//! The trial of a candidate policy: how it does beside the one in force.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Tone, badge, coded, empty, field, heading, hostile, link, notice, number, of_core, page, plan,
    section, share, table, time,
};
use super::trial_words::{TrialWords, WORDS};
use super::visit::{Answer, Visit};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::operators::Capability;
use crate::trial::{Counts, Status};

pub(in crate::admin) async fn trial_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let status = admin.trials.status();
    let body = html! {
        (heading(words.title, words.lead))
        @if !visit.asks("done").is_empty() {
            (notice(Tone::Good, html! { p { (words.done) " " (hostile(&visit, visit.asks("done"))) } }))
        }
        @if status.state == "none" { (empty(words.none, coded(words.none_hint))) }
        @else { (all(&visit, words, &status)) }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn all(visit: &Visit, words: &TrialWords, status: &Status) -> Markup {
    html! {
        @if status.state == "broken" { (notice(Tone::Bad, html! { p { (words.broken_lead) } })) }
        @if !status.problems.is_empty() {
            (notice(Tone::Warn, html! {
                p { (words.problems) }
                ul { @for problem in &status.problems { li { (hostile(visit, &problem.to_string())) } } }
            }))
        }
        @if let Some(why) = &status.promotion_held {
            @let why = of_core(visit, ApiProblem::conflict(why));
            (notice(Tone::Warn, html! { p { (words.held) " " (hostile(visit, &why)) } }))
        }
        (terms(visit, words, status))
        @if status.candidate.is_some() {
            (acts(visit, words, status))
            (counts(words, status))
            (differences(visit, words, status))
            (conditions(words, status))
        }
    }
}

fn terms(visit: &Visit, words: &TrialWords, status: &Status) -> Markup {
    let state = match status.state {
        "running" => badge(Tone::Good, words.running),
        "ended" => badge(Tone::Info, words.ended),
        _ => badge(Tone::Bad, words.broken),
    };
    let mut rows = vec![(words.state, state)];
    let texts = [
        (words.candidate, &status.candidate),
        (words.base, &status.base),
        (words.directory, &status.directory),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            rows.push((name, hostile(visit, text)));
        }
    }
    if let Some(mode) = status.mode {
        let mode = match mode {
            "ruling" => words.ruling,
            _ => words.shadow,
        };
        rows.push((words.mode, html! { (mode) }));
    }
    if let Some(share) = status.share {
        rows.push((words.share, html! { ((share * 1e4).round() / 100.0) " %" }));
    }
    let times = [
        (words.since, status.started_ms),
        (words.promotes, status.promotes_ms),
    ];
    for (name, at_ms) in times {
        if let Some(at_ms) = at_ms {
            rows.push((name, time(visit, at_ms)));
        }
    }
    if let Some(ended) = &status.ended {
        let by = html! {
            (badge(Tone::Warn, words.ended_as(ended.by))) " " (time(visit, ended.at_ms)) " "
            (hostile(visit, &ended.who)) ": " (hostile(visit, &ended.why))
        };
        rows.push((words.ended_by, by));
    }
    plan(&rows)
}

fn acts(visit: &Visit, words: &TrialWords, status: &Status) -> Markup {
    if !visit.may(Capability::Operate) || status.directory.is_none() {
        return html! {};
    }
    let (action, button, class) = match status.state {
        "running" => ("/trial/end", words.end, "danger"),
        _ => ("/trial/start", words.start, ""),
    };
    html! {
        form method="post" action=(action) {
            div .row {
                (field(words.why, "why", "text", "off", ""))
                button class=(class) { (button) }
            }
        }
        div .acts { (link("/trial/promotion", words.promote)) }
    }
}

fn counts(words: &TrialWords, status: &Status) -> Markup {
    let names = [
        format!("#{}", words.decisions),
        format!("#{}", words.blocked),
        format!("#{}", words.let_through),
    ];
    let columns = [words.decided_by, &names[0], &names[1], &names[2]];
    let row = |name: &str, counts: &Counts| {
        html! {
            tr {
                td { (name) }
                td .number { (number(counts.decisions)) }
                td .number { (number(counts.blocks)) " · " (share(counts.blocks, counts.decisions)) }
                td .number { (number(counts.let_through)) " · " (share(counts.let_through, counts.decisions)) }
            }
        }
    };
    let rows = html! {
        (row(words.by_candidate, &status.ruled))
        (row(words.by_policy, &status.beside))
    };
    let facts = [
        (words.compared, status.compared),
        (words.not_comparable, status.not_comparable),
        (words.dropped, status.dropped),
    ];
    let facts: Vec<_> = facts
        .into_iter()
        .map(|(name, count)| (name, html! { (number(count)) }))
        .collect();
    section(
        words.counts,
        html! { (table(words.counts, &columns, rows)) (plan(&facts)) },
    )
}

fn differences(visit: &Visit, words: &TrialWords, status: &Status) -> Markup {
    if status.differences.is_empty() {
        return section(words.differences, html! { p { (words.no_differences) } });
    }
    let count = format!("#{}", words.count);
    let columns = [words.policy, words.candidate, &count];
    let rows = html! {
        @for (name, count) in &status.differences {
            @let (policy, candidate) = name.split_once('>').unwrap_or((name, ""));
            tr {
                td { code { (policy) } }
                td { code { (candidate) } }
                td .number { (number(*count)) " · " (share(*count, status.compared)) }
            }
        }
    };
    section(
        words.differences,
        html! { (table(words.differences, &columns, rows)) (latest(visit, words, status)) },
    )
}

fn latest(visit: &Visit, words: &TrialWords, status: &Status) -> Markup {
    let columns = [
        words.at,
        words.hook,
        words.message,
        words.policy,
        words.candidate,
        words.found_by,
    ];
    let rows = html! {
        @for difference in status.latest.iter().take(50) {
            tr {
                td { (time(visit, difference.at_ms)) }
                td { code { (difference.hook) } }
                td { (hostile(visit, &difference.message_id)) }
                td { code { (difference.policy) } }
                td { code { (difference.candidate) } }
                td {
                    @if let Some(list) = &difference.list {
                        (hostile(visit, list))
                        @if let Some(line) = difference.line { ":" (line) }
                    }
                }
            }
        }
    };
    html! {
        @if !status.latest.is_empty() { (table(words.latest, &columns, rows)) }
    }
}

fn conditions(words: &TrialWords, status: &Status) -> Markup {
    let sureness = format!("#{}", words.sureness);
    let columns = [words.condition, words.allowed, &sureness];
    let rows = html! {
        @for condition in &status.conditions {
            tr {
                td { code { (condition.name) } }
                td { (condition.allowed) }
                td .number { (format!("{:.0} %", condition.sureness * 100.0)) }
            }
        }
    };
    html! {
        @if !status.conditions.is_empty() {
            (section(words.conditions, table(words.conditions, &columns, rows)))
        }
    }
}
