//! Operators: all of them with an invitation for another, and one with what can be done about him.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::appointing::{failure, lists, lists_field, proved, rights, rights_fields, roles};
use super::frame::{
    Confirm, Tone, badge, done, empty, field, heading, link, missing, notice, number, page,
    problem, section, select, table, time,
};
use super::operators_words::{OperatorsWords, WORDS};
use super::tokens;
use super::visit::{Answer, Visit, path_part};
use crate::admin::operators;
use crate::admin::shown::Admin;
use crate::operators::{Operator, Session};
use crate::proto::v1;

/// What came of the form of an invitation.
#[derive(Default)]
struct Told {
    problem: Option<(StatusCode, String)>,
    /// A link, which is shown this once.
    link: Option<String>,
}

/// The list; its form makes a link for a new operator, or for another password of one.
pub(in crate::admin) async fn operators_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let told = match visit.is_form {
        false => Told::default(),
        true => match invite(&admin, &visit).await {
            Ok(link) => Told {
                link: Some(link),
                ..Told::default()
            },
            Err(problem) => Told {
                problem: Some(problem),
                ..Told::default()
            },
        },
    };
    let body = html! {
        (heading(words.title, words.lead))
        (problem(told.problem.as_ref().map(|(_, why)| why.as_str())))
        @if let Some(link) = &told.link {
            (done(html! { (words.link_once) br; code #new-link { (link) } br; span .hint { (words.link_hint) } }))
        }
        (list(&admin, &visit, words))
        (section(words.invite, invitation(&admin, &visit, words)))
    };
    let status = told.problem.map_or(StatusCode::OK, |(status, _)| status);
    Ok(page(status, &visit, words.title, &body))
}

async fn invite(admin: &Admin, visit: &Visit) -> Result<String, (StatusCode, String)> {
    proved(admin, visit).await?;
    let request = v1::InviteOperatorRequest {
        name: visit.field("name").trim().to_owned(),
        role: visit.field("role").to_owned(),
        rights: rights(visit),
        // A link for another password gives nothing away.
        lists: match visit.field("role") {
            "" => None,
            _ => Some(lists(admin, visit)?),
        },
    };
    let invited = operators::invite(admin, &visit.asked, request).await;
    let invited = invited.map_err(|status| failure(visit, &status))?;
    let origin = visit.origin.as_deref().unwrap_or_default();
    Ok(format!("{origin}/setup#{}", invited.token))
}

fn list(admin: &Admin, visit: &Visit, words: &OperatorsWords) -> Markup {
    let all = admin.operators.operators();
    let sessions = format!("#{}", visit.words.sessions);
    let columns = [
        visit.words.name,
        visit.words.role,
        visit.words.rights,
        words.state,
        &sessions,
        words.last_seen,
        words.since,
    ];
    let rows = html! {
        @for one in &all {
            @let sessions = admin.operators.sessions(one.id);
            tr {
                td { a data-row href={ "/operators/" (path_part(&one.name)) } { bdi { (one.name) } } }
                td {
                    (one.grant.role.name())
                    @let names = one.grant.lists.names();
                    @if !names.is_empty() { div .hint { (words.lists) ": " (names.join(", ")) } }
                }
                td { (one.grant.rights.to_string()) }
                td { (state(words, one)) }
                td .number { (number(sessions.len() as u64)) }
                td {
                    @match sessions.iter().map(Session::seen_ms).max() {
                        Some(at_ms) => (time(visit, at_ms)),
                        None => "–",
                    }
                }
                td { (time(visit, one.made_ms)) }
            }
        }
    };
    match all.is_empty() {
        true => empty(words.none, words.none_hint),
        false => table(words.caption, &columns, rows),
    }
}

fn state(words: &OperatorsWords, one: &Operator) -> Markup {
    match one.disabled {
        true => badge(Tone::Bad, words.shut_out),
        false => badge(Tone::Good, words.may_enter),
    }
}

fn invitation(admin: &Admin, visit: &Visit, words: &OperatorsWords) -> Markup {
    html! {
        form method="post" action="/operators" {
            p .hint { (words.invite_hint) }
            div .row {
                (field(visit.words.name, "name", "text", "off", ""))
                (select(visit.words.role, "role", &roles(), "viewer"))
            }
            (rights_fields(words, false, false))
            (lists_field(words, &[]))
            p .hint { (words.roles_hint) }
            (Confirm::password(admin, visit, "password"))
            div .acts { button .primary { (words.make_link) } }
        }
    }
}

/// The page of one operator.
pub(in crate::admin) async fn operator_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(shown(&admin, &visit, StatusCode::OK, None))
}

/// The same, with why something was not done.
pub(super) fn shown(
    admin: &Admin,
    visit: &Visit,
    status: StatusCode,
    wrong: Option<&str>,
) -> Response {
    let words = visit.say(&WORDS);
    let name = visit.param("name").to_lowercase();
    let all = admin.operators.operators();
    let Some(one) = all.iter().find(|one| one.name.to_lowercase() == name) else {
        return missing(visit, &html! { (words.nobody) });
    };
    let own = visit.logged_in().ok().map(|(_, id, _)| id);
    let plans = format!("/operators/{}/plans", path_part(&one.name));
    let body = html! {
        (heading(html! { bdi { (one.name) } }, words.one_lead))
        p { (one.grant.to_string()) " " (state(words, one)) " · " (words.since) " " (time(visit, one.made_ms)) }
        (problem(wrong))
        @if own == Some(one.id) { (notice(Tone::Warn, html! { p { (words.yourself) } })) }
        (section(words.grant, grant(words, visit, one, &plans)))
        (section(visit.words.sessions, sessions(admin, visit, words, one, &plans)))
        (section(visit.words.tokens, tokens::of(admin, visit, words, one)))
        (section(words.new_password, new_password(admin, visit, words, one)))
        (entry(words, one, &plans))
        p { (link("/operators", words.back)) }
    };
    page(status, visit, &one.name, &body)
}

fn grant(words: &OperatorsWords, visit: &Visit, one: &Operator, plans: &str) -> Markup {
    html! {
        form method="post" action=(plans) {
            p .hint { (words.grant_hint) }
            input type="hidden" name="act" value="grant";
            (select(visit.words.role, "role", &roles(), one.grant.role.name()))
            (rights_fields(words, one.grant.rights.text, one.grant.rights.audit))
            (lists_field(words, &one.grant.lists.names()))
            div .acts { button { (words.plan_grant) } }
        }
    }
}

fn sessions(
    admin: &Admin,
    visit: &Visit,
    words: &OperatorsWords,
    one: &Operator,
    plans: &str,
) -> Markup {
    let all = admin.operators.sessions(one.id);
    if all.is_empty() {
        return html! { p .hint { (words.no_sessions) } };
    }
    let rows = html! {
        @for session in &all {
            tr {
                td { (session.from.map(|ip| ip.to_string()).unwrap_or_default()) }
                td { (time(visit, session.made_ms)) }
                td { (time(visit, session.seen_ms())) }
            }
        }
    };
    let columns = [visit.words.from, visit.words.begun, visit.words.ago_now];
    html! {
        (table(words.sessions_of, &columns, rows))
        form method="post" action=(plans) {
            input type="hidden" name="act" value="sessions";
            button { (words.end_sessions) }
        }
    }
}

fn new_password(admin: &Admin, visit: &Visit, words: &OperatorsWords, one: &Operator) -> Markup {
    html! {
        form method="post" action="/operators" {
            p .hint { (words.new_password_hint) }
            input type="hidden" name="name" value=(one.name);
            (Confirm::password(admin, visit, "password-again"))
            button { (words.new_password_link) }
        }
    }
}

/// Shuts somebody out, or lets him in again.
fn entry(words: &OperatorsWords, one: &Operator, plans: &str) -> Markup {
    let (title, hint, act, button, class) = match one.disabled {
        true => (
            words.let_in,
            words.let_in_hint,
            "enable",
            words.let_in_act,
            "",
        ),
        false => (
            words.shut_out_act,
            words.shut_out_hint,
            "disable",
            words.shut_out_act,
            "danger",
        ),
    };
    section(
        title,
        html! {
            form method="post" action=(plans) {
                p .hint { (hint) }
                input type="hidden" name="act" value=(act);
                button class=(class) { (button) }
            }
        },
    )
}
