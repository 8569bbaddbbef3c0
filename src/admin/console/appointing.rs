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

/// What parts the names of lists from each other.
const PARTS: [char; 3] = [',', '，', '、'];
/// A name of a list has fewer blanks and commas.
const MARKS_MAX: usize = 64;

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
    let is_known = |name: &str| name == EVERY_LIST || admin.lists.name(name).is_some();
    let named = named(visit.field("lists"), is_known);
    let mut names = named.map_err(|unknown| {
        let why = format!("{}: {unknown}", visit.say(&WORDS).no_list);
        (StatusCode::BAD_REQUEST, why)
    })?;
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

/// The names in a field, parted by commas, or by blanks where no name has them: of what begins with
/// several names, the longest is meant.
///
/// Errors: the first that is not known.
fn named(field: &str, is_known: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let is_mark = |character: char| PARTS.contains(&character) || character.is_whitespace();
    let mut names = Vec::new();
    let mut rest = field.trim_matches(is_mark);
    while !rest.is_empty() {
        let ends = rest.match_indices(is_mark).map(|(at, _)| at);
        let mut ends: Vec<usize> = ends.chain([rest.len()]).collect();
        ends.truncate(MARKS_MAX);
        let longest = ends.iter().rev().find(|end| is_known(rest[..**end].trim()));
        let Some(end) = longest else {
            let unknown = rest.split(PARTS).next().unwrap_or(rest);
            return Err(unknown.trim().to_owned());
        };
        let name = rest[..*end].trim().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
        rest = rest[*end..].trim_start_matches(is_mark);
    }
    Ok(names)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_named_whatever_its_name_holds() {
        let lists = ["ads", "spam", "bad words", "bad", "敏感 词", "a, b", "*"];
        let check = |field: &str, expected: &[&str]| {
            let found = named(field, |name| lists.contains(&name));
            assert_eq!(found.unwrap(), expected, "{field}");
        };
        check("", &[]);
        check(" , ", &[]);
        check("ads", &["ads"]);
        check("ads, spam", &["ads", "spam"]);
        check("ads spam,ads", &["ads", "spam"]);
        check("bad words", &["bad words"]);
        check("bad words, bad", &["bad words", "bad"]);
        check("bad bad words ads", &["bad", "bad words", "ads"]);
        check("敏感 词，ads、spam", &["敏感 词", "ads", "spam"]);
        check("a, b, ads", &["a, b", "ads"]);
        check("*", &["*"]);
        for (field, unknown) in [
            ("ads, worse words, bad", "worse words"),
            ("adsspam", "adsspam"),
        ] {
            let found = named(field, |name| lists.contains(&name));
            assert_eq!(found.unwrap_err(), unknown, "{field}");
        }
    }
}
