//! What needs somebody, at the top of the overview: each with the way to where it is mended.

use maud::{Markup, Render, html};

use super::frame::{Tone, hostile, notice, time};
use super::language::Both;
use super::visit::Visit;
use crate::admin::shown::Admin;
use crate::settings::{Problem, Severity};

/// As many of one kind as are shown.
const SHOWN_MAX: usize = 20;
/// A certificate that expires sooner is told.
const SOON_DAYS: f64 = 21.0;

pub(super) struct TroublesWords {
    rejected: &'static str,
    at: &'static str,
    still: &'static str,
    engine_good: &'static str,
    engine_bad: &'static str,
    warnings: &'static str,
    audit: &'static str,
    outbox: &'static str,
    history: &'static str,
    breakers: &'static str,
    paused: &'static str,
    certificates: &'static str,
    days_left: &'static str,
    and_more: &'static str,
}

static WORDS: Both<TroublesWords> = Both {
    english: TroublesWords {
        rejected: "An edit of the policy is not in force",
        at: "since",
        still: "What was in force before goes on deciding.",
        engine_good: "engine.yaml says something else than what runs; a restart takes it.",
        engine_bad: "callgate would not start again with engine.yaml as it is now",
        warnings: "Warnings about the files in force",
        audit: "Acts are refused, because they cannot be recorded",
        outbox: "The outbox does not answer",
        history: "Decisions are made and not kept, because the history cannot be written",
        breakers: "Endpoints that are not asked, because they failed",
        paused: "Endpoints whose events are parked",
        certificates: "Certificates",
        days_left: "days left",
        and_more: "and more:",
    },
    chinese: TroublesWords {
        rejected: "策略的一次修改没有生效",
        at: "始于",
        still: "之前生效的策略继续有效。",
        engine_good: "engine.yaml 与运行中的设置不同，重启后生效。",
        engine_bad: "以现在的 engine.yaml，callgate 将无法再次启动",
        warnings: "对生效文件的警告",
        audit: "操作被拒绝，因为无法记录",
        outbox: "发件箱没有响应",
        history: "决策照常进行但没有保存，因为历史无法写入",
        breakers: "因失败而暂停询问的端点",
        paused: "事件被搁置的端点",
        certificates: "证书",
        days_left: "天后到期",
        and_more: "还有：",
    },
};

/// All that is wrong, worst first; nothing when all is well.
pub(super) async fn troubles(admin: &Admin, visit: &Visit) -> Markup {
    let words = visit.say(&WORDS);
    let outbox = admin.observed.latest().await.error;
    html! {
        @if let Some(why) = admin.audit.error() {
            (notice(Tone::Bad, told(words.audit, hostile(visit, &why))))
        }
        @if let Some(rejected) = admin.policies.rejected() {
            @let errors = rejected.problems.iter().filter(|one| one.severity == Severity::Error);
            (notice(Tone::Bad, html! {
                p { strong { (words.rejected) } " (" (words.at) " " (time(visit, rejected.at_ms)) "). " (words.still) }
                (problems(visit, errors))
            }))
        }
        (engine(admin, visit, words))
        @if let Some(why) = outbox {
            (notice(Tone::Bad, told(words.outbox, hostile(visit, &why))))
        }
        @if let Some(why) = admin.history.error() {
            (notice(Tone::Warn, told(words.history, hostile(visit, &why))))
        }
        (endpoints(admin, visit, words).await)
        (certificates(admin, visit, words))
        (warnings(admin, visit, words))
    }
}

fn told(what: &str, why: impl Render) -> Markup {
    html! { p { strong { (what) } ": " (why) } }
}

fn engine(admin: &Admin, visit: &Visit, words: &TroublesWords) -> Markup {
    let Some(edit) = admin.policies.engine_edit() else {
        return html! {};
    };
    match edit.problems.is_empty() {
        true => notice(Tone::Info, html! { p { (words.engine_good) } }),
        false => notice(
            Tone::Bad,
            html! {
                p { strong { (words.engine_bad) } }
                (problems(visit, edit.problems.iter()))
            },
        ),
    }
}

async fn endpoints(admin: &Admin, visit: &Visit, words: &TroublesWords) -> Markup {
    let all = admin.callbacks.status();
    let is_open = |one: &&crate::callback::EndpointStatus| {
        one.breaker == "open" || one.delivery_breaker == "open"
    };
    let open: Vec<_> = all.iter().filter(is_open).map(|one| &*one.name).collect();
    let seen = admin.observed.latest().await;
    let stats = seen.stats.iter().flat_map(|stats| &stats.endpoints);
    let is_paused = |one: &&crate::outbox::EndpointStats| one.health.paused.is_some();
    let paused = stats.filter(is_paused).map(|one| one.endpoint.as_str());
    let paused: Vec<&str> = paused.collect();
    html! {
        @if !open.is_empty() {
            (notice(Tone::Warn, told(words.breakers, names(visit, "/endpoints", &open))))
        }
        @if !paused.is_empty() {
            (notice(Tone::Warn, told(words.paused, names(visit, "/delivery", &paused))))
        }
    }
}

fn names(visit: &Visit, path: &str, names: &[&str]) -> Markup {
    html! {
        a href=(path) {
            @for (at, name) in names.iter().take(SHOWN_MAX).enumerate() {
                @if at > 0 { ", " }
                (hostile(visit, name))
            }
        }
        @if names.len() > SHOWN_MAX { " …" }
    }
}

fn certificates(admin: &Admin, visit: &Visit, words: &TroublesWords) -> Markup {
    let all = admin.certificates.gauges();
    let is_soon = |days: &Option<f64>| days.is_some_and(|days| days < SOON_DAYS);
    let wrong = all
        .iter()
        .filter(|(_, days, is_bad)| *is_bad || is_soon(days));
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        return html! {};
    }
    let lines = html! {
        p { strong { (words.certificates) } }
        ul {
            @for (used_by, days, _) in wrong {
                li {
                    (hostile(visit, used_by))
                    @if let Some(days) = days { ": " (format!("{days:.1}")) " " (words.days_left) }
                }
            }
        }
    };
    notice(Tone::Warn, lines)
}

fn warnings(admin: &Admin, visit: &Visit, words: &TroublesWords) -> Markup {
    let of_policy = admin.policies.warnings();
    let all: Vec<&Problem> = admin.engine_warnings.iter().chain(&of_policy).collect();
    if all.is_empty() {
        return html! {};
    }
    let count = all.len();
    let body = html! {
        details {
            summary { (words.warnings) " (" (count) ")" }
            (problems(visit, all.into_iter()))
        }
    };
    notice(Tone::Warn, body)
}

/// Problems of files: place, what, and the way out.
pub(super) fn problems<'a>(visit: &Visit, problems: impl Iterator<Item = &'a Problem>) -> Markup {
    let words = visit.say(&WORDS);
    let all: Vec<_> = problems.collect();
    html! {
        ul .problems {
            @for problem in all.iter().take(SHOWN_MAX) {
                li {
                    code { (hostile(visit, &place(problem))) } " "
                    (hostile(visit, &problem.what))
                    @if !problem.hint.is_empty() { br; span .hint { (hostile(visit, &problem.hint)) } }
                }
            }
            @if all.len() > SHOWN_MAX { li { (words.and_more) " " (all.len() - SHOWN_MAX) } }
        }
    }
}

fn place(problem: &Problem) -> String {
    match (problem.line, problem.column) {
        (0, _) => problem.file.clone(),
        (line, 0) => format!("{}:{line}", problem.file),
        (line, column) => format!("{}:{line}:{column}", problem.file),
    }
}
