//! Word lists: all of them, and the rows of one.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::frame::{
    Tone, area, badge, done, empty, filters, heading, hostile, link, missing, notice, number,
    optional, page, pager, section, select, table, tick,
};
use super::lists_words::{ListsWords, WORDS};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::admin::word_lists;
use crate::lists::{NotSaved, Page, RowShown, Wanted};
use crate::operators::Capability;
use crate::policy::TRIAL;
use crate::settings::Problem;

const ROWS: usize = 100;
/// Problems of a file that are shown.
const PROBLEMS_MAX: usize = 10;

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
        @if lists.is_empty() { (empty(words.none, words.none_hint)) }
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
    };
    let (lists, name) = (admin.lists.clone(), visit.param("name").to_owned());
    let looked = tokio::task::spawn_blocking(move || lists.page(&name, &wanted)).await;
    let shown = match looked {
        Ok(Ok(shown)) => shown,
        Ok(Err(NotSaved::NoList(..))) => {
            return Ok(missing(&visit, &html! { (words.not_there) }));
        }
        Ok(Err(error)) => return Ok(failed(&visit, &error.to_string())),
        Err(error) => return Ok(failed(&visit, &error.to_string())),
    };
    let title = shown.list.name.clone();
    let moderates = visit.may(Capability::Moderate);
    let may = moderates && word_lists::may_change(&admin, &visit.asked, &title);
    let can = may && shown.list.file.is_some() && shown.locked.is_empty();
    let body = html! {
        (heading(&title, words.list_lead))
        @let saved = visit.asks("saved");
        @if !saved.is_empty() { (done(html! { (words.saved) " " (hostile(&visit, saved)) })) }
        div #live data-live="changes" { (state(&visit, words, &shown)) }
        @if moderates && !may { (notice(Tone::Info, html! { p { (words.not_yours) } })) }
        @if shown.list.file.is_some() { (rows(&visit, words, &shown, can)) }
        @if can {
            (change(&visit, words, &shown))
            (add(&visit, words, &shown))
        }
        @if !shown.words.is_empty() { (inline(&visit, words, &shown)) }
    };
    Ok(page(StatusCode::OK, &visit, &title, &body))
}

pub(super) fn failed(visit: &Visit, why: &str) -> axum::response::Response {
    let words = visit.say(&WORDS);
    let body = html! {
        (heading(words.title, words.not_saved))
        (notice(Tone::Bad, hostile(visit, why)))
        (link("/lists", words.back))
    };
    page(StatusCode::CONFLICT, visit, words.title, &body)
}

/// The page of a list.
pub(super) fn path(list: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(list.as_bytes()).collect();
    // A form writes blanks otherwise than a path does.
    format!("/lists/{}", name.replace('+', "%20"))
}

/// The page of a change, with what stands behind `?`.
fn draft(list: &Page, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).append_pair("base", &list.hash);
    format!("{}/draft?{}", path(&list.list.name), query.finish())
}

pub(super) fn action(action: &str) -> Markup {
    let tone = match action {
        "block" => Tone::Bad,
        "replace" => Tone::Warn,
        "flag" => Tone::Info,
        "allow" => Tone::Good,
        _ => Tone::Quiet,
    };
    badge(tone, action)
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

/// What is wrong, with its place and the way out.
pub(super) fn problems(visit: &Visit, problems: &[Problem]) -> Markup {
    html! {
        ul .problems {
            @for problem in problems.iter().take(PROBLEMS_MAX) {
                li {
                    @if problem.line > 0 { strong { (problem.file) ":" (problem.line) } " " }
                    (hostile(visit, &problem.what))
                    @if !problem.hint.is_empty() { " " span .hint { (hostile(visit, &problem.hint)) } }
                }
            }
            @if problems.len() > PROBLEMS_MAX { li .hint { "+" (problems.len() - PROBLEMS_MAX) } }
        }
    }
}

fn rows(visit: &Visit, words: &ListsWords, shown: &Page, may: bool) -> Markup {
    let line = format!("#{}", words.line);
    let columns = [
        &*line,
        words.entry,
        words.tags,
        words.options,
        words.action,
        words.findings,
        "",
    ];
    let body = html! {
        @for row in &shown.rows { (self::row(visit, words, shown, row, may)) }
    };
    let search = html! {
        div .field {
            label for="search" { (words.search) }
            input #search name="search" type="search" value=(visit.asks("search")) data-search autocomplete="off" spellcheck="false";
        }
    };
    let next = shown.next.map(|line| line.to_string());
    html! {
        (filters(visit, search))
        @if shown.rows.is_empty() { (empty(words.no_rows, words.no_rows_hint)) }
        @else { (table(words.rows, &columns, body)) }
        (pager(visit, next.as_deref()))
    }
}

fn row(visit: &Visit, words: &ListsWords, shown: &Page, row: &RowShown, may: bool) -> Markup {
    let line = row.line.to_string();
    let entry = &*row.said.entry;
    let to = |act: &str| draft(shown, &[(act, entry), ("line", &line)]);
    let on_trial = row.said.tags.iter().any(|tag| tag == TRIAL);
    html! {
        tr {
            td .number { (row.line) }
            td {
                @match may {
                    true => a href=(visit.with("edit", &line)) data-row { (hostile(visit, entry)) },
                    false => (hostile(visit, entry)),
                }
            }
            td { (hostile(visit, &row.said.tags.join(", "))) }
            td { code { (hostile(visit, &row.said.options)) } }
            td { @if let Some(said) = row.action { (action(said)) } }
            td { @if !row.problems.is_empty() { (problems(visit, &row.problems)) } }
            td {
                @if may {
                    div .acts {
                        @if on_trial {
                            (link(&to("promote"), words.promote))
                            (link(&to("drop"), words.drop))
                        } @else { (link(&to("remove"), words.remove)) }
                    }
                }
            }
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

fn inline(visit: &Visit, words: &ListsWords, shown: &Page) -> Markup {
    let body = html! {
        p .hint { (words.inline_hint) }
        ul { @for word in &shown.words { li { (hostile(visit, word)) } } }
    };
    section(words.inline, body)
}
