//! What becomes of a candidate: its trial ends or starts, or it becomes the policy. For the last
//! first what that would do, then that and nothing else.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::html;

use super::changes::file;
use super::changes_words;
use super::frame::{Confirm, Tone, heading, hostile, link, notice, of_core, of_rollback, page};
use super::trial_words::{TrialWords, WORDS};
use super::visit::{Answer, Visit, go_to};
use crate::admin::plans::{NAMED_ABOVE_ROWS, NotRun, prove};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::admin::trial;
use crate::reload::Budget;
use crate::versions::Plan;

const PROMOTION: &str = "/trial/promotion";

pub(in crate::admin) async fn start_trial(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let done = trial::start(&admin, &visit.asked, visit.field("why")).await;
    Ok(ended(&visit, done))
}

pub(in crate::admin) async fn end_trial(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let done = trial::end(&admin, &visit.asked, visit.field("why")).await;
    Ok(ended(&visit, done))
}

fn ended(visit: &Visit, done: Result<(), ApiProblem>) -> Response {
    match done {
        Ok(()) => go_to("/trial"),
        Err(problem) => refused(visit, visit.say(&WORDS), &problem),
    }
}

pub(in crate::admin) async fn promotion_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    Ok(match trial::plan(&admin).await {
        Ok(plan) => shown(&admin, &visit, words, &plan, StatusCode::OK, None),
        Err(problem) => refused(&visit, words, &problem),
    })
}

pub(in crate::admin) async fn promotion_patch(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let plan = match trial::plan(&admin).await {
        Ok(plan) => plan,
        Err(problem) => return Ok(refused(&visit, visit.say(&WORDS), &problem)),
    };
    let name = format!("attachment; filename=\"candidate-{}.patch\"", plan.hash);
    let kind = "text/x-diff; charset=utf-8".to_owned();
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((head, plan.patch()).into_response())
}

pub(in crate::admin) async fn promote(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let planned = match trial::plan(&admin).await {
        Ok(planned) => planned,
        Err(problem) => return Ok(refused(&visit, words, &problem)),
    };
    let again = |status: StatusCode, wrong: &str| {
        Ok(shown(&admin, &visit, words, &planned, status, Some(wrong)))
    };
    if planned.id != visit.field("plan") {
        return again(StatusCode::CONFLICT, words.stale);
    }
    if let Err((status, wrong)) = said(&admin, &visit, &planned).await {
        return again(status, &wrong);
    }
    let id = planned.id.clone();
    let (why, budget) = (visit.field("why"), Budget::Held);
    let done = trial::promote(&admin, &visit.asked, planned, &id, why, budget).await;
    Ok(match done {
        Ok(done) if done.changed => go_to(&format!("/trial?done={}", done.version)),
        Ok(done) => {
            let problems = done.problems.iter().map(ToString::to_string);
            let problems = problems.collect::<Vec<_>>().join("; ");
            let why = format!("{} {problems}", words.not_taken);
            told(&visit, words, StatusCode::CONFLICT, &why)
        }
        Err(problem) => refused(&visit, words, &problem),
    })
}

/// Looks whether the form says all that such an act takes.
///
/// Errors: with what it is to be shown again.
async fn said(admin: &Admin, visit: &Visit, plan: &Plan) -> Result<(), (StatusCode, String)> {
    let bad = |wrong: &str| Err((StatusCode::BAD_REQUEST, wrong.to_owned()));
    if visit.field("why").trim().is_empty() {
        return bad(Confirm::needs_why(visit));
    }
    if lines(plan) > NAMED_ABOVE_ROWS && visit.field("typed").trim() != name(plan) {
        return bad(Confirm::needs_name(visit));
    }
    let password = visit.field("password").to_owned();
    match prove(&admin.operators, &visit.asked, password).await {
        Ok(()) => Ok(()),
        Err(NotRun::NoPassword) => {
            let wrong = Confirm::wrong_password(visit).to_owned();
            Err((StatusCode::FORBIDDEN, wrong))
        }
        Err(why) => {
            let problem = ApiProblem::from(why);
            Err((problem.status, of_core(visit, problem)))
        }
    }
}

/// How many lines it is about.
fn lines(plan: &Plan) -> u64 {
    let steps = plan.steps.iter();
    let lines = steps.map(|step| (step.diff.added + step.diff.removed) as u64);
    lines.sum()
}

fn name(plan: &Plan) -> String {
    format!("candidate-{}", plan.hash)
}

fn shown(
    admin: &Admin,
    visit: &Visit,
    words: &TrialWords,
    plan: &Plan,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let name = name(plan);
    let brings = [("plan", plan.id.as_str())];
    let confirm = Confirm {
        plan: html! {
            p { strong { (name) } }
            ul {
                @for step in &plan.steps {
                    li {
                        (hostile(visit, &step.diff.path)) ": +" (step.diff.added) " −" (step.diff.removed) " " (words.lines)
                    }
                }
            }
        },
        action: PROMOTION,
        brings: &brings,
        rows: lines(plan),
        name: &name,
        button: words.do_it,
        back: "/trial",
    };
    let cannot = plan.check(admin.policies.directory()).err();
    let body = html! {
        (heading(words.promote, words.promote_lead))
        @if plan.steps.is_empty() { (notice(Tone::Info, html! { p { (words.nothing) } })) }
        @else {
            @match cannot {
                Some(error) => {
                    (notice(Tone::Warn, html! { p { (words.cannot) " " (hostile(visit, &of_rollback(visit, &error))) } }))
                    p { (link("/trial/promotion/patch", words.patch)) }
                }
                None => (confirm.form(admin, visit, wrong)),
            }
            p { (link("/changes/replay?of=candidate", visit.say(&changes_words::WORDS).replay)) }
            h2 { (words.will_change) }
            @for step in &plan.steps {
                (file(visit, visit.say(&changes_words::WORDS), &step.diff))
                @if step.unkept { (notice(Tone::Warn, html! { p { (words.unkept) } })) }
            }
        }
        p { (link("/trial", words.back)) }
    };
    page(status, visit, words.promote, &body)
}

fn refused(visit: &Visit, words: &TrialWords, problem: &ApiProblem) -> Response {
    told(
        visit,
        words,
        problem.status,
        &of_core(visit, problem.clone()),
    )
}

fn told(visit: &Visit, words: &TrialWords, status: StatusCode, why: &str) -> Response {
    let body = html! {
        (heading(words.title, words.lead))
        (notice(Tone::Bad, html! { p { (words.cannot) " " (hostile(visit, why)) } }))
        p { (link("/trial", words.back)) }
    };
    page(status, visit, words.title, &body)
}
