//! Logging in and out.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{StatusCode, header};
use maud::html;

use super::frame::{Tone, field, notice, page, problem};
use super::switches::within;
use super::visit::{Answer, Visit, go_to, told};
use crate::admin::browser;
use crate::admin::shown::Admin;
use crate::admin::who::Who;
use crate::audit::Act;
use crate::operators::OperatorsError;

/// What is told to wait says for how long, in seconds.
const RETRY_AFTER_S: &str = "30";

pub(in crate::admin) async fn login_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(show(&visit, StatusCode::OK, None))
}

pub(in crate::admin) async fn log_in(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let name = visit.field("name");
    let password = visit.field("password").to_owned();
    let old = visit.cookie.as_deref().map(str::as_bytes);
    let act = Act::new("operator.login", visit.asked.who());
    let operators = &admin.operators;
    let session = match operators
        .log_in(name, password, visit.asked.from, old)
        .await
    {
        Ok(session) => session,
        Err(error) => {
            admin.metrics.operators.login(match &error {
                OperatorsError::TooMany(_) => "throttled",
                error if error.is_ours() => "failed",
                _ => "wrong",
            });
            // A password that was typed into the wrong field would be kept for good, so the name
            // is not: it may be nobody's.
            visit.refuse(act, &error.to_string());
            return Ok(fail(&visit, &error));
        }
    };
    // Nobody has the session before it is on record.
    if visit.asked.record(act.on(name)).await.is_err() {
        let (operators, digest) = (operators.clone(), session.digest());
        let _ = tokio::task::spawn_blocking(move || operators.log_out(&digest)).await;
        return Ok(unkept(&visit));
    }
    admin.metrics.operators.login("in");
    Ok(visit.enter(&session, within(visit.field("back")).unwrap_or("/")))
}

pub(in crate::admin) async fn log_out(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (identity, _, session) = visit.logged_in()?;
    let act = Act::new("operator.logout", visit.asked.who()).on(&identity.name);
    if visit.asked.record(act).await.is_err() {
        return Ok(unkept(&visit));
    }
    let operators = admin.operators.clone();
    let done = tokio::task::spawn_blocking(move || operators.log_out(&session)).await;
    if !matches!(done, Ok(Ok(()))) {
        return Ok(unkept(&visit));
    }
    let mut answer = go_to("/login");
    let cookie = browser::remove(visit.secure);
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(answer)
}

fn unkept(visit: &Visit) -> Response {
    show(
        visit,
        StatusCode::SERVICE_UNAVAILABLE,
        Some(visit.words.ours),
    )
}

fn fail(visit: &Visit, error: &OperatorsError) -> Response {
    let (status, text) = told(error, visit.words);
    let mut answer = show(visit, status, Some(text));
    if status == StatusCode::TOO_MANY_REQUESTS {
        let headers = answer.headers_mut();
        headers.insert(
            header::RETRY_AFTER,
            http::HeaderValue::from_static(RETRY_AFTER_S),
        );
    }
    answer
}

fn show(visit: &Visit, status: StatusCode, why: Option<&str>) -> Response {
    let words = visit.words;
    let back = match visit.is_form {
        true => visit.field("back"),
        false => visit.asks("back"),
    };
    // The browser has a session, and nobody is known by it.
    let is_over = visit.cookie.is_some() && !visit.is_form && visit.asked.who == Who::Nobody;
    let body = html! {
        h1 { (words.log_in) }
        @if is_over { (notice(Tone::Info, html! { p { (words.session_over) } })) }
        (problem(why))
        form method="post" action="/login" {
            @if let Some(back) = within(back) { input type="hidden" name="back" value=(back); }
            (field(words.name, "name", "text", "username", visit.field("name")))
            (field(words.password, "password", "password", "current-password", ""))
            div .acts { button .primary { (words.log_in) } }
        }
    };
    page(status, visit, words.log_in, &body)
}
