//! One entry of a word list: what became of it, and what it hits.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Tone, badge, empty, heading, hostile, link, missing, number, of_not_saved, page, section,
    table, time,
};
use super::list_parts::{failed, path};
use super::lists_words::{ListsWords, WORDS};
use super::visit::{Answer, Visit};
use crate::admin::list_rows::{self, EntryFound};
use crate::admin::shown::Admin;
use crate::editor::Said;
use crate::history::HitsFound;
use crate::lists::{Deed, Event, NotSaved, Story};

pub(in crate::admin) async fn entry_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let entry = visit.asks("entry").trim().to_owned();
    let found = match list_rows::entry(&admin, visit.param("name"), &entry).await {
        Ok(found) if !entry.is_empty() => found,
        Ok(_) | Err(NotSaved::NoList(..)) => {
            return Ok(missing(&visit, &html! { (words.not_there) }));
        }
        Err(error) => return Ok(failed(&visit, &of_not_saved(&visit, &error))),
    };
    let body = html! {
        (heading(html! { (found.list) ": " (hostile(&visit, &entry)) }, words.story_lead))
        (section(words.now, lines(&visit, words, &found.story.now)))
        @if let Some(found) = &found.hits { (section(words.hits, hits(&visit, words, found))) }
        (section(words.happened, story(&visit, words, &found.story)))
        div .acts {
            (link(&decisions(&found, &entry), words.its_decisions))
            (link(&path(&found.list), words.back))
        }
    };
    Ok(page(StatusCode::OK, &visit, words.story, &body))
}

/// The page of an entry.
pub(super) fn address(list: &str, entry: &str) -> String {
    format!("{}/entry?{}", path(list), query(&[("entry", entry)]))
}

fn decisions(found: &EntryFound, entry: &str) -> String {
    let pairs = [("list", &*found.list), ("word", entry)];
    format!("/decisions?{}", query(&pairs))
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

fn lines(visit: &Visit, words: &ListsWords, lines: &[Said]) -> Markup {
    html! {
        @for said in lines {
            p { (hostile(visit, &said.entry)) " " span .hint { (hostile(visit, &said.tags.join(", "))) } " "
                code { (hostile(visit, &said.options)) } }
        }
        @if lines.is_empty() { p .hint { (words.nothing) } }
    }
}

fn hits(visit: &Visit, words: &ListsWords, found: &HitsFound) -> Markup {
    let hits = found.hits.first().copied().unwrap_or_default();
    let columns = ["", &format!("#{}", words.day), &format!("#{}", words.week)];
    let rows = html! {
        tr { th scope="row" { (words.hits) } td .number { (number(hits.day)) } td .number { (number(hits.week)) } }
        tr {
            th scope="row" { (words.shadow) }
            td .number { (number(hits.shadow_day)) }
            td .number { (number(hits.shadow_week)) }
        }
    };
    html! {
        (table(words.hits_hint, &columns, rows))
        p .hint { (words.counted_since) " " (time(visit, found.since_us / 1000)) }
    }
}

fn story(visit: &Visit, words: &ListsWords, story: &Story) -> Markup {
    let columns = [
        words.version,
        words.at,
        words.who,
        words.happened,
        words.lines_then,
        words.reason,
    ];
    let rows = html! { @for event in &story.events { (row(visit, words, event)) } };
    html! {
        @if story.events.is_empty() { (empty(words.never, "")) }
        @else { (table(words.happened, &columns, rows)) }
        @if let Some(since) = story.since {
            p .hint {
                (words.looked_since) " " (since) ". "
                @if story.cut { (words.cut) }
            }
        }
    }
}

fn row(visit: &Visit, words: &ListsWords, event: &Event) -> Markup {
    let (tone, deed) = match event.deed {
        Deed::Added => (Tone::Good, words.added),
        Deed::Changed => (Tone::Info, words.set),
        Deed::Removed => (Tone::Bad, words.removed),
        Deed::Found => (Tone::Quiet, words.found),
    };
    let change = &event.change;
    html! {
        tr {
            td { a data-row href={ "/changes/" (change.version) } { (change.version) } }
            td { (time(visit, change.at_ms)) }
            td { (hostile(visit, &change.origin.who.to_string())) }
            td { (badge(tone, deed)) }
            td { (lines(visit, words, &event.lines)) }
            td { (hostile(visit, &change.origin.why)) }
        }
    }
}
