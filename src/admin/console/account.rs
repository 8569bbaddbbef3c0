//! One's own account: password, tokens, sessions.

use std::str::FromStr;
use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};
use strum::VariantArray;

use super::frame::{
    Choice, Tone, badge, done, empty, field, heading, page, problem, section, select, table, tick,
    time,
};
use super::lists_words::WORDS as LISTS;
use super::visit::{Answer, Instead, Visit, end, go_to, told};
use crate::admin::shown::Admin;
use crate::audit::Act;
use crate::operators::{Grant, Identity, Operators, OperatorsError, Rights, Role};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What `/account` is asked with after a change of the password.
const CHANGED: &str = "changed";
const TOKEN_DAYS: u64 = 90;
const TOKEN_DAYS_MAX: u64 = 3650;

/// What came of the last form, to be told on the page.
#[derive(Default)]
struct Told<'a> {
    problem: Option<(StatusCode, &'a str)>,
    done: Option<&'a str>,
    /// A new token, which is shown this once.
    token: Option<String>,
}

pub(in crate::admin) async fn account_page(State(admin): State<Admin>, request: Request) -> Answer {
    let is_changed = request.uri().query() == Some(CHANGED);
    let visit = Visit::of(&admin, request).await?;
    let done = is_changed.then_some(visit.words.password_changed);
    show(
        &admin,
        &visit,
        Told {
            done,
            ..Told::default()
        },
    )
}

pub(in crate::admin) async fn change_password(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (identity, operator, _) = visit.logged_in()?;
    let act = Act::new("operator.password", visit.asked.who()).on(&identity.name);
    let Ok(begun) = visit.asked.begin(act).await else {
        return unkept(&admin, &visit);
    };
    let (old, new) = (visit.field("old").to_owned(), visit.field("new").to_owned());
    let operators = &admin.operators;
    let changed = operators
        .change_password(operator, old, new, visit.asked.from)
        .await;
    end(begun, &changed).await;
    match changed {
        Ok(session) => Ok(visit.enter(&session, "/account?changed")),
        Err(error) => failed(&admin, &visit, &error),
    }
}

pub(in crate::admin) async fn make_token(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (identity, operator, _) = visit.logged_in()?;
    let (role, days) = (
        Role::from_str(visit.field("role")),
        visit.field("days").parse(),
    );
    let (Ok(role), Ok(days @ 1..=TOKEN_DAYS_MAX)) = (role, days) else {
        let problem = Some((StatusCode::BAD_REQUEST, visit.words.bad_form));
        return show(
            &admin,
            &visit,
            Told {
                problem,
                ..Told::default()
            },
        );
    };
    let rights = Rights {
        text: !visit.field("text").is_empty(),
        audit: !visit.field("audit").is_empty(),
    };
    // A token of somebody who may change some lists changes no others.
    let lists = identity.grant.lists.clone();
    let grant = Grant {
        role,
        rights,
        lists,
    };
    let by = identity.grant.clone();
    let name = visit.field("token").to_owned();
    let act = Act::new("token.make", visit.asked.who());
    let act = act.on(format!("{name} ({grant})"));
    let lives = DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
    let made = aside(&admin, &visit, act, move |operators| {
        operators.make_token(&name, Some(operator), grant, lives, &by)
    });
    let (secret, _) = made.await?;
    let token = Some(secret.text().to_owned());
    show(
        &admin,
        &visit,
        Told {
            token,
            ..Told::default()
        },
    )
}

pub(in crate::admin) async fn remove_token(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (_, operator, _) = visit.logged_in()?;
    let id = visit.field("id").to_owned();
    let act = Act::new("token.remove", visit.asked.who()).on(&id);
    let removed = aside(&admin, &visit, act, move |operators| {
        operators.remove_token(&id, Some(operator))
    });
    removed.await?;
    Ok(go_to("/account"))
}

pub(in crate::admin) async fn end_sessions(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (identity, operator, session) = visit.logged_in()?;
    let act = Act::new("session.end", visit.asked.who()).on(&identity.name);
    let ended = aside(&admin, &visit, act, move |operators| {
        operators.log_out_others(operator, &session)
    });
    ended.await?;
    Ok(go_to("/account"))
}

/// Records an act and does it, away from who answers others. Errors: the page that says why not.
async fn aside<T: Send + 'static>(
    admin: &Admin,
    visit: &Visit,
    act: Act,
    change: impl FnOnce(&Operators) -> Result<T, OperatorsError> + Send + 'static,
) -> Result<T, Instead> {
    let Ok(begun) = visit.asked.begin(act).await else {
        return Err(instead(unkept(admin, visit)));
    };
    let operators = admin.operators.clone();
    let changing = move || {
        let done = change(&operators);
        match &done {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        }
        done
    };
    match tokio::task::spawn_blocking(changing).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(instead(failed(admin, visit, &error))),
        Err(_) => Err(instead(unkept(admin, visit))),
    }
}

