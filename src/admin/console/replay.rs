//! What recorded calls would come to under other files than those in force, and the way past what
//! the policy expects of a change.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::draft::edit_of;
use super::frame::{
    Confirm, Tone, badge, choosing, coded, empty, heading, hostile, link, notice, number, of_core,
    optional, page, plan, section, share, table,
};
use super::replay_words::{ReplayWords, WORDS};
use super::visit::{Answer, Visit, go_to};
use crate::admin::plans::{NotRun, prove};
use crate::admin::problem::ApiProblem;
use crate::admin::replay::{Replayed, Subject, reload, replay};
use crate::admin::shown::Admin;
use crate::admin::trial;
use crate::admin::word_lists;
use crate::operators::Capability;
use crate::policy::{ReplayReport, Version};
use crate::reload::Budget;
use crate::settings::Severity;

const PAGE: &str = "/changes/replay";
const FORCE: &str = "/changes/force";
/// Causes that are listed.
const GROUPS_MAX: usize = 200;

/// What the address or the form means.
struct Meant {
    subject: Subject,
    /// The list and the draft of it, as its own page has them.
    draft: Option<(String, String)>,
}

impl Meant {
    /// `of` says what an address or a form holds by a name.
    ///
    /// Errors: the list has nothing of what is meant.
    async fn read<'a>(admin: &Admin, of: impl Fn(&str) -> &'a str) -> Result<Meant, ApiProblem> {
        let (list, draft) = (of("list"), of("draft"));
        if !list.is_empty() {
            let edit = edit_of(admin, list, draft).await?;
            return Ok(Meant {
                subject: Subject::List(edit),
                draft: Some((list.to_owned(), draft.to_owned())),
            });
        }
        let subject = match (of("version").parse::<u64>(), of("of")) {
            (Ok(number), _) => Subject::Version(number),
            (Err(_), "candidate") => Subject::Candidate,
            (Err(_), _) => Subject::Disk,
        };
        Ok(Meant {
            subject,
            draft: None,
        })
    }
}

pub(in crate::admin) async fn replay_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let meant = match Meant::read(&admin, |name| visit.asks(name)).await {
        Ok(meant) => meant,
        Err(problem) => return Ok(refused(&visit, &problem)),
    };
    Ok(shown(&admin, &visit, &meant, StatusCode::OK, None).await)
}

pub(in crate::admin) async fn force(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let meant = match Meant::read(&admin, |name| visit.field(name)).await {
        Ok(meant) => meant,
        Err(problem) => return Ok(refused(&visit, &problem)),
    };
    let why = visit.field("why").trim();
    if why.is_empty() {
        let (status, wrong) = (StatusCode::BAD_REQUEST, Confirm::needs_why(&visit));
        return Ok(shown(&admin, &visit, &meant, status, Some(wrong)).await);
    }
    match prove(
        &admin.operators,
        &visit.asked,
        visit.field("password").to_owned(),
    )
    .await
    {
        Ok(()) => {}
        Err(NotRun::NoPassword) => {
            let (status, wrong) = (StatusCode::FORBIDDEN, Confirm::wrong_password(&visit));
            return Ok(shown(&admin, &visit, &meant, status, Some(wrong)).await);
        }
        Err(why) => return Ok(refused(&visit, &ApiProblem::from(why))),
    }
    let done = match meant.subject.clone() {
        Subject::List(edit) => {
            let saved = word_lists::force(&admin, &visit.asked, edit, why).await;
            saved.map(|saved| saved.version).map_err(ApiProblem::from)
        }
        Subject::Candidate => promoted(&admin, &visit, why).await,
        // What else may come into force is written to disk first.
        _ => forced(&admin, &visit, why).await,
    };
    Ok(match done {
        Ok(version) => go_to(&format!("/changes?forced={}", version.number)),
        Err(problem) => refused(&visit, &problem),
    })
}

async fn promoted(admin: &Admin, visit: &Visit, why: &str) -> Result<Version, ApiProblem> {
    let plan = trial::plan(admin).await?;
    let id = plan.id.clone();
    let done = trial::promote(admin, &visit.asked, plan, &id, why, Budget::Passed).await?;
    Ok(done.version)
}

