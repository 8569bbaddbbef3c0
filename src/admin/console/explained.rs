//! A decision step by step, as `callgate explain` prints it.

use std::collections::BTreeMap;
use std::ops::Range;

use maud::{Markup, html};

use super::frame::{CHARS_MAX, Tone, badge, hostile, marked, number, quoted, table};
use super::trying_words::{TryWords, WORDS};
use super::visit::Visit;
use crate::decision::Verdict;
use crate::policy::{ExplainedMatch, ExplainedText, Explanation, Forward};

pub(super) fn explained(visit: &Visit, one: &Explanation) -> Markup {
    let words = visit.say(&WORDS);
    html! {
        section .step {
            h2 { code { (one.hook) } " " span .hint { (words.policy) " " (one.policy) } }
            p {
                strong { (words.decision) ": " } (verdict(words, one)) " " (hostile(visit, &quoted(visit, &one.decision)))
                " " span .hint { (words.if_nobody) }
            }
            @if let Some(reason) = one.skipped {
                p { (words.skipped) ": " code { (reason) } }
            } @else {
                @for text in &one.texts { (of_text(visit, words, text)) }
                @if one.filters != one.decision {
                    p .hint { (words.filters) ": " (hostile(visit, &quoted(visit, &one.filters))) }
                }
                @if let Some(content) = &one.content {
                    p { strong { (words.content) } }
                    p { (hostile(visit, content)) }
                }
                (forwards(visit, words, one))
            }
        }
    }
}

fn verdict(words: &TryWords, one: &Explanation) -> Markup {
    let (tone, name) = match &one.decided.verdict {
        Verdict::Allow if one.decided.reviewed => (Tone::Good, words.allow),
        Verdict::Allow => (Tone::Warn, words.allow),
        Verdict::Block(_) => (Tone::Bad, words.block),
        Verdict::Replace(_) => (Tone::Info, words.replace),
        Verdict::Reply(_) => (Tone::Info, words.reply),
    };
    badge(tone, name)
}

fn of_text(visit: &Visit, words: &TryWords, text: &ExplainedText) -> Markup {
    let spans = text.matches.iter().map(|one| one.bytes[0]..one.bytes[1]);
    let spans: Vec<Range<usize>> = spans.collect();
    html! {
        div .text {
            p .hint { (words.place) " " code { (hostile(visit, &text.place)) } }
            p .shown { (marked(visit, &text.value, &spans, CHARS_MAX)) }
            @for (reading, lists) in by_reading(&text.folded) {
                p .hint { (words.read_as) " " (hostile(visit, reading)) " " (words.by_lists) " " (lists.join(", ")) }
            }
            @if text.matches.is_empty() && text.spared.is_empty() { p .hint { (words.nothing_found) } }
            @if !text.matches.is_empty() { (matches(visit, words, &text.matches)) }
            @for one in &text.spared {
                p {
                    (badge(Tone::Quiet, words.spared)) " " (hostile(visit, &one.entry)) " (" (one.list) ") "
                    (words.spared_by) " " (hostile(visit, &one.by_phrase))
                    " (" (one.by_list) ", " (words.line) " " (one.by_line) ")"
                }
            }
        }
    }
}

fn matches(visit: &Visit, words: &TryWords, matches: &[ExplainedMatch]) -> Markup {
    let columns = [
        words.action,
        words.entry,
        words.list,
        words.seen_as,
        words.through,
    ];
    let rows = html! {
        @for one in matches {
            tr {
                td { (badge(tone_of(one.action), one.action)) }
                td {
                    (hostile(visit, &one.entry))
                    @if !one.tags.is_empty() { div .hint { (one.tags.join(", ")) } }
                }
                td { (one.list) @if one.line > 0 { span .hint { ", " (words.line) " " (number(u64::from(one.line))) } } }
                td { (hostile(visit, &one.matched)) }
                td { (one.evasions.join(", ")) }
            }
        }
    };
    table(words.found, &columns, rows)
}

fn tone_of(action: &str) -> Tone {
    match action {
        "block" => Tone::Bad,
        "replace" => Tone::Info,
        "flag" => Tone::Warn,
        _ => Tone::Quiet,
    }
}

/// Lists that read a text alike are named together.
fn by_reading(folded: &BTreeMap<String, String>) -> BTreeMap<&str, Vec<&str>> {
    let mut readings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (list, reading) in folded {
        readings.entry(reading).or_default().push(list);
    }
    readings
}

fn forwards(visit: &Visit, words: &TryWords, one: &Explanation) -> Markup {
    html! {
        @if one.forward.is_none() && one.also.is_empty() { p .hint { (words.asks_nobody) } }
        @for forward in one.forward.iter().chain(&one.also) { (asks(visit, words, forward)) }
    }
}

/// Without the headers: what authorizes us there is nobody's to read here.
fn asks(visit: &Visit, words: &TryWords, forward: &Forward) -> Markup {
    html! {
        @match &forward.failure {
            Some(why) => p { (words.cannot_ask) " " (hostile(visit, &forward.endpoint)) ": " (hostile(visit, &quoted(visit, why))) },
            None => details {
                summary { (words.would_ask) " " (hostile(visit, &forward.endpoint)) ", " (number(forward.timeout_ms)) " ms" }
                pre tabindex="0" { (hostile(visit, &forward.body)) }
            },
        }
    }
}
