//! What is done about an operator: first a plan, then what it says and nothing else.

use axum::extract::{Request, State};
use http::StatusCode;

use super::appointing::{failure, lists, rights};
use super::operators::shown;
use super::operators_words::WORDS;
use super::plan_pages::{PlanPlace, run, see};
use super::visit::{Answer, Visit, go_to, path_part};
use crate::admin::operator_plans::{self, Wanted};
use crate::admin::shown::Admin;
use crate::proto::v1;

pub(in crate::admin) async fn plan_operator(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let limit = match lists(&admin, &visit) {
        Ok(limit) => limit,
        Err((status, why)) => return Ok(shown(&admin, &visit, status, Some(&why))),
    };
    let Some(wanted) = wanted(&visit, limit) else {
        let (status, why) = (StatusCode::BAD_REQUEST, visit.words.bad_form);
        return Ok(shown(&admin, &visit, status, Some(why)));
    };
    let made = match operator_plans::draft(&admin, wanted) {
        Ok(draft) => admin.plans.make(&visit.asked, draft).await,
        Err(status) => Err(status),
    };
    Ok(match made {
        Ok(seen) => {
            let name = path_part(visit.param("name"));
            go_to(&format!("/operators/{name}/plans/{}", seen.id))
        }
        Err(status) => {
            let (status, why) = failure(&visit, &status);
            shown(&admin, &visit, status, Some(&why))
        }
    })
}

/// What the form is about; `None` for none of ours.
fn wanted(visit: &Visit, lists: v1::ListLimit) -> Option<Wanted> {
    let mut set = v1::SetOperatorRequest {
        name: visit.param("name").to_owned(),
        ..v1::SetOperatorRequest::default()
    };
    let act = visit.field("act");
    match act {
        "grant" => {
            set.role = visit.field("role").to_owned();
            set.rights = Some(rights(visit));
            set.lists = Some(lists);
        }
        "disable" => set.disabled = Some(true),
        "enable" => set.disabled = Some(false),
        "sessions" => {}
        _ => return None,
    }
    Some(Wanted {
        set,
        end_sessions: act == "sessions",
    })
}

pub(in crate::admin) async fn operator_plan_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let back = back(&visit);
    Ok(see(&admin, &visit, &place(&visit, &back)))
}

pub(in crate::admin) async fn run_operator_plan(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let back = back(&visit);
    Ok(run(&admin, &visit, &place(&visit, &back)).await)
}

fn back(visit: &Visit) -> String {
    format!("/operators/{}", path_part(visit.param("name")))
}

fn place<'a>(visit: &'a Visit, back: &'a str) -> PlanPlace<'a> {
    PlanPlace {
        path: &visit.path,
        back,
        to: visit.say(&WORDS).title,
    }
}
