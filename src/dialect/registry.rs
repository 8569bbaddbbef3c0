//! Which dialects there are, and finding hooks by name among all of theirs.
//!
//! Owns: the one line that a dialect needs outside of its folder.
//! Leaves alone: what a dialect does (its folder).

use std::sync::Arc;

use bytes::Bytes;

use super::contract::{Dialect, Unreadable};
use super::hooks::HookInfo;
use super::{chatserver, funtek, openim, wukongim};
use crate::event::{DialectId, Event, Hook, Message};

/// The one implementation of a dialect.
pub fn of(id: DialectId) -> &'static dyn Dialect {
    match id {
        DialectId::OpenIm => &openim::OpenIm,
        DialectId::OpenImV2 => &openim::v2::OpenImV2,
        DialectId::WukongIm => &wukongim::DEFAULT,
        DialectId::ChatServer => &chatserver::DEFAULT,
        DialectId::Funtek => &funtek::DEFAULT,
    }
}

/// What an operator says about servers whose own documents leave it open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub wukongim: wukongim::WukongImOptions,
    pub chatserver: chatserver::ChatServerOptions,
    pub funtek: funtek::FuntekOptions,
}

/// A dialect as the operator's servers speak it.
pub fn heard(id: DialectId, options: &Options) -> Arc<dyn Dialect> {
    match id {
        DialectId::OpenIm => Arc::new(openim::OpenIm),
        DialectId::OpenImV2 => Arc::new(openim::v2::OpenImV2),
        DialectId::WukongIm => Arc::new(wukongim::WukongIm::new(options.wukongim.clone())),
        DialectId::ChatServer => Arc::new(chatserver::ChatServer::new(options.chatserver.clone())),
        DialectId::Funtek => Arc::new(funtek::Funtek::new(options.funtek.clone())),
    }
}

/// Builds an event of another server than OpenIM from a message that was given directly, over
/// gRPC: the hook's name says in which form endpoints get it.
///
/// Errors: the hook needs more than a message holds, so its body must be given.
pub fn native_event_from_message(
    hook: Hook,
    operation_id: &str,
    message: &Message,
) -> Result<Event, Unreadable> {
    let dialect = of(owner(hook));
    let body = dialect.compose(hook, message).ok_or_else(|| Unreadable {
        hook: Some(hook),
        reason: format!("`{hook}` is more than a message: give the body of its call"),
    })?;
    dialect.decode_one(hook, operation_id, Bytes::from(body))
}

/// Builds an event from a message that was given directly, over gRPC. A before hook can block and
/// replace.
pub fn event_from_message(hook: Hook, operation_id: String, message: Message) -> Event {
    openim::event_from_message(hook, operation_id, message)
}

/// Builds an event of whichever server the hook is of from a message that was given directly.
///
/// Errors: as of [`native_event_from_message`].
pub fn event_of_message(
    hook: Hook,
    operation_id: &str,
    message: Message,
) -> Result<Event, Unreadable> {
    match info(hook).takes_message() {
        true => Ok(event_from_message(hook, operation_id.to_owned(), message)),
        false => native_event_from_message(hook, operation_id, &message),
    }
}

/// Builds an event from a text that one user sends to another, for who tries what becomes of it.
///
/// Errors: as of [`native_event_from_message`].
pub fn event_of_text(hook: Hook, operation_id: &str, text: &str) -> Result<Event, Unreadable> {
    let message = Message {
        send_id: "user1".to_owned(),
        recv_id: "user2".to_owned(),
        session_type: 1,
        msg_from: 100,
        content_type: 101,
        status: 1,
        content: serde_json::json!({ "content": text }).to_string(),
        ..Message::default()
    };
    event_of_message(hook, operation_id, message)
}

/// Builds an event from a JSON body that was given directly, over gRPC, in the form in which the
/// hook's own server writes one event.
///
/// In OpenIM's, `callbackCommand` may be missing and is then added. A before hook of OpenIM can
/// block, and replace any text; others can what their server lets them.
pub fn event_from_body(hook: Hook, operation_id: String, body: Bytes) -> Result<Event, Unreadable> {
    match owner(hook) {
        DialectId::OpenIm | DialectId::OpenImV2 => {
            openim::event_from_body(hook, operation_id, body)
        }
        other => of(other).decode_one(hook, &operation_id, body),
    }
}

