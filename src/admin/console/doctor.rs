//! Doctor: a look at the business servers, begun with a button, and what the last one found.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

use super::doctor_titles::{of_fault, of_remark};
use super::doctor_words::{DoctorWords, WORDS};
use super::frame::{
    Choice, Tone, area, badge, done, empty, heading, hostile, notice, number, of_core, page,
    problem, section, select, table, time,
};
use super::language::Language;
use super::visit::{Answer, Visit, go_to};
use crate::admin::check_ups::{CheckUp, State as Looked};
use crate::admin::doctor;
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::doctor::{Examined, Remark, Report, Said, Wanted};

/// What the field holds that says which endpoint, when all are meant.
const EVERY: &str = "";
/// Calls of a fault that are named.
const NAMED_MAX: usize = 3;
/// How soon the page is loaded again while a look is made, in seconds; it needs no script.
const RELOAD: HeaderValue = HeaderValue::from_static("2");

pub(in crate::admin) async fn doctor_page(State(admin): State<Admin>, request: Request) -> Answer {
    // An IM server's own file is longer than most forms.
    let visit = Visit::of_long(&admin, request).await?;
    let words = visit.say(&WORDS);
    if !visit.is_form {
        return Ok(shown(&admin, &visit, words, StatusCode::OK, None));
    }
    let given = |field: &str| Some(visit.field(field)).filter(|text| !text.trim().is_empty());
    let webhooks = given("webhooks");
    let wanted = Wanted {
        endpoint: given("endpoint").map(str::to_owned),
        webhooks: webhooks.map(|text| ("webhooks.yml".to_owned(), text.as_bytes().to_vec())),
        ..Wanted::default()
    };
    Ok(match doctor::begin(&admin, &visit.asked, wanted).await {
        // Asked for by its address, so that loading it again begins nothing.
        Ok(()) => go_to(&visit.path),
        Err(why) => {
            let (status, wrong) = (why.status, of_core(&visit, why));
            shown(&admin, &visit, words, status, Some(&wrong))
        }
    })
}

fn shown(
    admin: &Admin,
    visit: &Visit,
    words: &DoctorWords,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let last = admin.check_ups.last();
    let is_running = last.as_ref().is_some_and(CheckUp::is_running);
    let body = html! {
        (heading(words.title, words.lead))
        (problem(wrong))
        @if !is_running { (form(admin, visit, words)) }
        div .answer {
            @match &last {
                None => (empty(words.nothing_yet, words.nothing_yet_hint)),
                Some(last) => (found(visit, words, last)),
            }
        }
    };
    let mut answer = page(status, visit, words.title, &body);
    if is_running {
        answer.headers_mut().insert(header::REFRESH, RELOAD);
    }
    answer
}

fn form(admin: &Admin, visit: &Visit, words: &DoctorWords) -> Markup {
    let snapshot = admin.policies.current();
    let endpoints = snapshot.endpoints().map(|one| (&*one.name, &*one.name));
    let choices: Vec<Choice<'_>> = [(EVERY, words.every_endpoint)]
        .into_iter()
        .chain(endpoints)
        .collect();
    html! {
        form method="post" action="/doctor" {
            (select(words.endpoint, "endpoint", &choices, visit.field("endpoint")))
            (area(words.webhooks, "webhooks", 4, visit.field("webhooks"), words.webhooks_hint, None))
            div .acts { button .primary { (words.go) } }
        }
    }
}

fn found(visit: &Visit, words: &DoctorWords, last: &CheckUp) -> Markup {
    html! {
        @match &last.state {
            Looked::Running => (notice(Tone::Info, html! {
                p { strong { (words.running) } " " (words.running_hint) }
                p { (words.began) " " (time(visit, last.began_ms)) }
            })),
            Looked::Failed(why) => (notice(Tone::Bad, html! {
                p { (words.failed) " " (hostile(visit, &of_core(visit, ApiProblem::internal(why)))) }
            })),
            Looked::Done(report) => {
                (summary(words, report))
                p .hint {
                    @if !last.endpoint.is_empty() { (hostile(visit, &last.endpoint)) ". " }
                    (words.began) " " (time(visit, last.began_ms))
                    @if let Some(ended_ms) = last.ended_ms { ". " (words.ended) " " (time(visit, ended_ms)) }
                }
                @for examined in &report.endpoints { (endpoint(visit, words, examined)) }
                @if !report.webhooks.is_empty() { (file(visit, words, &report.webhooks)) }
            },
        }
    }
}

fn summary(words: &DoctorWords, report: &Report) -> Markup {
    if report.endpoints.is_empty() {
        return notice(Tone::Warn, html! { p { (words.no_endpoints) } });
    }
    let counts = html! {
        p {
            (words.faults_found) " " (number(report.grave as u64)) " "
            (words.warnings_found) " " (number(report.warnings as u64))
        }
    };
    match (report.grave, report.warnings) {
        (0, 0) => done(words.nothing_wrong),
        (0, _) => notice(Tone::Warn, counts),
        _ => notice(Tone::Bad, counts),
    }
}

