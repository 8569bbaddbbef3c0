//! One decision, step by step, with its entries as they were then.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, Render, html};

use super::decisions::outcome;
use super::decisions_words::{DecisionsWords, WORDS};
use super::frame::{
    CHARS_MAX, Tone, badge, coded, heading, hostile, link, marked, missing, notice, number,
    of_core, page, problem, section, time,
};
use super::visit::{Answer, Visit};
use crate::admin::decisions::{ask, decision, entry_then, removed_by};
use crate::admin::shown::Admin;
use crate::audit::Act;
use crate::history::{PlacedText, Row};
use crate::operators::Capability;
use crate::versions::Record;

/// An entry as the files of its version had it: the file and the text, and the version that took
/// it out of there.
type Then = Option<(String, String, Option<Record>)>;

/// The page of one decision; `?show=1` with its text.
pub(in crate::admin) async fn decision_page(
    State(admin): State<Admin>,
    request: Request,
) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let row = match decision(&admin, visit.param("id")).await {
        Ok(row) => row,
        Err(why) if why.status == StatusCode::NOT_FOUND => {
            return Ok(missing(&visit, &html! { (of_core(&visit, why)) }));
        }
        Err(why) => {
            let status = why.status;
            let why = of_core(&visit, why);
            let body = html! { (heading(words.one_title, words.one_lead)) (problem(Some(&why))) };
            return Ok(page(status, &visit, words.one_title, &body));
        }
    };
    let (then, row) = entries_then(&admin, row).await;
    let text = text_part(&admin, &visit, words, &row).await;
    let body = html! {
        (heading(words.one_title, words.one_lead))
        p { (outcome(words, &row)) " " (time(&visit, row.at_us / 1000)) " " code { (row.hook) } }
        @if row.outcome == "let_through" { (notice(Tone::Warn, html! { p { (words.unreviewed) } })) }
        (section(words.call, call(&visit, words, &row)))
        (section(words.filters, matches(&admin, &visit, words, &row, &then)))
        (section(words.endpoint, endpoint(&visit, words, &row)))
        (section(words.result, result(&visit, words, &row)))
        (section(words.text, text))
    };
    Ok(page(StatusCode::OK, &visit, words.one_title, &body))
}

async fn entries_then(admin: &Admin, row: Row) -> (Vec<Then>, Row) {
    let store = admin.versions.store();
    let kept = row.clone();
    let looking = tokio::task::spawn_blocking(move || {
        let found = row.matches.iter();
        let then = found.map(|found| {
            let (file, entry) = entry_then(&store, &row, found)?;
            let removed = removed_by(&store, &row, found, &file);
            Some((file, entry, removed))
        });
        then.collect()
    });
    let then = looking.await.unwrap_or_default();
    (then, kept)
}

/// Names and values; what is empty is left out.
fn facts(facts: &[(&str, Option<Markup>)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in facts {
                @if let Some(value) = value { dt { (name) } dd { (value) } }
            }
        }
    }
}

fn call(visit: &Visit, words: &DecisionsWords, row: &Row) -> Markup {
    let id = |id: &str, asked: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair(asked, id)
            .finish();
        let shown = hostile(visit, id);
        (!id.is_empty()).then(|| html! { a href={ "/decisions?" (query) } { (shown) } })
    };
    let plain = |text: &str| (!text.is_empty()).then(|| hostile(visit, text));
    facts(&[
        (words.sender, id(&row.sender, "sender")),
        (words.target, id(&row.target, "target")),
        (words.conversation, id(&row.conversation, "conversation")),
        (words.message, id(&row.message_id, "message")),
        (words.operation, plain(&row.operation_id)),
        (words.caller, row.caller.as_deref().and_then(plain)),
        (words.dialect, plain(&row.dialect)),
        (words.content_type, Some(row.content_type.render())),
    ])
}

fn matches(
    admin: &Admin,
    visit: &Visit,
    words: &DecisionsWords,
    row: &Row,
    then: &[Then],
) -> Markup {
    html! {
        @if row.matches.is_empty() { p .hint { (words.filters_none) } }
        @else {
            ol .matches {
                @for index in 0..row.matches.len() {
                    li { (found_there(admin, visit, words, row, index, then.get(index).cloned().flatten())) }
                }
            }
        }
        @if row.matches_left_out > 0 {
            p .hint { (number(row.matches_left_out)) " " (words.more_matches) }
        }
        p .hint { (row.filter_us) " µs" }
    }
}

