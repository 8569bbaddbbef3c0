//! The page that a set-up link leads to.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::frame::{coded, field, page, problem};
use super::visit::{Answer, Visit, end, told};
use crate::admin::shown::Admin;
use crate::audit::Act;
use crate::operators::OperatorsError;

pub(in crate::admin) async fn setup_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(show(&visit, StatusCode::OK, None))
}

pub(in crate::admin) async fn set_up(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (code, name) = (visit.field("code"), visit.field("name"));
    let act = Act::new("operator.setup", visit.asked.who());
    let fail = |error: &OperatorsError| {
        let (status, text) = told(error, visit.words);
        show(&visit, status, Some(text))
    };
    // Strangers do not fill the audit: what cannot be meant is a refusal.
    if let Err(error) = admin.operators.check_invitation(code, name) {
        visit.refuse(act, &error.to_string());
        return Ok(fail(&error));
    }
    let begun = match visit.asked.begin(act.on(name)).await {
        Ok(begun) => begun,
        Err(_) => {
            return Ok(show(
                &visit,
                StatusCode::SERVICE_UNAVAILABLE,
                Some(visit.words.ours),
            ));
        }
    };
    let password = visit.field("password").to_owned();
    let accepted = admin
        .operators
        .accept(code, name, password, visit.asked.from);
    let accepted = accepted.await;
    end(begun, &accepted).await;
    Ok(match accepted {
        Ok(session) => visit.enter(&session, "/"),
        Err(error) => fail(&error),
    })
}

fn show(visit: &Visit, status: StatusCode, why: Option<&str>) -> Response {
    let words = visit.words;
    let body = html! {
        h1 { (words.set_up) }
        p .lead { (coded(words.set_up_hint)) }
        (problem(why))
        form method="post" action="/setup" {
            (field(words.code, "code", "text", "off", visit.field("code")))
            p .hint { (words.code_hint) }
            (field(words.name, "name", "text", "username", visit.field("name")))
            (field(words.password, "password", "password", "new-password", ""))
            p .hint { (words.password_hint) }
            div .acts { button .primary { (words.set_up) } }
        }
        script src="/console/setup.js" {}
    };
    page(status, visit, words.set_up, &body)
}
