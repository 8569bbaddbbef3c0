//! Word lists: all of them, and the rows of one.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Tone, area, coded, done, empty, heading, hostile, link, missing, notice, number, of_not_saved,
    optional, page, section, select, table, tick,
};
use super::list_move;
use super::list_parts::{action, failed, path, problems};
use super::list_table::{May, rows};
use super::lists_words::{ListsWords, WORDS};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::admin::{list_rows, word_lists};
use crate::lists::{NotSaved, Page, Wanted};
use crate::operators::Capability;

const ROWS: usize = 100;

pub(in crate::admin) async fn lists_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let lists = admin.lists.all();
    let columns = [
        words.list,
        words.action,
        &format!("#{}", words.entries),
        words.file,
    ];
    let rows = html! {
        @for list in &lists {
            tr {
                td { a href=(path(&list.name)) data-row { (list.name) } }
                td { (action(list.action)) }
                td .number { (number(list.entries as u64)) }
                td { @match &list.file { Some(file) => (file), None => span .hint { (words.in_policy) } } }
            }
        }
    };
    let body = html! {
        (heading(words.title, words.lead))
        @if lists.is_empty() { (empty(words.none, coded(words.none_hint))) }
        @else { (table(words.title, &columns, rows)) }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

pub(in crate::admin) async fn list_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let wanted = Wanted {
        after: visit.asks("after").parse().unwrap_or_default(),
        rows_max: ROWS,
        search: visit.asks("search").to_owned(),
        with_changes: true,
    };
    let found = match list_rows::rows(&admin, visit.param("name"), wanted).await {
        Ok(found) => found,
        Err(NotSaved::NoList(..)) => return Ok(missing(&visit, &html! { (words.not_there) })),
        Err(error) => return Ok(failed(&visit, &of_not_saved(&visit, &error))),
    };
    let shown = &found.page;
    let title = shown.list.name.clone();
    let moderates = visit.may(Capability::Moderate);
    let may = moderates && word_lists::may_change(&admin, &visit.asked, &title);
    let can = may && shown.list.file.is_some() && shown.locked.is_empty();
    let targets = match can && !shown.rows.is_empty() {
        true => list_move::targets(&admin, &visit, shown),
        false => Vec::new(),
    };
    let can_be = May {
        edit: can,
        take: !targets.is_empty(),
    };
    let body = html! {
        (heading(&title, words.list_lead))
        @let saved = visit.asks("saved");
        @if !saved.is_empty() { (done(html! { (words.saved) " " (hostile(&visit, saved)) })) }
        div #live data-live="changes" { (state(&visit, words, shown)) }
        @if can { p { (link("#add", words.add)) } }
        @if moderates && !may { (notice(Tone::Info, html! { p { (not_yours(&admin, &visit, words, &title)) } })) }
        @if shown.list.file.is_some() { (rows(&visit, words, &found, can_be)) }
        @if can {
            (change(&visit, words, shown))
            @if can_be.take { (list_move::form(&visit, shown, &targets)) }
            (add(&visit, words, shown))
            (add_list(words, shown))
        }
        @if !shown.words.is_empty() { (inline(&visit, words, shown)) }
    };
    Ok(page(StatusCode::OK, &visit, &title, &body))
}

/// Why somebody who may change lists may not change this one.
fn not_yours(admin: &Admin, visit: &Visit, words: &ListsWords, list: &str) -> Markup {
    let who = &visit.asked.who;
    let others = admin.lists.in_file_of(list);
    let other = others.iter().find(|other| !who.may_change(other));
    html! {
        @match other.filter(|_| who.may_change(list)) {
            Some(other) => { (words.shares_file) " " (other) }
            None => (words.not_yours),
        }
    }
}

/// Whether the list can be edited, and is what decides.
pub(super) fn state(visit: &Visit, words: &ListsWords, shown: &Page) -> Markup {
    html! {
        p .hint {
            (action(shown.list.action)) " " (number(shown.list.entries as u64)) " "
            @if let Some(file) = &shown.list.file { "· " (file) " " }
            "· " (shown.policy)
        }
        @if !shown.locked.is_empty() {
            (notice(Tone::Bad, html! { p { (words.locked) } (problems(visit, &shown.locked)) }))
        } @else if !shown.in_force {
            (notice(Tone::Warn, html! { p { (words.not_in_force) } }))
        }
        @if let Some(why) = &shown.read_only {
            (notice(Tone::Info, html! { p { (words.read_only) } p .hint { (hostile(visit, why)) } }))
        }
    }
}

/// The form for one entry that was chosen.
fn change(visit: &Visit, words: &ListsWords, shown: &Page) -> Markup {
    let chosen = visit.asks("edit").parse::<u32>().ok();
    let row = chosen.and_then(|line| shown.rows.iter().find(|row| row.line == line));
    let Some(row) = row else { return html! {} };
    let form = html! {
        form method="get" action={ (path(&shown.list.name)) "/draft" } {
            input type="hidden" name="set" value=(row.said.entry);
            input type="hidden" name="line" value=(row.line);
            input type="hidden" name="base" value=(shown.hash);
            (optional(words.entry, "to", "text", &row.said.entry))
            (optional(words.tags, "tags", "text", &row.said.tags.join(", ")))
            (optional(words.options, "options", "text", &row.said.options))
            div .acts { button .primary { (words.preview) } (link(&visit.with("edit", ""), words.back)) }
        }
    };
    section(words.change_entry, form)
}

fn add(visit: &Visit, words: &ListsWords, shown: &Page) -> Markup {
    let any = [("", words.any_section)];
    let sections = shown.sections.iter().map(|name| (&**name, &**name));
    let sections: Vec<(&str, &str)> = any.into_iter().chain(sections).collect();
    let form = html! {
        form method="get" action={ (path(&shown.list.name)) "/draft" } {
            input type="hidden" name="base" value=(shown.hash);
            (area(words.add_label, "add", 4, visit.asks("add"), words.add_hint, None))
            (optional(words.tags, "tags", "text", ""))
            @if sections.len() > 1 { (select(words.section, "section", &sections, "")) }
            (tick(words.foreign, "import", false))
            div .acts { button .primary data-edit { (words.preview) } }
        }
    };
    section(words.add, form)
}

/// A list of somebody else, or a long one: read as a whole, and planned.
fn add_list(words: &ListsWords, shown: &Page) -> Markup {
    let form = html! {
        form method="post" action={ (path(&shown.list.name)) "/plans" } {
            input type="hidden" name="base" value=(shown.hash);
            // Read into the field below by the script; without one it stays hidden.
            div .field data-reads hidden {
                label for="file" { (words.upload_file) }
                input #file type="file" data-into="text" accept=".txt,.csv,.tsv,.json,.yaml,.yml,text/*";
            }
            (area(words.upload_label, "text", 6, "", words.upload_hint, None))
            (optional(words.tags, "tags-of-all", "text", ""))
            (tick(words.upload_trial, "trial", false))
            div .acts { button { (words.make_plan) } }
        }
    };
    section(words.upload, form)
}

fn inline(visit: &Visit, words: &ListsWords, shown: &Page) -> Markup {
    let body = html! {
        p .hint { (coded(words.inline_hint)) }
        ul { @for word in &shown.words { li { (hostile(visit, word)) } } }
    };
    section(words.inline, body)
}