fn found_there(
    admin: &Admin,
    visit: &Visit,
    words: &DecisionsWords,
    row: &Row,
    index: usize,
    then: Then,
) -> Markup {
    let (id, found) = (row.id, &row.matches[index]);
    let snapshot = admin.policies.current();
    let now = admin.history.in_force(&snapshot, &found.list, found.entry);
    let is_there = now.is_some();
    let removed = then.as_ref().and_then(|(_, _, removed)| removed.clone());
    let entry = then.map(|(file, entry, _)| (Some(file), entry));
    let entry = entry.or_else(|| now.as_ref().map(|now| (None, now.text.clone())));
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("list", &found.list)
        .append_pair("line", &found.line.to_string())
        .finish();
    html! {
        p {
            strong { (hostile(visit, &found.list)) }
            @if found.line > 0 { " " (words.line) " " a href={ "/decisions?" (query) } { (found.line) } }
            " " (badge(Tone::Info, &found.action)) " "
            @match now {
                // An entry of policy.yaml itself has no line of a list.
                Some(now) if now.line == 0 => { (badge(Tone::Good, html! { (words.in_force) })) }
                Some(now) => { (badge(Tone::Good, html! { (words.in_force_at) " " (now.line) })) }
                None => {
                    (badge(Tone::Quiet, words.removed))
                    @if let Some(by) = &removed {
                        " " (words.removed_by) " " a href={ "/changes/" (by.number) } { (by.number) }
                        ", " (time(visit, by.at_ms)) ", " (hostile(visit, &by.origin.who.to_string()))
                    }
                }
            }
        }
        dl .facts {
            dt { (words.entry_then) }
            dd {
                @match entry {
                    Some((file, entry)) => {
                        (hostile(visit, &entry))
                        @if let Some(file) = file { " " span .hint { (hostile(visit, &file)) } }
                    }
                    None => { (words.entry_unknown) " " code { (format!("{:016x}", found.entry)) } }
                }
            }
            @if !found.folds.is_empty() {
                dt { (words.seen_through) }
                dd { @for fold in &found.folds { code { (fold) } " " } }
            }
            dt { (words.place) }
            dd { code { (hostile(visit, &found.place)) } ", " (words.characters) " " (found.chars.0) "–" (found.chars.1) }
        }
        @if is_there && found.action != "allow" && visit.may(Capability::Moderate) {
            @let path = format!("/decisions/{id}/wrong?match={index}");
            p { a .button href=(path) { (words.wrong_hit) } }
        }
    }
}

fn endpoint(visit: &Visit, words: &DecisionsWords, row: &Row) -> Markup {
    html! {
        @match &row.endpoint {
            None => p .hint { (words.endpoint_none) },
            Some(name) => p {
                (hostile(visit, name)) " " (words.answered) " "
                code { (row.answer.as_deref().unwrap_or_default()) } ", " (number(row.endpoint_us)) " µs"
            },
        }
    }
}

fn result(visit: &Visit, words: &DecisionsWords, row: &Row) -> Markup {
    let version = format!("{}-{}", row.version.number, row.version.hash);
    let text = |text: &str| (!text.is_empty()).then(|| hostile(visit, text));
    facts(&[
        (words.decider, Some(html! { code { (row.decided_by) } })),
        (words.code, row.code.map(|code| code.render())),
        (words.class, row.class.as_deref().and_then(text)),
        (words.why, text(&row.why)),
        (words.version, Some(html! { code { (version) } })),
        (
            words.times,
            Some(html! { (number(row.total_us)) " µs " (words.total) }),
        ),
    ])
}

/// The text where it is kept, who asks may see it, and did ask.
async fn text_part(admin: &Admin, visit: &Visit, words: &DecisionsWords, row: &Row) -> Markup {
    if !visit.may(Capability::Text) {
        return html! { p .hint { (coded(words.text_right)) } };
    }
    if visit.asks("show").is_empty() {
        return html! { (link(&visit.with("show", "1"), words.text_show)) };
    }
    let id = row.id;
    let texts = match ask(admin, move |history| history.texts(id)).await {
        Ok(Some(texts)) => texts,
        Ok(None) => return html! { p .hint { (words.text_gone) } },
        Err(why) => return problem(Some(&of_core(visit, why))),
    };
    let act = Act::new("history.show", visit.asked.who()).on(format!("decision {id}"));
    if let Err(unkept) = visit.asked.record(act).await {
        return problem(Some(&of_core(visit, unkept)));
    }
    html! {
        @for text in &texts {
            @let spans = spans(row, text);
            p { code { (hostile(visit, &text.place)) } }
            blockquote { (marked(visit, &text.value, &spans, CHARS_MAX)) }
            // A nickname beside the text that was found fault with is not what one wants to try.
            @if !spans.is_empty() || row.matches.is_empty() { (ways_to_try(words, row, text)) }
        }
    }
}

fn ways_to_try(words: &DecisionsWords, row: &Row, text: &PlacedText) -> Markup {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("decision", &row.id.to_string())
        .append_pair("place", &text.place)
        .finish();
    html! {
        div .acts {
            a .button href={ "/try?" (query) } { (words.try_it) }
            a .button href={ "/try?" (query) "&version=" (row.version.number) } { (words.try_then) }
        }
    }
}

/// Where in a text something matched, in bytes.
fn spans(row: &Row, text: &PlacedText) -> Vec<std::ops::Range<usize>> {
    let here = row.matches.iter().filter(|found| found.place == text.place);
    here.map(|found| found.bytes.0 as usize..found.bytes.1 as usize)
        .collect()
}
