//! Try: a text or a call, decided as the policy in force would, step by step; nobody is asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use bytes::Bytes;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::json;

use super::explained::explained;
use super::frame::{Choice, area, empty, heading, page, problem, select};
use super::trying_words::{TryWords, WORDS};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::callback::preview;
use crate::dialect::{self, Call, Decoded, Head};
use crate::event::{DialectId, Event, Hook, Message, Moment};
use crate::policy::{Explanation, Snapshot};

/// What the field holds that says which hook sees a text, when all that are on do.
const EVERY_HOOK: &str = "";

pub(in crate::admin) async fn try_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let tried = match visit.is_form {
        true => Some(tried(&admin, &visit, words).await),
        false => None,
    };
    let status = match &tried {
        Some(Err(_)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = html! {
        (heading(words.title, words.lead))
        (form(&admin, &visit, words))
        div #result aria-live="polite" {
            @match &tried {
                None => (examples(words)),
                Some(Err(why)) => (problem(Some(why))),
                Some(Ok(all)) if all.is_empty() => (empty(words.no_hook, words.no_hook_hint)),
                Some(Ok(all)) => @for one in all { (explained(&visit, one)) },
            }
        }
    };
    Ok(page(status, &visit, words.title, &body))
}

fn form(admin: &Admin, visit: &Visit, words: &TryWords) -> Markup {
    let snapshot = admin.policies.current();
    let hooks = before_hooks(&snapshot);
    let hooks = hooks.iter().map(|hook| (hook.name, hook.name));
    let hooks: Vec<Choice<'_>> = [(EVERY_HOOK, words.every_hook)]
        .into_iter()
        .chain(hooks)
        .collect();
    let dialects = DialectId::ALL.map(|id| (id.name(), id.name()));
    let dialects: Vec<Choice<'_>> = [("", words.a_text)].into_iter().chain(dialects).collect();
    html! {
        form method="post" action="/try" data-typing="result" data-save {
            (area(words.text, "text", 4, visit.field("text"), words.text_hint, None))
            div .row {
                (select(words.hook, "hook", &hooks, visit.field("hook")))
                (select(words.form, "form", &dialects, visit.field("form")))
                button .primary { (words.go) }
            }
        }
    }
}

/// Texts that show what the filter sees through; each is a form, so that it works without a script.
fn examples(words: &TryWords) -> Markup {
    let hint = html! {
        @for text in words.examples {
            form .example method="post" action="/try" {
                input type="hidden" name="text" value=(text);
                button { bdi { (text) } }
            }
        }
    };
    empty(words.nothing_yet, hint)
}

async fn tried(admin: &Admin, visit: &Visit, words: &TryWords) -> Result<Vec<Explanation>, String> {
    let snapshot = admin.policies.current();
    let events = match visit.field("form") {
        "" => of_text(&snapshot, visit.field("hook"), visit.field("text"), words)?,
        form => of_call(form, visit.field("text"), words)?,
    };
    let explaining = move || {
        let all = events.iter().map(|event| snapshot.explain(event, &preview));
        all.collect::<Vec<Explanation>>()
    };
    // A long text takes long, and this thread answers all who watch.
    let explained = tokio::task::spawn_blocking(explaining).await;
    explained.map_err(|error| error.to_string())
}

/// The hooks that are on and take a message.
fn before_hooks(snapshot: &Arc<Snapshot>) -> Vec<Hook> {
    let hooks = snapshot.hooks().map(|rules| rules.hook);
    let before = hooks.filter(|hook| hook.moment == Moment::Before);
    before.filter(|hook| of_hook(*hook, "").is_some()).collect()
}

fn of_text(
    snapshot: &Arc<Snapshot>,
    hook: &str,
    text: &str,
    words: &TryWords,
) -> Result<Vec<Event>, String> {
    let hooks = match hook {
        EVERY_HOOK => before_hooks(snapshot),
        name => vec![dialect::hook(name).ok_or(words.unknown_hook)?],
    };
    let events = hooks.into_iter().filter_map(|hook| of_hook(hook, text));
    Ok(events.collect())
}

/// A text as a hook would see it; `None` for hooks that are about more than a text.
fn of_hook(hook: Hook, text: &str) -> Option<Event> {
    let message = Message {
        send_id: "user1".to_owned(),
        recv_id: "user2".to_owned(),
        session_type: 1,
        msg_from: 100,
        content_type: 101,
        status: 1,
        content: json!({ "content": text }).to_string(),
        ..Message::default()
    };
    let operation_id = "callgate-try";
    if dialect::info(hook).takes_message() {
        return Some(dialect::event_from_message(
            hook,
            operation_id.to_owned(),
            message,
        ));
    }
    dialect::native_event_from_message(hook, operation_id, &message).ok()
}

/// A call as it was recorded, which says itself what it is about.
fn of_call(form: &str, body: &str, words: &TryWords) -> Result<Vec<Event>, String> {
    let id = DialectId::from_name(form).ok_or(words.unknown_form)?;
    let call = Call {
        head: Head::at("", ""),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    match dialect::of(id).decode(&call) {
        Ok(Decoded::Event(event)) => Ok(vec![*event]),
        Ok(Decoded::UnknownCommand { command, .. }) => {
            Err(format!("{}: `{command}`", words.unknown_command))
        }
        Ok(Decoded::Batch { .. }) => Err(words.a_batch.to_owned()),
        Err(unreadable) => Err(format!("{}: {}", words.unreadable, unreadable.reason)),
    }
}
