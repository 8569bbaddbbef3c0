//! A change of many entries of a word list: the plan, and running it.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::draft::{of_form, of_list, told};
use super::draft_shown::{changed_lines, effect_table};
use super::frame::{
    Confirm, Tone, heading, hostile, link, missing, notice, of_core, of_not_saved, page, section,
    share, summary_of,
};
use super::list_move;
use super::list_parts::{failed, path, refused};
use super::lists_words::{ListsWords, WORDS};
use super::visit::{Answer, Visit, go_to};
use crate::admin::list_plans;
use crate::admin::plans::{NotRun, PlanState, Said, Seen};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::admin::word_lists::NotDone;
use crate::lists::{Counts, MoveShown};

pub(in crate::admin) async fn plan_list(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of_long(&admin, request).await?;
    let words = visit.say(&WORDS);
    let read = match visit.field("text") {
        "" => of_form(&admin, &visit).await,
        _ => of_list(&admin, &visit).await,
    };
    let (edit, imported) = match read {
        Ok(read) => read,
        Err(error) => return Ok(failed(&visit, &of_not_saved(&visit, &error))),
    };
    if edit.ops.is_empty() {
        return Ok(failed(&visit, words.empty_draft));
    }
    match list_plans::make(&admin, &visit.asked, edit, imported.as_ref()).await {
        Ok(seen) => Ok(go_to(&address(&visit, &seen.id))),
        Err(NotDone::OtherList(why)) => Ok(refused(&visit, &why)),
        Err(error) => Ok(failed(&visit, &told(&visit, &error))),
    }
}

fn address(visit: &Visit, id: &str) -> String {
    format!("{}/plans/{id}", path(visit.param("name")))
}

pub(in crate::admin) async fn list_plan_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(match seen(&admin, &visit) {
        Some(seen) => shown(&admin, &visit, &seen, StatusCode::OK, None),
        None => over(&visit),
    })
}

/// A plan of whoever asks, about this list.
fn seen(admin: &Admin, visit: &Visit) -> Option<Seen> {
    let seen = admin.plans.see(&visit.asked, visit.param("id"))?;
    let list = seen.facts["list"].as_str().unwrap_or_default();
    let is_its = list.eq_ignore_ascii_case(visit.param("name"));
    is_its.then_some(seen)
}

fn over(visit: &Visit) -> Response {
    missing(visit, &html! { (visit.say(&WORDS).plan_over) })
}

pub(in crate::admin) async fn run_list_plan(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let Some(seen) = seen(&admin, &visit) else {
        return Ok(over(&visit));
    };
    let said = Said {
        why: visit.field("why").to_owned(),
        name: visit.field("typed").to_owned(),
        password: visit.field("password").to_owned(),
    };
    let run = admin
        .plans
        .run(&admin.operators, &visit.asked, &seen.id, said);
    let why = match run.await {
        // Asked for by its address, so that loading it again does nothing.
        Ok(_) | Err(NotRun::Used) => return Ok(go_to(&address(&visit, &seen.id))),
        Err(why) => why,
    };
    let text = Confirm::told(&visit, &why);
    let status = ApiProblem::from(why).status;
    Ok(shown(&admin, &visit, &seen, status, Some(&text)))
}

/// A plan before it is run, while it is, and after.
fn shown(
    admin: &Admin,
    visit: &Visit,
    seen: &Seen,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let words = visit.say(&WORDS);
    let (action, back) = (address(visit, &seen.id), path(visit.param("name")));
    let summary = html! { p { strong { (summary_of(visit, &seen.summary)) } } };
    let confirm = Confirm {
        plan: summary.clone(),
        action: &action,
        brings: &[],
        rows: seen.rows,
        name: seen.confirm.as_deref().unwrap_or_default(),
        button: words.run_plan,
        back: &back,
    };
    let version = seen.facts["came_of_it"]["version"].as_str();
    let body = html! {
        (heading(words.plan, words.plan_lead))
        @match &seen.state {
            PlanState::Planned => { (what(visit, words, &seen.facts)) (confirm.form(admin, visit, wrong)) }
            PlanState::Running => div #live data-live="changes" {
                (notice(Tone::Info, html! { p { (words.plan_running) } (summary) }))
            },
            // What takes the place of the region above.
            PlanState::Done => div #live {
                (notice(Tone::Good, html! {
                    p { (words.saved) " " (hostile(visit, version.unwrap_or_default())) } (summary)
                }))
            },
            PlanState::Failed(why) => div #live {
                (notice(Tone::Bad, html! { p { (words.not_saved) " " (hostile(visit, &of_core(visit, why.clone()))) } (summary) }))
            },
        }
        @if !matches!(seen.state, PlanState::Planned) { p { (link(&back, words.back)) } }
    };
    page(status, visit, words.plan, &body)
}

/// What would happen, and what it would hit.
fn what(visit: &Visit, words: &ListsWords, facts: &Value) -> Markup {
    let lines = facts["lines"].as_array().into_iter().flatten();
    let lines = lines.filter_map(Value::as_str);
    let counts = |name: &str| serde_json::from_value::<Counts>(facts[name].clone());
    let kinds = [(words.recent, "recent"), (words.everyday, "everyday")];
    let kinds: Vec<(&str, Counts)> = kinds
        .iter()
        .filter_map(|(word, name)| Some((*word, counts(name).ok()?)))
        .collect();
    let part = facts["share"].as_f64().unwrap_or_default();
    let moved = serde_json::from_value::<MoveShown>(facts["moved"].clone());
    html! {
        @if facts["import"].is_object() { (report(visit, words, &facts["import"])) }
        @if let Ok(moved) = &moved { (list_move::shown(visit, moved)) }
        (section(words.effect, html! {
            p { strong { (share((part * 10_000.0).round() as u64, 10_000)) } " " (words.share) }
            (effect_table(words, &kinds))
        }))
        (section(words.change, changed_lines(visit, words, lines)))
    }
}

fn report(visit: &Visit, words: &ListsWords, import: &Value) -> Markup {
    let dropped = import["dropped"].as_array().into_iter().flatten();
    let body = html! {
        p {
            (import["new"]) " " (words.new) " · " (import["listed"]) " " (words.listed) " · "
            (import["left_out"]) " " (words.left_out)
        }
        ul {
            @for one in dropped {
                li { (one["line"]) ": " (hostile(visit, one["text"].as_str().unwrap_or_default())) " "
                    span .hint { (one["reason"].as_str().unwrap_or_default()) } }
            }
        }
    };
    section(words.report, body)
}
