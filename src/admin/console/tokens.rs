//! Tokens of everybody: what programs come in with.

use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::appointing::{failure, lists, lists_field, proved, rights, rights_fields, roles};
use super::frame::{
    Confirm, done, empty, field, heading, page, problem, section, select, table, time,
};
use super::operators_words::{OperatorsWords, WORDS};
use super::switches::within;
use super::visit::{Answer, Visit, go_to, path_part};
use crate::admin::operators::{self, EVERY_LIST};
use crate::admin::shown::Admin;
use crate::operators::Operator;
use crate::proto::v1;

const DAY: Duration = Duration::from_secs(24 * 3600);
const DAYS: u64 = 90;
const DAYS_MAX: u64 = 3650;

/// All tokens; the form makes one that is nobody's.
pub(in crate::admin) async fn tokens_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let made = match visit.is_form {
        false => None,
        true => Some(make(&admin, &visit).await),
    };
    let (token, wrong) = match made {
        None => (None, None),
        Some(Ok(token)) => (Some(token), None),
        Some(Err(wrong)) => (None, Some(wrong)),
    };
    Ok(show(&admin, &visit, token.as_deref(), wrong))
}

fn show(
    admin: &Admin,
    visit: &Visit,
    token: Option<&str>,
    wrong: Option<(StatusCode, String)>,
) -> axum::response::Response {
    let words = visit.say(&WORDS);
    let all = operators::list(&admin.operators).tokens;
    let body = html! {
        (heading(words.tokens_title, words.tokens_lead))
        (problem(wrong.as_ref().map(|(_, why)| why.as_str())))
        @if let Some(token) = token {
            (done(html! { (visit.words.token_once) br; code #new-token { (token) } }))
        }
        @if all.is_empty() { (empty(words.no_tokens, words.no_tokens_hint)) }
        @else { (listed(visit, words, words.tokens_caption, &all, "/tokens")) }
        (section(words.new_token, form(admin, visit, words)))
    };
    let status = wrong.map_or(StatusCode::OK, |(status, _)| status);
    page(status, visit, words.tokens_title, &body)
}

async fn make(admin: &Admin, visit: &Visit) -> Result<String, (StatusCode, String)> {
    proved(admin, visit).await?;
    let Ok(days @ 1..=DAYS_MAX) = visit.field("days").parse::<u64>() else {
        return Err((StatusCode::BAD_REQUEST, visit.words.bad_form.to_owned()));
    };
    let request = v1::MakeTokenRequest {
        name: visit.field("name").trim().to_owned(),
        role: visit.field("role").to_owned(),
        rights: rights(visit),
        lives_s: days * DAY.as_secs(),
        lists: Some(lists(admin, visit)?),
    };
    let made = operators::make_token(admin, &visit.asked, request).await;
    let made = made.map_err(|status| failure(visit, &status))?;
    Ok(made.secret)
}

/// Those of one operator.
pub(super) fn of(admin: &Admin, visit: &Visit, words: &OperatorsWords, one: &Operator) -> Markup {
    let mut own = operators::list(&admin.operators).tokens;
    own.retain(|token| token.operator == one.name);
    let back = format!("/operators/{}", path_part(&one.name));
    match own.is_empty() {
        true => html! { p .hint { (words.no_tokens_of) } },
        false => listed(visit, words, words.tokens_of, &own, &back),
    }
}

/// `back`: where one is led from a token that was taken away.
fn listed(
    visit: &Visit,
    words: &OperatorsWords,
    caption: &str,
    tokens: &[v1::OperatorToken],
    back: &str,
) -> Markup {
    let own = visit.words;
    let columns = [
        own.name,
        words.owner,
        own.role,
        own.rights,
        own.expires,
        own.used,
        "",
    ];
    let rows = html! {
        @for token in tokens {
            tr {
                td { bdi { (token.name) } div .hint { (token.id) } }
                td {
                    @if token.operator.is_empty() { span .hint { (words.no_owner) } }
                    @else { a href={ "/operators/" (path_part(&token.operator)) } { bdi { (token.operator) } } }
                }
                td {
                    (token.role)
                    @if let Some(names) = limited(token) { div .hint { (words.lists) ": " (names) } }
                }
                td { (token.rights) }
                td { (time(visit, token.expires_at_ms)) }
                td {
                    @if token.used_at_ms == 0 { (own.never) } @else { (time(visit, token.used_at_ms)) }
                }
                td {
                    form method="post" action={ "/tokens/" (token.id) "/remove" } {
                        input type="hidden" name="back" value=(back);
                        button .danger data-row { (own.remove) span .unseen { " " (token.name) } }
                    }
                }
            }
        }
    };
    table(caption, &columns, rows)
}

/// The names of the lists that it may change, where it may not change all.
fn limited(token: &v1::OperatorToken) -> Option<String> {
    let names = &token.lists.as_ref()?.names;
    let is_limited = names.iter().all(|name| name != EVERY_LIST);
    is_limited.then(|| names.join(", "))
}

fn form(admin: &Admin, visit: &Visit, words: &OperatorsWords) -> Markup {
    let own = visit.words;
    html! {
        form method="post" action="/tokens" {
            p .hint { (words.new_token_hint) }
            div .row {
                (field(own.name, "name", "text", "off", ""))
                (select(own.role, "role", &roles(), "viewer"))
                (field(own.days, "days", "number", "off", &DAYS.to_string()))
            }
            (rights_fields(words, false, false))
            (lists_field(words, &[]))
            (Confirm::password(admin, visit, "password"))
            div .acts { button .primary { (own.make_token) } }
        }
    }
}

/// Takes a token away, whosever it is.
pub(in crate::admin) async fn take_token(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let id = visit.param("id").to_owned();
    Ok(
        match operators::remove_token(&admin.operators, &visit.asked, id).await {
            Ok(()) => go_to(within(visit.field("back")).unwrap_or("/tokens")),
            Err(status) => {
                let wrong = failure(&visit, &status);
                show(&admin, &visit, None, Some(wrong))
            }
        },
    )
}
