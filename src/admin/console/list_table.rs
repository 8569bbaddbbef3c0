//! The rows of a word list as a table.

use maud::{Markup, html};

use super::frame::{empty, filters, hostile, link, number, pager, since, table, time};
use super::list_entry::address;
use super::list_move::pick;
use super::list_parts::{action, draft, problems};
use super::lists_words::ListsWords;
use super::visit::Visit;
use crate::admin::list_rows::Rows;
use crate::history::Hits;
use crate::lists::{LastChange, Page, RowShown};
use crate::policy::TRIAL;

/// Columns that some row has something for.
struct Columns {
    tags: bool,
    options: bool,
    findings: bool,
    hits: bool,
    changed: bool,
}

impl Columns {
    fn of(found: &Rows) -> Columns {
        let rows = &found.page.rows;
        Columns {
            tags: rows.iter().any(|row| !row.said.tags.is_empty()),
            options: rows.iter().any(|row| !row.said.options.is_empty()),
            findings: rows.iter().any(|row| !row.problems.is_empty()),
            // What spares is not told of.
            hits: found.hits.is_some() && found.page.list.action != "allow",
            changed: rows.iter().any(|row| row.changed.is_some()),
        }
    }

    fn names(&self, words: &ListsWords) -> Vec<String> {
        let number = |name: &str| format!("#{name}");
        let named = [
            (true, number(words.line)),
            (true, words.entry.to_owned()),
            (self.tags, words.tags.to_owned()),
            (self.options, words.options.to_owned()),
            (true, words.action.to_owned()),
            (self.hits, number(words.day)),
            (self.hits, number(words.week)),
            (self.changed, words.changed.to_owned()),
            (self.findings, words.findings.to_owned()),
            (true, String::new()),
        ];
        let shown = named.into_iter().filter(|(is_shown, _)| *is_shown);
        shown.map(|(_, name)| name).collect()
    }
}

/// What can be done with the entries.
#[derive(Clone, Copy)]
pub(super) struct May {
    pub edit: bool,
    /// There is a list that they can be moved to.
    pub take: bool,
}

pub(super) fn rows(visit: &Visit, words: &ListsWords, found: &Rows, may: May) -> Markup {
    let shown = &found.page;
    let columns = Columns::of(found);
    let names = columns.names(words);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let body = html! {
        @for (at, row) in shown.rows.iter().enumerate() {
            (self::row(visit, words, shown, &columns, (row, found.hits_of(at)), may))
        }
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
        @else {
            (table(words.rows, &names, body))
            @if let (true, Some(hits)) = (columns.hits, &found.hits) {
                p .hint {
                    (words.hits_hint) " " (words.counted_since) " " (time(visit, hits.since_us / 1000)) "."
                }
            }
        }
        (pager(visit, next.as_deref()))
    }
}

fn row(
    visit: &Visit,
    words: &ListsWords,
    shown: &Page,
    columns: &Columns,
    (row, hits): (&RowShown, Option<Hits>),
    may: May,
) -> Markup {
    let line = row.line.to_string();
    let entry = &*row.said.entry;
    let hits = hits.unwrap_or_default();
    html! {
        tr {
            td .number { @if may.take { (pick(visit, row.line, entry)) } @else { (row.line) } }
            td {
                @match may.edit {
                    true => a href=(visit.with("edit", &line)) data-row { (hostile(visit, entry)) },
                    false => (hostile(visit, entry)),
                }
            }
            @if columns.tags { td { (hostile(visit, &row.said.tags.join(", "))) } }
            @if columns.options { td { code { (hostile(visit, &row.said.options)) } } }
            td { @if let Some(said) = row.action { (action(said)) } }
            @if columns.hits {
                (count(words, hits.day, hits.shadow_day))
                (count(words, hits.week, hits.shadow_week))
            }
            @if columns.changed { td { (changed(visit, words, row.changed.as_ref())) } }
            @if columns.findings {
                td { @if !row.problems.is_empty() { (problems(visit, &row.problems)) } }
            }
            td {
                div .acts {
                    @if may.edit { (acts(words, shown, row)) }
                    (link(&address(&shown.list.name, entry), words.story))
                }
            }
        }
    }
}

fn acts(words: &ListsWords, shown: &Page, row: &RowShown) -> Markup {
    let line = row.line.to_string();
    let to = |act: &str| draft(shown, &[(act, &*row.said.entry), ("line", &line)]);
    let on_trial = row.said.tags.iter().any(|tag| tag == TRIAL);
    html! {
        @if on_trial {
            (link(&to("promote"), words.promote))
            (link(&to("drop"), words.drop))
        } @else { (link(&to("remove"), words.remove)) }
    }
}

fn count(words: &ListsWords, hits: u64, shadow: u64) -> Markup {
    html! {
        td .number {
            (number(hits))
            @if shadow > 0 { div .hint { (words.shadow) " " (number(shadow)) } }
        }
    }
}

fn changed(visit: &Visit, words: &ListsWords, changed: Option<&LastChange>) -> Markup {
    html! {
        @match changed {
            Some(LastChange::In(change)) => {
                (since(visit, change.at_ms))
                div .hint { (hostile(visit, &change.origin.who.to_string())) }
            }
            Some(LastChange::Before(change)) => span .hint { (words.unchanged_since) " " (since(visit, change.at_ms)) },
            Some(LastChange::NotInForce) => span .hint { (words.not_yet) },
            None => {}
        }
    }
}