fn instead(answer: Answer) -> Instead {
    answer.map_or_else(|instead| instead, Instead::from)
}

fn unkept(admin: &Admin, visit: &Visit) -> Answer {
    let problem = Some((StatusCode::SERVICE_UNAVAILABLE, visit.words.ours));
    show(
        admin,
        visit,
        Told {
            problem,
            ..Told::default()
        },
    )
}

fn failed(admin: &Admin, visit: &Visit, error: &OperatorsError) -> Answer {
    let problem = Some(told(error, visit.words));
    show(
        admin,
        visit,
        Told {
            problem,
            ..Told::default()
        },
    )
}

fn show(admin: &Admin, visit: &Visit, told: Told<'_>) -> Answer {
    let (identity, operator, _) = visit.logged_in()?;
    let words = visit.words;
    let rights = identity.grant.rights.to_string();
    let lists = identity.grant.lists.names();
    let body = html! {
        (heading(html! { (words.signed_in_as) " " bdi { (identity.name) } }, html! {
            (words.role) ": " (identity.grant.role.name())
            @if !rights.is_empty() { " · " (words.rights) ": " (rights) }
            @if !lists.is_empty() { " · " (visit.say(&LISTS).title) ": " bdi { (lists.join(", ")) } }
        }))
        (problem(told.problem.map(|(_, text)| text)))
        @if let Some(text) = told.done { (done(text)) }
        @if let Some(token) = &told.token {
            (done(html! { (words.token_once) br; code #new-token { (token) } }))
        }
        (tokens(admin, visit, identity, operator))
        (sessions(admin, visit, operator))
        (section(words.change_password, password(visit, identity)))
    };
    let status = told.problem.map_or(StatusCode::OK, |(status, _)| status);
    Ok(page(status, visit, words.account, &body))
}

fn password(visit: &Visit, identity: &Identity) -> Markup {
    let words = visit.words;
    html! {
        form method="post" action="/account/password" {
            // For who keeps passwords: of whom this one is.
            input type="text" name="name" autocomplete="username" value=(identity.name) hidden;
            (field(words.old_password, "old", "password", "current-password", ""))
            (field(words.new_password, "new", "password", "new-password", ""))
            p .hint { (words.password_hint) }
            button { (words.change_password) }
        }
    }
}

fn tokens(admin: &Admin, visit: &Visit, identity: &Identity, operator: u64) -> Markup {
    let words = visit.words;
    let own = admin.operators.tokens(Some(operator));
    let rows = html! {
        @for token in &own {
            tr {
                td { bdi { (token.name) } }
                td { (token.grant.to_string()) }
                td { (time(visit, token.expires_ms)) }
                td {
                    @match token.used_ms() {
                        0 => (words.never),
                        at_ms => (time(visit, at_ms)),
                    }
                }
                td {
                    form method="post" action="/account/tokens/remove" {
                        input type="hidden" name="id" value=(token.id);
                        button .danger { (words.remove) }
                    }
                }
            }
        }
    };
    let columns = [words.name, words.role, words.expires, words.used, ""];
    section(
        words.tokens,
        html! {
            @if own.is_empty() { (empty(words.no_tokens, words.no_tokens_hint)) }
            @else { (table(words.tokens_hint, &columns, rows)) }
            (new_token(visit, identity))
        },
    )
}

fn new_token(visit: &Visit, identity: &Identity) -> Markup {
    let words = visit.words;
    let roles = Role::VARIANTS
        .iter()
        .filter(|role| **role <= identity.grant.role);
    let roles: Vec<Choice<'_>> = roles.map(|role| (role.name(), role.name())).collect();
    let rights = [
        ("text", identity.grant.rights.text),
        ("audit", identity.grant.rights.audit),
    ];
    html! {
        form method="post" action="/account/tokens" {
            div .row {
                (field(words.name, "token", "text", "off", ""))
                (select(words.role, "role", &roles, ""))
                (field(words.days, "days", "number", "off", &TOKEN_DAYS.to_string()))
            }
            @for (right, _) in rights.iter().filter(|(_, held)| *held) {
                (tick(right, right, false))
            }
            div .acts { button { (words.make_token) } }
        }
    }
}

fn sessions(admin: &Admin, visit: &Visit, operator: u64) -> Markup {
    let words = visit.words;
    let here = visit.cookie.as_deref();
    let own = admin.operators.sessions(operator);
    let rows = html! {
        @for session in &own {
            tr {
                td {
                    (session.from.map(|ip| ip.to_string()).unwrap_or_default())
                    @if here.is_some_and(|here| session.is(here)) { " " (badge(Tone::Info, words.this_one)) }
                }
                td { (time(visit, session.made_ms)) }
                td { (time(visit, session.seen_ms())) }
            }
        }
    };
    let columns = [words.from, words.begun, words.ago_now];
    section(
        words.sessions,
        html! {
            (table(words.sessions_hint, &columns, rows))
            form method="post" action="/account/sessions/end" { button { (words.end_others) } }
        },
    )
}
