//! Who caused a call, for those who count by it.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::Event;

/// Who caused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(pub(super) u64);

impl Source {
    /// Of an event, its sender; without one, what its conversation is known by. Where the server
    /// tells neither, each event stands for itself.
    pub(super) fn of(event: &Event) -> Source {
        let named = [event.sender(), &event.ordering_key];
        match named.into_iter().find(|name| !name.is_empty()) {
            Some(name) => Source::named(name),
            None => event
                .natural_id
                .as_deref()
                .map_or_else(Source::any, Source::named),
        }
    }

    fn named(name: &str) -> Source {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Source(hasher.finish())
    }

    /// One that nobody was yet.
    pub(super) fn any() -> Source {
        Source(fastrand::u64(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Can, DialectId, Hook, Moment};

    #[test]
    fn the_sender_counts_and_without_one_the_conversation() {
        let hook = Hook {
            name: "afterX",
            moment: Moment::After,
        };
        let mut event = Event::new(hook, DialectId::OpenIm, Can::default());
        assert_ne!(Source::of(&event), Source::of(&event));
        event.natural_id = Some("m1".to_owned());
        assert_eq!(Source::of(&event), Source::of(&event));
        event.ordering_key = "group 7".to_owned();
        let conversation = Source::of(&event);
        event.natural_id = Some("m2".to_owned());
        assert_eq!(Source::of(&event), conversation);
        event.user_id = "u1".to_owned();
        let sender = Source::of(&event);
        event.ordering_key = "group 8".to_owned();
        assert_eq!(Source::of(&event), sender);
    }
}