fn endpoint(visit: &Visit, words: &DoctorWords, examined: &Examined) -> Markup {
    let title = hostile(visit, &examined.name);
    let body = html! {
        (facts(visit, words, examined))
        @if examined.left_out > 0 {
            p .hint {
                (words.left_out) " " (number(examined.left_out as u64)) ", "
                (if examined.out_of_time { words.time_over } else { words.none_answered })
            }
        }
        @if examined.calls.is_empty() && examined.faults.is_empty() {
            p .hint { (words.no_calls) }
        } @else if examined.faults.is_empty() {
            p { (badge(Tone::Good, words.good)) }
        } @else {
            (faults(visit, words, examined))
        }
        @if !examined.calls.is_empty() {
            details {
                summary { (words.each_call) }
                (calls(visit, words, examined))
            }
        }
    };
    section(title, body)
}

/// What was found, in the reader's language; it holds what strangers said.
fn told(visit: &Visit, said: &Said) -> Markup {
    let text = match visit.language() {
        Language::English => &said.english,
        Language::Chinese => &said.chinese,
    };
    hostile(visit, text)
}

fn facts(visit: &Visit, words: &DoctorWords, examined: &Examined) -> Markup {
    let reach = &examined.reach;
    let outcomes = examined.outcomes();
    let outcomes: Vec<String> = outcomes
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    html! {
        dl .facts {
            dt { (words.address) }
            dd {
                (hostile(visit, &examined.url)) " (" (examined.dialect) ")"
                @if !reach.addresses.is_empty() {
                    div .hint { (hostile(visit, &reach.addresses.join(", "))) ", " (words.resolves) " " (reach.resolve_ms) " ms" }
                }
            }
            @if let Some(connect_ms) = reach.connect_ms {
                dt { (words.connects) }
                dd { (connect_ms) " ms, " (if reach.tls { words.over_tls } else { words.plain_text }) }
            }
            @if !outcomes.is_empty() {
                dt { (words.calls) }
                dd { (outcomes.join(", ")) }
            }
            @if let (Some(median), Some(slowest)) = (reach.median_ms, reach.slowest_ms) {
                dt { (words.answers_in) }
                dd { (median) " ms, " (slowest) " ms " span .hint { "(" (words.median_slowest) ")" } }
            }
            @if let Some(keeps) = reach.keeps_connections {
                dt { (words.connections) }
                dd { (if keeps { words.keeps } else { words.closes }) }
            }
        }
    }
}

fn faults(visit: &Visit, words: &DoctorWords, examined: &Examined) -> Markup {
    let columns = [words.fault, words.at_calls, words.follows, words.because_of];
    let rows = html! {
        @for fault in &examined.faults {
            tr {
                td .said {
                    (grade(words, fault.grave)) " " code { (fault.kind.name()) }
                    @if let Some(title) = of_fault(visit.language(), fault.kind) { div { strong { (title) } } }
                    div { (told(visit, &fault.what)) }
                    @if !fault.way_out.is_empty() {
                        div { strong { (words.way_out) } " " (told(visit, &fault.way_out)) }
                    }
                }
                td .said {
                    @for call in fault.calls.iter().take(NAMED_MAX) { div { (hostile(visit, call)) } }
                    @if fault.calls.len() > NAMED_MAX {
                        div .hint { (words.more) " " (number((fault.calls.len() - NAMED_MAX) as u64)) }
                    }
                }
                td {
                    div { (told(visit, &fault.callgate)) }
                    div .hint { (told(visit, &fault.im_server)) }
                }
                td { (hostile(visit, &fault.because_of)) }
            }
        }
    };
    table(of_endpoint(words.faults, examined), &columns, rows)
}

/// No two tables of a page are called the same.
fn of_endpoint(what: &str, examined: &Examined) -> String {
    format!("{what}: {}", examined.name)
}

fn calls(visit: &Visit, words: &DoctorWords, examined: &Examined) -> Markup {
    let milliseconds = format!("#{}", words.milliseconds);
    let columns = [
        words.call,
        words.outcome,
        words.status,
        &milliseconds,
        words.faults,
    ];
    let rows = html! {
        @for call in &examined.calls {
            tr {
                td { (hostile(visit, &call.name)) }
                td { code { (call.outcome) } }
                td { @if let Some(status) = call.status { (status) } }
                td .number { (call.ms) }
                td { @for fault in &call.faults { code { (fault) } " " } }
            }
        }
    };
    table(of_endpoint(words.each_call, examined), &columns, rows)
}

fn file(visit: &Visit, words: &DoctorWords, remarks: &[Remark]) -> Markup {
    let rows = html! {
        @for remark in remarks {
            tr {
                td {
                    @if remark.grave { (badge(Tone::Bad, words.grave)) } @else { (badge(Tone::Quiet, words.note)) }
                    " " code { (remark.kind.name()) }
                    @if let Some(title) = of_remark(visit.language(), remark.kind) { div { strong { (title) } } }
                }
                td { (told(visit, &remark.what)) }
            }
        }
    };
    let columns = [words.fault, words.remark];
    section(
        words.im_servers_file,
        table(words.im_servers_file, &columns, rows),
    )
}

fn grade(words: &DoctorWords, is_grave: bool) -> Markup {
    match is_grave {
        true => badge(Tone::Bad, words.grave),
        false => badge(Tone::Warn, words.warning),
    }
}
