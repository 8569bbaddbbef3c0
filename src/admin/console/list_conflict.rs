//! An entry of a word list that two edited at once: what it was, theirs and mine.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::frame::{heading, hostile, link, page, table};
use super::list_parts::{Pair, encoded, path};
use super::lists_words::WORDS;
use super::visit::Visit;
use crate::editor::{Conflict, Said};

/// The same entry was edited by both: three columns, and the ways on.
pub(super) fn conflict_page(
    visit: &Visit,
    list: (&str, Option<&str>),
    conflicts: &[Conflict],
    now: &str,
) -> Response {
    let (list, to) = list;
    let words = visit.say(&WORDS);
    let columns = [words.entry, words.base, words.theirs, words.mine, ""];
    let said = |all: &[Said]| {
        html! {
            @for said in all {
                p { (hostile(visit, &said.entry)) " " span .hint { (hostile(visit, &said.tags.join(", "))) } " "
                    code { (hostile(visit, &said.options)) } }
            }
            @if all.is_empty() { p .hint { (words.nothing) } }
        }
    };
    let rows = html! {
        @for conflict in conflicts {
            tr {
                td { (hostile(visit, &conflict.entry)) }
                td { (said(&conflict.base)) }
                td { (said(&conflict.theirs)) }
                td { (said(&conflict.mine)) }
                td { a .button href={ (path(list)) "/draft?" (encoded(&mine(conflict, to, now))) } { (words.keep_mine) } }
            }
        }
    };
    let body = html! {
        (heading(words.conflict, words.conflict_lead))
        (table(words.conflict, &columns, rows))
        div .acts { (link(&path(list), words.keep_theirs)) }
    };
    page(
        StatusCode::PRECONDITION_FAILED,
        visit,
        words.conflict,
        &body,
    )
}

/// The draft that makes of what is there now what is mine; `to` is where entries were to go.
fn mine(conflict: &Conflict, to: Option<&str>, now: &str) -> Vec<Pair> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = match (conflict.theirs.first(), conflict.mine.first()) {
        (Some(theirs), Some(mine)) => vec![
            pair("set", &theirs.entry),
            pair("to", &mine.entry),
            pair("tags", &mine.tags.join(",")),
            pair("options", &mine.options),
        ],
        (Some(theirs), None) => match to {
            Some(to) => vec![pair("move", &theirs.entry), pair("into", to)],
            None => vec![pair("remove", &theirs.entry)],
        },
        (None, Some(mine)) => vec![pair("add", &mine.to_line())],
        (None, None) => Vec::new(),
    };
    pairs.push(pair("base", now));
    pairs
}
