//! What the policy in force, or an earlier one, would do with a text or a call. Nobody is asked.

use std::sync::Arc;

use bytes::Bytes;

use super::acts::Asked;
use super::decisions::{ask, decision};
use super::problem::ApiProblem;
use super::shown::Admin;
use crate::audit::Act;
use crate::callback::preview;
use crate::dialect::{self, Call, Decoded, Head};
use crate::event::{DialectId, Event, Hook, Moment};
use crate::history::{PlacedText, Row};
use crate::operators::Capability;
use crate::policy::{self, CompileContext, Explanation, FileSet, Snapshot};

/// What is tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// A text, or with a `form` the body of a call.
    pub text: String,
    /// Empty: every hook that is on.
    pub hook: String,
    /// Empty: it is a text.
    pub form: String,
    /// `None`: the policy in force.
    pub version: Option<u64>,
}

/// Why something cannot be tried.
#[derive(Debug)]
pub(super) enum NotTried {
    UnknownHook,
    UnknownForm,
    UnknownCommand(String),
    ABatch,
    Unreadable(String),
    /// It is not kept any more, or would not compile now.
    Version(String),
    Broken(String),
}

/// The steps at each hook that is meant; nothing where none that is on takes a text.
pub(super) async fn explain(admin: &Admin, wanted: Wanted) -> Result<Vec<Explanation>, NotTried> {
    let now = admin.policies.current();
    // An earlier policy takes time and memory: one at a time.
    let _turn = match wanted.version {
        Some(number) if number != now.version.number => Some(admin.versions.turn().await),
        _ => None,
    };
    let admin = admin.clone();
    let explaining = move || {
        let snapshot = match wanted.version {
            Some(number) if number != now.version.number => earlier(&admin, number)?,
            _ => now,
        };
        let events = match &*wanted.form {
            "" => of_text(&snapshot, &wanted.hook, &wanted.text)?,
            form => vec![of_call(form, &wanted.text)?],
        };
        let all = events.iter().map(|event| snapshot.explain(event, &preview));
        Ok(all.collect())
    };
    // A long text takes long, and this thread answers all who watch.
    let explained = tokio::task::spawn_blocking(explaining).await;
    explained.map_err(|error| NotTried::Broken(error.to_string()))?
}

/// A policy that was in force, from its kept files. What it reads elsewhere may be gone.
fn earlier(admin: &Admin, number: u64) -> Result<Arc<Snapshot>, NotTried> {
    let store = admin.versions.store();
    let kept = store.record(number).and_then(|record| store.files(&record));
    let set = FileSet {
        root: format!("version {number}"),
        files: kept.map_err(|error| NotTried::Version(error.to_string()))?,
    };
    let unchecked = CompileContext {
        check_secret: None,
        check_tls: None,
        check_token: None,
        ..admin.policies.context().clone()
    };
    let compiled = policy::compile_untried(&set, &unchecked, number);
    let problems = compiled.problems;
    let why = || {
        let first = problems.first().map(ToString::to_string);
        NotTried::Version(first.unwrap_or_default())
    };
    compiled.snapshot.map(Arc::new).ok_or_else(why)
}

/// The hooks that are on and take a message.
pub(super) fn before_hooks(snapshot: &Snapshot) -> Vec<Hook> {
    let hooks = snapshot.hooks().map(|rules| rules.hook);
    let before = hooks.filter(|hook| hook.moment == Moment::Before);
    before.filter(|hook| of_hook(*hook, "").is_some()).collect()
}

fn of_text(snapshot: &Snapshot, hook: &str, text: &str) -> Result<Vec<Event>, NotTried> {
    let hooks = match hook {
        "" => before_hooks(snapshot),
        name => vec![dialect::hook(name).ok_or(NotTried::UnknownHook)?],
    };
    let events = hooks.into_iter().filter_map(|hook| of_hook(hook, text));
    Ok(events.collect())
}

/// A text as a hook would see it; `None` for hooks that are about more than a text.
fn of_hook(hook: Hook, text: &str) -> Option<Event> {
    dialect::event_of_text(hook, "callgate-try", text).ok()
}

/// A call as it was recorded, which says itself what it is about.
fn of_call(form: &str, body: &str) -> Result<Event, NotTried> {
    let id = DialectId::from_name(form).ok_or(NotTried::UnknownForm)?;
    let call = Call {
        head: Head::at("", ""),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    match dialect::of(id).decode(&call) {
        Ok(Decoded::Event(event)) => Ok(*event),
        Ok(Decoded::UnknownCommand { command, .. }) => {
            Err(NotTried::UnknownCommand(command.to_string()))
        }
        Ok(Decoded::Batch { .. }) => Err(NotTried::ABatch),
        Err(unreadable) => Err(NotTried::Unreadable(unreadable.reason.to_string())),
    }
}

/// A decision with its texts where they are kept, for who may read them; that they were read is on
/// record.
///
/// Errors: there is none of it, who asks may not, or it cannot be recorded.
pub(super) async fn kept_texts(
    admin: &Admin,
    asked: &Asked,
    id: &str,
) -> Result<(Row, Option<Vec<PlacedText>>), ApiProblem> {
    let row = decision(admin, id).await?;
    let act = Act::new("history.show", asked.who()).on(format!("decision {}", row.id));
    asked.must(Capability::Text, act.clone())?;
    let id = row.id;
    let texts = ask(admin, move |history| history.texts(id)).await?;
    if texts.is_some() {
        asked.record(act).await?;
    }
    Ok((row, texts))
}
