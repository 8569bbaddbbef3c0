//! What a draft of a word list would change and hit, as its page shows it.

use maud::{Markup, html};

use super::frame::{coded, hostile, marked, number, section, share, table};
use super::list_parts::problems;
use super::lists_words::ListsWords;
use super::visit::Visit;
use crate::admin::list_plans::shown_lines;
use crate::lists::{Counts, Imported, Preview};

/// Characters of an excerpt that are shown.
const EXCERPT_CHARS: usize = 200;
/// Lines of a change that are shown.
const LINES_MAX: usize = 200;

pub(super) fn report(visit: &Visit, words: &ListsWords, imported: &Imported) -> Markup {
    let report = &imported.report;
    let body = html! {
        p {
            (number(imported.ops.len() as u64)) " " (words.new) " · "
            (number(imported.listed as u64)) " " (words.listed) " · "
            (number(report.dropped.len() as u64)) " " (words.left_out)
        }
        ul {
            @for dropped in report.dropped.iter().take(20) {
                li { (dropped.line) ": " (hostile(visit, &dropped.text)) " " span .hint { (dropped.reason) } }
            }
        }
    };
    section(words.report, body)
}

pub(super) fn lines(visit: &Visit, words: &ListsWords, preview: &Preview) -> Markup {
    let body = html! {
        (changed_lines(visit, words, shown_lines(preview)))
        @for found in preview.problems.iter().filter(|found| !found.is_empty()) { (problems(visit, found)) }
    };
    section(words.change, body)
}

pub(super) fn changed_lines<'l>(
    visit: &Visit,
    words: &ListsWords,
    lines: impl Iterator<Item = &'l str>,
) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(words.change) {
            table .diff {
                tbody {
                    @for line in lines.take(LINES_MAX) {
                        @let class = match line.chars().next() { Some('+') => "added", Some('-') => "removed", _ => "" };
                        tr .(class) { td { (hostile(visit, line)) } }
                    }
                }
            }
        }
    }
}

/// How many texts of each kind would be decided otherwise.
pub(super) fn effect_table(words: &ListsWords, kinds: &[(&str, Counts)]) -> Markup {
    let columns = [
        "",
        words.texts,
        words.blocked,
        words.masked,
        words.flagged,
        words.counted,
        words.freed,
    ];
    let columns: Vec<String> = columns
        .iter()
        .map(|name| match name.is_empty() {
            true => String::new(),
            false => format!("#{name}"),
        })
        .collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows = html! {
        @for (name, counts) in kinds { @if counts.texts > 0 { (count_row(name, counts)) } }
    };
    table(words.effect, &columns, rows)
}

pub(super) fn effect(visit: &Visit, words: &ListsWords, preview: &Preview) -> Markup {
    let kinds = [
        (words.recent, preview.recent),
        (words.everyday, preview.everyday),
        (words.given, preview.given),
    ];
    let hidden = preview.recent.hit() + preview.recent.freed > 0
        && !preview.excerpts.iter().any(|one| one.of == "recent");
    let body = html! {
        p { strong { (share((preview.share * 10_000.0).round() as u64, 10_000)) } " " (words.share) }
        (effect_table(words, &kinds))
        @if !preview.excerpts.is_empty() {
            h3 { (words.excerpts) }
            ul .excerpts {
                @for one in &preview.excerpts {
                    li {
                        (marked(visit, &one.text, std::slice::from_ref(&one.marked), EXCERPT_CHARS)) " "
                        span .hint { (one.list) ": " (hostile(visit, &one.entry)) }
                    }
                }
            }
        }
        @if hidden { p .hint { (coded(words.excerpts_hidden)) } }
        @if !preview.overlaps.is_empty() {
            h3 { (words.overlaps) }
            ul { @for (entry, texts) in &preview.overlaps { li { (hostile(visit, entry)) " " (number(*texts)) } } }
        }
    };
    section(words.effect, body)
}

fn count_row(name: &str, counts: &Counts) -> Markup {
    let all = [
        counts.texts,
        counts.blocked,
        counts.masked,
        counts.flagged,
        counts.shadowed,
        counts.freed,
    ];
    html! {
        tr {
            th scope="row" { (name) }
            @for count in all { td .number { (number(count)) } }
        }
    }
}
