//! A rollback: first what it would do, then that and nothing else.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::html;

use super::changes::file;
use super::changes_words::{ChangesWords, WORDS};
use super::frame::{
    Confirm, Tone, heading, hostile, link, missing, notice, of_core, of_rollback, page,
};
use super::visit::{Answer, Visit, go_to};
use crate::admin::api::versions::carry_out;
use crate::admin::plans::{NAMED_ABOVE_ROWS, prove};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::admin::versions;
use crate::versions::{Plan, RollbackError};

pub(in crate::admin) async fn rollback_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    Ok(match plan(&admin, &visit).await {
        Some(Ok(plan)) => shown(&admin, &visit, words, &plan, StatusCode::OK, None),
        Some(Err(error)) => refused(&visit, words, &of_rollback(&visit, &error)),
        None => missing(&visit, &html! { (words.gone) }),
    })
}

pub(in crate::admin) async fn roll_back(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let planned = match plan(&admin, &visit).await {
        Some(Ok(plan)) => plan,
        Some(Err(error)) => return Ok(refused(&visit, words, &of_rollback(&visit, &error))),
        None => return Ok(missing(&visit, &html! { (words.gone) })),
    };
    if planned.id != visit.field("plan") {
        let status = StatusCode::CONFLICT;
        return Ok(shown(
            &admin,
            &visit,
            words,
            &planned,
            status,
            Some(words.stale),
        ));
    }
    let why = match said(&admin, &visit, &planned).await {
        Ok(why) => why,
        Err((status, wrong)) => {
            return Ok(shown(&admin, &visit, words, &planned, status, Some(&wrong)));
        }
    };
    let plan_id = planned.id.clone();
    let asked = visit.asked.clone();
    let done = carry_out(&admin, asked, planned, &plan_id, &why).await;
    Ok(match done {
        Ok(done) if done.changed || admin.policies.rejected().is_none() => {
            go_to(&format!("/changes?done={}", done.version.number))
        }
        Ok(done) => {
            let problems = done.problems.iter().map(ToString::to_string);
            let problems = problems.collect::<Vec<_>>().join("; ");
            refused(&visit, words, &format!("{} {problems}", words.not_taken))
        }
        Err(problem) => refused(&visit, words, &of_core(&visit, problem)),
    })
}

pub(in crate::admin) async fn patch(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    Ok(match plan(&admin, &visit).await {
        Some(Ok(plan)) => {
            let name = format!("attachment; filename=\"version-{}.patch\"", plan.number);
            let head = [
                (
                    header::CONTENT_TYPE,
                    "text/x-diff; charset=utf-8".to_owned(),
                ),
                (header::CONTENT_DISPOSITION, name),
            ];
            (head, plan.patch()).into_response()
        }
        Some(Err(error)) => refused(&visit, words, &of_rollback(&visit, &error)),
        None => missing(&visit, &html! { (words.gone) }),
    })
}

/// What would be done to the files that are there now.
async fn plan(admin: &Admin, visit: &Visit) -> Option<Result<Plan, RollbackError>> {
    let number = visit.param("number").parse::<u64>().ok()?;
    let (store, policies) = (admin.versions.store(), Arc::clone(&admin.policies));
    let plan = move || versions::plan(&store, policies.directory(), number);
    tokio::task::spawn_blocking(plan).await.ok()
}

/// The reason, when the form says all that such an act takes.
///
/// Errors: with what it is to be shown again.
async fn said(admin: &Admin, visit: &Visit, plan: &Plan) -> Result<String, (StatusCode, String)> {
    let bad = |wrong: &str| Err((StatusCode::BAD_REQUEST, wrong.to_owned()));
    let why = visit.field("why").trim();
    if why.is_empty() {
        return bad(Confirm::needs_why(visit));
    }
    if lines(plan) > NAMED_ABOVE_ROWS && visit.field("typed").trim() != name(plan) {
        return bad(Confirm::needs_name(visit));
    }
    let password = visit.field("password").to_owned();
    match prove(&admin.operators, &visit.asked, password).await {
        Ok(()) => Ok(why.to_owned()),
        Err(why) => {
            let wrong = Confirm::told(visit, &why);
            Err((ApiProblem::from(why).status, wrong))
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
    format!("{}-{}", plan.number, plan.hash)
}

fn confirm<'a>(
    visit: &Visit,
    plan: &Plan,
    name: &'a str,
    action: &'a str,
    brings: &'a [(&'a str, &'a str)],
    words: &'a ChangesWords,
) -> Confirm<'a> {
    Confirm {
        plan: html! {
            p { strong { (words.roll_back_to) " " (name) } }
            ul {
                @for step in &plan.steps {
                    li {
                        (hostile(visit, &step.diff.path)) ": +" (step.diff.added) " −" (step.diff.removed) " " (words.lines)
                    }
                }
            }
        },
        action,
        brings,
        rows: lines(plan),
        name,
        button: words.do_it,
        back: "/changes",
    }
}

fn shown(
    admin: &Admin,
    visit: &Visit,
    words: &ChangesWords,
    plan: &Plan,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let name = name(plan);
    let title = format!("{} {name}", words.roll_back_to);
    let action = format!("/changes/{}/rollback", plan.number);
    let cannot = plan.check(admin.policies.directory()).err();
    let patch = format!("/changes/{}/patch", plan.number);
    let brings = [("plan", plan.id.as_str())];
    let body = html! {
        (heading(&title, words.roll_back_lead))
        @if plan.steps.is_empty() { (notice(Tone::Info, html! { p { (words.nothing) } })) }
        @else {
            @match cannot {
                Some(error) => {
                    (notice(Tone::Warn, html! { p { (words.cannot) " " (hostile(visit, &of_rollback(visit, &error))) } }))
                    p { (link(&patch, words.patch)) }
                }
                None => (confirm(visit, plan, &name, &action, &brings, words).form(admin, visit, wrong)),
            }
            p { (link(&format!("/changes/replay?version={}", plan.number), words.replay)) }
            h2 { (words.will_change) }
            @for step in &plan.steps {
                (file(visit, words, &step.diff))
                @if step.unkept { (notice(Tone::Warn, html! { p { (words.unkept) } })) }
            }
        }
        p { (link("/changes", words.all)) }
    };
    page(status, visit, &title, &body)
}

fn refused(visit: &Visit, words: &ChangesWords, why: &str) -> Response {
    let body = html! {
        (heading(words.title, words.lead))
        (notice(Tone::Bad, html! { p { (words.cannot) " " (hostile(visit, why)) } }))
        p { (link("/changes", words.all)) }
    };
    page(StatusCode::CONFLICT, visit, words.title, &body)
}
