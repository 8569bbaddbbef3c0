//! What forms have in common that let somebody in: roles, rights, the password again.

use http::StatusCode;
use maud::{Markup, html};
use strum::VariantArray;
use tonic::{Code, Status};

use super::frame::{Choice, Confirm, optional, tick};
use super::operators_words::{OperatorsWords, WORDS};
use super::visit::Visit;
use crate::admin::operators::EVERY_LIST;
use crate::admin::plans::prove;
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::operators::Role;
use crate::proto::v1;

pub(super) fn roles() -> Vec<Choice<'static>> {
    let roles = Role::VARIANTS.iter();
    roles.map(|role| (role.name(), role.name())).collect()
}

pub(super) fn rights_fields(words: &OperatorsWords, text: bool, audit: bool) -> Markup {
    html! {
        (tick(words.text_right, "text", text))
        (tick(words.audit_right, "audit", audit))
    }
}

/// Which lists somebody may change; `held` are the names that are there already.
pub(super) fn lists_field(words: &OperatorsWords, held: &[&str]) -> Markup {
    html! {
        (optional(words.lists, "lists", "text", &held.join(", ")))
        p .hint { (words.lists_hint) }
    }
}

/// The lists that the form names; all, where it names none.
///
/// Errors: there is no such list.
pub(super) fn lists(admin: &Admin, visit: &Visit) -> Result<v1::ListLimit, (StatusCode, String)> {
    let names = visit
        .field("lists")
        .split([',', '，', '、', ' '])
        .map(str::trim);
    let mut names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let is_known = |name: &&String| *name == EVERY_LIST || admin.lists.name(name).is_some();
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        let why = format!("{}: {unknown}", visit.say(&WORDS).no_list);
        return Err((StatusCode::BAD_REQUEST, why));
    }
    let is_limited = names.iter().all(|name| name != EVERY_LIST);
    if visit.field("role") == Role::Operator.name() && is_limited && !names.is_empty() {
        let why = visit.say(&WORDS).lists_hint;
        return Err((StatusCode::BAD_REQUEST, why.to_owned()));
    }
    if names.is_empty() {
        names.push(EVERY_LIST.to_owned());
    }
    Ok(v1::ListLimit { names })
}

/// Whoever gives away what lets others in was asked for his password lately, or is now.
pub(super) async fn proved(admin: &Admin, visit: &Visit) -> Result<(), (StatusCode, String)> {
    let password = visit.field("password").to_owned();
    let proved = prove(&admin.operators, &visit.asked, password).await;
    proved.map_err(|why| {
        let told = Confirm::told(visit, &why);
        (ApiProblem::from(why).status, told)
    })
}

/// The rights that are ticked in the form.
pub(super) fn rights(visit: &Visit) -> String {
    let ticked = ["text", "audit"].into_iter();
    let ticked = ticked.filter(|right| !visit.field(right).is_empty());
    ticked.collect::<Vec<_>>().join(",")
}

/// Why an act was not done, in the reader's language.
pub(super) fn failure(visit: &Visit, status: &Status) -> (StatusCode, String) {
    let (words, own) = (visit.words, visit.say(&WORDS));
    let (status, why) = match status.code() {
        Code::NotFound => (StatusCode::NOT_FOUND, words.not_there),
        Code::AlreadyExists => (StatusCode::CONFLICT, own.taken),
        Code::PermissionDenied => (StatusCode::FORBIDDEN, words.beyond),
        Code::ResourceExhausted => (StatusCode::CONFLICT, words.full),
        Code::FailedPrecondition => (StatusCode::CONFLICT, own.same),
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, words.bad_name),
        _ => (StatusCode::SERVICE_UNAVAILABLE, words.ours),
    };
    (status, why.to_owned())
}
