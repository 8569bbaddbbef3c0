//! A plan: what would be done, then what becomes of it. Its form runs that and nothing else.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Confirm, Tone, done, heading, hostile, link, missing, notice, number, of_core, page, summary_of,
};
use super::language::Both;
use super::visit::{Visit, go_to};
use crate::admin::plans::{NotRun, PlanState, Said, Seen};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;

struct PlanWords {
    title: &'static str,
    lead: &'static str,
    over: &'static str,
    run: &'static str,
    running: &'static str,
    ended: &'static str,
    failed: &'static str,
    so_far: &'static str,
    of: &'static str,
}

static WORDS: Both<PlanWords> = Both {
    english: PlanWords {
        title: "Plan",
        lead: "What will be done. Nothing is done before you confirm it.",
        over: "There is no such plan of yours; one is good for ten minutes.",
        run: "Do it",
        running: "It is being done.",
        ended: "It is done.",
        failed: "It failed",
        so_far: "done so far",
        of: "of",
    },
    chinese: PlanWords {
        title: "计划",
        lead: "将要执行的操作。确认之前不会执行任何操作。",
        over: "没有这个属于您的计划；计划十分钟内有效。",
        run: "执行",
        running: "正在执行。",
        ended: "已完成。",
        failed: "失败",
        so_far: "目前已完成",
        of: "/",
    },
};

/// Where a plan is shown, and where one goes from there.
pub(super) struct PlanPlace<'a> {
    /// The page of the plan, which its form is sent to.
    pub path: &'a str,
    pub back: &'a str,
    /// What the way back is called.
    pub to: &'a str,
}

/// The page of the plan that the path names.
pub(super) fn see(admin: &Admin, visit: &Visit, place: &PlanPlace<'_>) -> Response {
    match admin.plans.see(&visit.asked, visit.param("id")) {
        Some(seen) => shown(admin, visit, place, &seen, StatusCode::OK, None),
        None => missing(visit, &html! { (visit.say(&WORDS).over) }),
    }
}

/// Runs the plan that the path names, when the form says all that it takes.
pub(super) async fn run(admin: &Admin, visit: &Visit, place: &PlanPlace<'_>) -> Response {
    let id = visit.param("id");
    let Some(seen) = admin.plans.see(&visit.asked, id) else {
        return missing(visit, &html! { (visit.say(&WORDS).over) });
    };
    let said = Said {
        why: visit.field("why").to_owned(),
        name: visit.field("typed").to_owned(),
        password: visit.field("password").to_owned(),
    };
    let run = admin.plans.run(&admin.operators, &visit.asked, id, said);
    let why = match run.await {
        // Asked for by its address, so that loading it again does nothing.
        Ok(_) | Err(NotRun::Used) => return go_to(place.path),
        Err(why) => why,
    };
    let text = Confirm::told(visit, &why);
    let status = ApiProblem::from(why).status;
    shown(admin, visit, place, &seen, status, Some(&text))
}

/// A plan before it is run, while it is, and after.
fn shown(
    admin: &Admin,
    visit: &Visit,
    place: &PlanPlace<'_>,
    seen: &Seen,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let words = visit.say(&WORDS);
    let summary = html! { p { strong { (summary_of(visit, &seen.summary)) } } };
    let confirm = Confirm {
        plan: summary.clone(),
        action: place.path,
        brings: &[],
        rows: seen.rows,
        name: seen.confirm.as_deref().unwrap_or_default(),
        button: words.run,
        back: place.back,
    };
    let body = html! {
        (heading(words.title, words.lead))
        @match &seen.state {
            PlanState::Planned => (confirm.form(admin, visit, wrong)),
            PlanState::Running => div #live data-live="delivery" {
                (notice(Tone::Info, html! { p { (words.running) } (summary) (so_far(words, seen)) }))
            },
            PlanState::Done => {
                (done(html! { (words.ended) " " (summary_of(visit, &seen.summary)) (so_far(words, seen)) }))
            },
            PlanState::Failed(why) => {
                (notice(Tone::Bad, html! {
                    p { (words.failed) ": " (hostile(visit, &of_core(visit, why.clone()))) } (summary) (so_far(words, seen))
                }))
            }
        }
        @if !matches!(seen.state, PlanState::Planned) { p { (link(place.back, place.to)) } }
    };
    page(status, visit, words.title, &body)
}

/// How far it has come; of one row there is nothing to tell.
fn so_far(words: &PlanWords, seen: &Seen) -> Markup {
    html! {
        @if seen.rows > 1 {
            p { (words.so_far) ": " (number(seen.done)) " " (words.of) " " (number(seen.rows)) }
        }
    }
}
