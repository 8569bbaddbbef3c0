//! Remembers which messages were already seen to match, so that the two calls which an IM server
//! makes about one message are counted as one violation.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::event::Event;

/// Messages remembered; the oldest goes first. Only messages with matches are remembered.
const MESSAGES_MAX: usize = 4096;

#[derive(Debug, Default)]
pub struct Reuse {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    keys: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Reuse {
    /// False when the same message with the same content was here before.
    pub fn first_sight(&self, event: &Event) -> bool {
        let Some(message) = &event.message else {
            return true;
        };
        if message.server_msg_id.is_empty() {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        (&message.server_msg_id, &message.content).hash(&mut hasher);
        let key = hasher.finish();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.keys.insert(key) {
            return false;
        }
        seen.order.push_back(key);
        if seen.order.len() > MESSAGES_MAX {
            if let Some(oldest) = seen.order.pop_front() {
                seen.keys.remove(&oldest);
            }
        }
        true
    }
}
