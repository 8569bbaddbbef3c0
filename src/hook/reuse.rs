//! Remembers what the filters found in a message, for the second call that an IM server makes
//! about it.
//!
//! OpenIM asks about one message twice: before it is sent and before it is stored, with the same
//! `serverMsgID`. The matches of a long text are taken from the first call, and the two calls are
//! counted as one violation. Both calls go to the endpoint all the same if their hooks say so.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Event;
use crate::policy::{Found, HookRules, Version};

/// Messages remembered; the oldest goes first.
const MESSAGES_MAX: usize = 4096;
/// Scanning a shorter text costs less than remembering it.
const TEXT_BYTES_MIN: usize = 1024;
/// More matches than this are not worth their memory.
const MATCHES_MAX: usize = 64;

/// Names a message with its content under one policy and one choice of lists.
///
/// The hash is keyed afresh in every process, so nobody can make a message that is taken for
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

#[derive(Debug, Default)]
pub(super) struct Reuse {
    hasher: RandomState,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// `None` for a message that matched and whose text is short: only the count matters.
    found: HashMap<Key, Option<Arc<Found>>>,
    order: VecDeque<Key>,
}

impl Reuse {
    /// The key of an event whose work may be asked for again.
    pub(super) fn key(&self, version: &Version, rules: &HookRules, event: &Event) -> Option<Key> {
        let message = event.message.as_ref()?;
        if message.server_msg_id.is_empty() {
            return None;
        }
        let mut hasher = self.hasher.build_hasher();
        version.hash(&mut hasher);
        rules.list_names().hash(&mut hasher);
        message.server_msg_id.hash(&mut hasher);
        for text in &event.texts {
            (&text.value, text.class, &text.protected).hash(&mut hasher);
        }
        Some(Key(hasher.finish()))
    }

    /// True for a message that is worth asking for.
    pub(super) fn is_long(event: &Event) -> bool {
        event
            .texts
            .iter()
            .map(|text| text.value.len())
            .sum::<usize>()
            >= TEXT_BYTES_MIN
    }

    /// What was found in the call before.
    pub(super) fn take(&self, key: Key) -> Option<Arc<Found>> {
        self.lock().found.get(&key).cloned().flatten()
    }

    /// Remembers a message; false if it was remembered already.
    pub(super) fn remember(&self, key: Key, event: &Event, found: &Arc<Found>) -> bool {
        // Texts that were not searched because there was no time may be next time.
        let is_worth_it = Self::is_long(event)
            && found.count() <= MATCHES_MAX
            && found.why_unfiltered().is_none();
        let found = is_worth_it.then(|| Arc::clone(found));
        let mut recent = self.lock();
        if recent.found.insert(key, found).is_some() {
            return false;
        }
        recent.order.push_back(key);
        if recent.order.len() > MESSAGES_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.found.remove(&oldest);
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect;
    use crate::event::Message;
    use crate::filter::Scratch;
    use crate::policy::{self, CompileContext, FileSet, Snapshot};

    fn snapshot() -> Snapshot {
        let text = "lists: {a: {words: [casino]}}\nhooks: {beforeSendSingleMsg: {}, beforeMsgModify: {}}\n";
        let files = FileSet {
            root: "policies".to_owned(),
            files: [("policy.yaml".to_owned(), Arc::from(text.as_bytes()))].into(),
        };
        let compiled = policy::compile(&files, &CompileContext::default(), 1);
        compiled.snapshot.expect("the policy is good")
    }

    fn event(hook: &str, id: &str, text: &str) -> Event {
        let message = Message {
            server_msg_id: id.to_owned(),
            content_type: 101,
            content: format!("{{\"content\":\"{text}\"}}"),
            ..Message::default()
        };
        dialect::event_from_message(dialect::hook(hook).unwrap(), String::new(), message)
    }

    /// Whether the second call finds the work of the first, and whether it counts as a new one.
    fn check(first: (&str, &str, &str), second: (&str, &str, &str), expected: (bool, bool)) {
        let (snapshot, reuse) = (snapshot(), Reuse::default());
        let key = |event: &Event| {
            let rules = snapshot.select(event).unwrap();
            reuse.key(&snapshot.version, rules, event).unwrap()
        };
        let find = |event: &Event| {
            let rules = snapshot.select(event).unwrap();
            Arc::new(snapshot.find(rules, event, &mut Scratch::default()))
        };
        let [first, second] = [first, second].map(|(hook, id, text)| event(hook, id, text));
        assert!(reuse.remember(key(&first), &first, &find(&first)));
        let taken = reuse.take(key(&second)).is_some();
        let counted = reuse.remember(key(&second), &second, &find(&second));
        assert_eq!((taken, counted), expected);
    }

    #[test]
    fn the_second_call_about_a_message_takes_the_work_of_the_first() {
        let long = "casino ".repeat(30) + &"hello ".repeat(200);
        let (send, modify) = ("beforeSendSingleMsg", "beforeMsgModify");
        check((send, "m1", &long), (modify, "m1", &long), (true, false));
        check(
            (send, "m1", "casino"),
            (modify, "m1", "casino"),
            (false, false),
        );
        check((send, "m1", &long), (modify, "m2", &long), (false, true));
        check(
            (send, "m1", &long),
            (modify, "m1", &format!("{long}!")),
            (false, true),
        );
    }

    #[test]
    fn memory_is_bounded() {
        let (snapshot, reuse) = (snapshot(), Reuse::default());
        for at in 0..MESSAGES_MAX + 100 {
            let event = event("beforeMsgModify", &at.to_string(), "casino");
            let rules = snapshot.select(&event).unwrap();
            let key = reuse.key(&snapshot.version, rules, &event).unwrap();
            let found = snapshot.find(rules, &event, &mut Scratch::default());
            reuse.remember(key, &event, &Arc::new(found));
        }
        assert_eq!(reuse.lock().found.len(), MESSAGES_MAX);
        assert_eq!(reuse.lock().order.len(), MESSAGES_MAX);
    }
}
