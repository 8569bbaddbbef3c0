//! What the pages of word lists have in common.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{Tone, badge, heading, hostile, link, notice, of_core, page};
use super::lists_words::WORDS;
use super::visit::Visit;
use crate::admin::problem::ApiProblem;
use crate::lists::Page;
use crate::settings::{Problem, Severity};

/// Problems of a file that are shown.
const PROBLEMS_MAX: usize = 10;

/// A name and a value, as an address or a form has them.
pub(super) type Pair = (String, String);

pub(super) fn asks<'a>(pairs: &'a [Pair], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

pub(super) fn encoded(pairs: &[Pair]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

pub(super) fn failed(visit: &Visit, why: &str) -> Response {
    not_done(visit, StatusCode::CONFLICT, why)
}

/// It is not for who asks.
pub(super) fn refused(visit: &Visit, why: &str) -> Response {
    let why = ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", why);
    not_done(visit, StatusCode::FORBIDDEN, &of_core(visit, why))
}

fn not_done(visit: &Visit, status: StatusCode, why: &str) -> Response {
    let words = visit.say(&WORDS);
    let body = html! {
        (heading(words.title, words.not_saved))
        (notice(Tone::Bad, html! { @for line in why.lines() { p { (hostile(visit, line)) } } }))
        (link("/lists", words.back))
    };
    page(status, visit, words.title, &body)
}

/// The page of a list.
pub(super) fn path(list: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(list.as_bytes()).collect();
    // A form writes blanks otherwise than a path does.
    format!("/lists/{}", name.replace('+', "%20"))
}

/// The page of a change, with what stands behind `?`.
pub(super) fn draft(list: &Page, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).append_pair("base", &list.hash);
    format!("{}/draft?{}", path(&list.list.name), query.finish())
}

pub(super) fn action(action: &str) -> Markup {
    let tone = match action {
        "block" => Tone::Bad,
        "replace" => Tone::Warn,
        "flag" => Tone::Info,
        "allow" => Tone::Good,
        _ => Tone::Quiet,
    };
    badge(tone, action)
}

fn severity(visit: &Visit, problem: &Problem) -> Markup {
    let words = visit.say(&WORDS);
    match problem.severity {
        Severity::Error => badge(Tone::Bad, words.error),
        _ => badge(Tone::Warn, words.warning),
    }
}

/// What is wrong, with its place and the way out.
pub(super) fn problems(visit: &Visit, problems: &[Problem]) -> Markup {
    html! {
        ul .problems {
            @for problem in problems.iter().take(PROBLEMS_MAX) {
                li {
                    (severity(visit, problem)) " "
                    @if problem.line > 0 { strong { (problem.file) ":" (problem.line) } " " }
                    (hostile(visit, &problem.what))
                    @if !problem.hint.is_empty() { div .hint { (hostile(visit, &problem.hint)) } }
                }
            }
            @if problems.len() > PROBLEMS_MAX { li .hint { "+" (problems.len() - PROBLEMS_MAX) } }
        }
    }
}