/// Reads an event again that was stored with its [form](Event::form), its hook's name and its body.
///
/// Errors: what is wrong, in words; it could be read when it was accepted.
pub fn read_stored(
    form: &str,
    hook_name: &str,
    operation_id: &str,
    body: Bytes,
) -> Result<Event, String> {
    let (name, query) = form.split_once('?').unwrap_or((form, ""));
    let id =
        DialectId::from_name(name).ok_or_else(|| format!("its dialect `{name}` is unknown"))?;
    let hook = hook(hook_name).ok_or_else(|| format!("its hook `{hook_name}` is unknown"))?;
    let mut event = of(id)
        .decode_one(hook, operation_id, body)
        .map_err(|unreadable| format!("it cannot be read: {}", unreadable.reason))?;
    event.query = query.to_owned();
    Ok(event)
}

/// The dialect whose server has this hook; of OpenIM's two, the newer.
pub fn owner(hook: Hook) -> DialectId {
    DialectId::ALL
        .into_iter()
        .find(|id| {
            of(*id)
                .hooks()
                .iter()
                .any(|info| info.hook.name == hook.name)
        })
        .expect("hooks are made from the tables alone")
}

/// The hook with this name in policies, in whatever letter case.
pub fn hook(name: &str) -> Option<Hook> {
    info_by_name(name).map(|info| info.hook)
}

/// Names of hooks are shorter, with some room for a slip.
const NAME_BYTES_MAX: usize = 64;

/// Names of hooks that look like this one: by edit distance, best first, at most 3.
///
/// Nothing looks like a name that is longer than any could be: comparing takes the product of
/// both lengths.
pub fn near_names(name: &str) -> Vec<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        return Vec::new();
    }
    let wanted = name.to_ascii_lowercase();
    // Farther than this, a suggestion is noise.
    let distance_max = (wanted.chars().count() / 3).max(2);
    let mut near: Vec<(usize, &'static str)> = all()
        .map(|info| info.hook.name)
        // Nobody misspells the hook for all others.
        .filter(|known| !known.ends_with('*'))
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&wanted, &known.to_ascii_lowercase());
            (distance, known)
        })
        .filter(|(distance, _)| *distance <= distance_max)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, known)| known).collect()
}

/// The table's row of a hook.
pub fn info(hook: Hook) -> &'static HookInfo {
    info_by_name(hook.name).expect("hooks are made from the table alone")
}

fn info_by_name(name: &str) -> Option<&'static HookInfo> {
    all().find(|info| info.hook.name.eq_ignore_ascii_case(name))
}

/// The hooks of every dialect. OpenIM's come first, so that of its two dialects v3 speaks.
fn all() -> impl Iterator<Item = &'static HookInfo> {
    DialectId::ALL.into_iter().flat_map(|id| of(id).hooks())
}

#[cfg(test)]
mod tests {
    use crate::event::Moment;

    use super::*;

    #[test]
    fn hooks_are_found_in_any_letter_case() {
        let found = hook("BEFOREsendsinglemsg").unwrap();
        assert_eq!(found.name, "beforeSendSingleMsg");
        assert_eq!(found.moment, Moment::Before);
        assert_eq!(hook("beforeSendSingle"), None);
    }

    #[test]
    fn misspelt_hooks_are_guessed() {
        assert_eq!(
            near_names("beforeSendSingelMsg"),
            [
                "beforeSendSingleMsg",
                "afterSendSingleMsg",
                "beforeSendGroupMsg"
            ]
        );
        assert_eq!(near_names("beforemsgmodifi")[0], "beforeMsgModify");
        assert!(near_names("somethingElseEntirely").is_empty());
        assert!(near_names("").is_empty());
        let longest = all().map(|info| info.hook.name.len()).max().unwrap();
        assert!(longest < NAME_BYTES_MAX);
        assert!(near_names(&"beforeSendSingleMsg".repeat(50_000)).is_empty());
    }
}