async fn forced(admin: &Admin, visit: &Visit, why: &str) -> Result<Version, ApiProblem> {
    let reloaded = reload(admin, &visit.asked, true, why).await?;
    let problems = reloaded.problems.iter();
    let errors: Vec<String> = problems
        .filter(|problem| problem.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    match errors.is_empty() {
        true => Ok(reloaded.version),
        false => Err(ApiProblem::conflict(errors.join("; "))),
    }
}

async fn shown(
    admin: &Admin,
    visit: &Visit,
    meant: &Meant,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let words = visit.say(&WORDS);
    let replayed = match replay(admin, &visit.asked, meant.subject.clone()).await {
        Ok(replayed) => replayed,
        Err(problem) => return refused(visit, &problem),
    };
    let body = html! {
        (heading(words.title, words.lead))
        (choice(admin, visit, words, meant))
        (expected(visit, words, &replayed))
        @if replayed.is_refused() { (way_past(admin, visit, words, meant, wrong)) }
        @match &replayed.report {
            None => (empty(words.none, coded(words.none_hint))),
            Some(report) => (all(visit, words, report, replayed.is_hidden)),
        }
        (back(words, meant))
    };
    page(status, visit, words.title, &body)
}

fn back(words: &ReplayWords, meant: &Meant) -> Markup {
    html! {
        div .acts {
            @if let Some((list, draft)) = &meant.draft {
                a .button href={ (super::list_parts::path(list)) "/draft?" (draft) } { span { (words.list) " " bdi { (list) } } }
            }
            (link("/changes", words.back))
        }
    }
}

/// What is compared, and what else could be.
fn choice(admin: &Admin, visit: &Visit, words: &ReplayWords, meant: &Meant) -> Markup {
    let what = match &meant.subject {
        Subject::Disk => html! { (words.disk) },
        Subject::Version(number) => html! { (words.version) ": " (number) },
        Subject::Candidate => html! { (words.candidate) },
        Subject::List(edit) => html! { (words.list) " " (hostile(visit, &edit.list)) },
    };
    let has_candidate = admin.policies.current().candidate.is_some();
    html! {
        (plan(&[(words.compared, what)]))
        @if meant.draft.is_none() {
            div .acts {
                a .button href=(PAGE) { (words.disk) }
                @if has_candidate { a .button href={ (PAGE) "?of=candidate" } { (words.candidate) } }
            }
            (choosing(visit, words.version, optional(words.version, "version", "number", visit.asks("version"))))
        }
    }
}

fn expected(visit: &Visit, words: &ReplayWords, replayed: &Replayed) -> Markup {
    let (tone, lead) = match replayed.is_refused() {
        true => (Tone::Bad, words.refused),
        false => (Tone::Warn, words.warned),
    };
    html! {
        @if !replayed.expected.is_empty() {
            (notice(tone, html! {
                p { (lead) }
                ul { @for problem in &replayed.expected { li { (hostile(visit, &problem.to_string())) } } }
            }))
        }
    }
}

/// For operators, of what is on disk or can be saved.
fn way_past(
    admin: &Admin,
    visit: &Visit,
    words: &ReplayWords,
    meant: &Meant,
    wrong: Option<&str>,
) -> Markup {
    let may = visit.may(Capability::Operate);
    let is_there = !matches!(meant.subject, Subject::Version(_));
    if !may || !is_there {
        return html! {};
    }
    let brings = match &meant.draft {
        Some((list, draft)) => vec![("list", list.as_str()), ("draft", draft.as_str())],
        None => match meant.subject {
            Subject::Candidate => vec![("of", "candidate")],
            _ => Vec::new(),
        },
    };
    let confirm = Confirm {
        plan: html! { p { (words.force_lead) } },
        action: FORCE,
        brings: &brings,
        rows: 0,
        name: "",
        button: words.force,
        back: "/changes",
    };
    confirm.form(admin, visit, wrong)
}

fn all(visit: &Visit, words: &ReplayWords, report: &ReplayReport, is_hidden: bool) -> Markup {
    html! {
        (totals(visit, words, report))
        @if report.groups.is_empty() { p { (words.same) } }
        @else { (groups(visit, words, report)) }
        @if is_hidden { p .hint { (coded(words.hidden)) } }
        @if !report.senders.is_empty() { (senders(visit, words, report)) }
    }
}

fn totals(visit: &Visit, words: &ReplayWords, report: &ReplayReport) -> Markup {
    let calls = format!("#{}", words.calls);
    let counts = [
        (words.judged, report.judged),
        (words.changed, report.changed),
        (words.blocked, report.blocked),
        (words.freed, report.freed),
        (words.masked, report.masked),
        (words.unmasked, report.unmasked),
        (words.altered, report.altered),
        (words.marked, report.marked),
        (words.unmarked, report.unmarked),
        (words.before, report.blocked_before),
        (words.after, report.blocked_after),
        (words.unreadable, report.unreadable),
    ];
    // The first two say how much there is; of the others only what there is any of.
    let counts = counts.iter().enumerate();
    let counts = counts.filter(|(at, (_, count))| *at < 4 || *count > 0);
    let rows = html! {
        @for (_, (name, count)) in counts {
            tr {
                th scope="row" { (name) }
                td .number { (number(*count)) " · " (share(*count, report.judged)) }
            }
        }
        @for (endpoint, count) in &report.unknown {
            tr {
                th scope="row" { (words.unknown) " " (hostile(visit, endpoint)) }
                td .number { (number(*count)) }
            }
        }
    };
    let all = table(words.outcome, &[words.outcome, &calls], rows);
    section(words.outcome, all)
}

fn groups(visit: &Visit, words: &ReplayWords, report: &ReplayReport) -> Markup {
    let calls = format!("#{}", words.calls);
    let columns = [
        words.change,
        &calls,
        words.hook,
        words.cause,
        words.entry,
        words.excerpts,
    ];
    let rows = html! {
        @for group in report.groups.iter().take(GROUPS_MAX) {
            tr {
                td { (change(words, group.change)) }
                td .number { (number(group.count)) " · " (share(group.count, report.judged)) }
                td { code { (group.cause.hook) } }
                td { (group.cause.rule) " " (hostile(visit, &group.cause.name)) }
                td {
                    @if let Some(entry) = &group.cause.entry { (hostile(visit, entry)) }
                    @if let Some(line) = group.cause.line { " :" (line) }
                }
                td { @for excerpt in &group.excerpts { p { (hostile(visit, excerpt)) } } }
            }
        }
    };
    let more = report.groups.len().saturating_sub(GROUPS_MAX);
    section(
        words.differences,
        html! {
            (table(words.differences, &columns, rows))
            @if more > 0 { p .hint { (coded(words.more)) " " (number(more as u64)) } }
        },
    )
}

fn change(words: &ReplayWords, name: &str) -> Markup {
    match name {
        "blocked" => badge(Tone::Bad, words.blocked),
        "freed" => badge(Tone::Warn, words.freed),
        "masked" => badge(Tone::Warn, words.masked),
        "unmasked" => badge(Tone::Info, words.unmasked),
        "marked" => badge(Tone::Info, words.marked),
        "unmarked" => badge(Tone::Info, words.unmarked),
        _ => badge(Tone::Info, words.altered),
    }
}

fn senders(visit: &Visit, words: &ReplayWords, report: &ReplayReport) -> Markup {
    let calls = format!("#{}", words.calls);
    let rows = html! {
        @for sender in &report.senders {
            tr { td { (hostile(visit, &sender.sender)) } td .number { (number(sender.count)) } }
        }
    };
    section(
        words.senders,
        html! {
            (table(words.senders, &[words.sender, &calls], rows))
            p .hint { (words.senders_all) " " (number(report.senders_all)) }
        },
    )
}

fn refused(visit: &Visit, problem: &ApiProblem) -> Response {
    let words = visit.say(&WORDS);
    let why = of_core(visit, problem.clone());
    let body = html! {
        (heading(words.title, words.lead))
        (notice(Tone::Bad, html! { p { (words.cannot) " " (hostile(visit, &why)) } }))
        p { (link("/changes", words.back)) }
    };
    page(problem.status, visit, words.title, &body)
}
