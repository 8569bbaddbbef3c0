//! Who caused a call, for those who count by it.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::{Event, Moment};

/// Who caused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(pub(super) u64);

impl Source {
    /// Of a call that is waited for, its sender, who may have many conversations; of an event, its
    /// conversation, in which one waits for the other. Each stands in for the other where the
    /// server does not tell it; where it tells neither, each event stands for itself.
    pub(super) fn of(event: &Event) -> Source {
        let (sender, conversation) = (event.sender(), event.ordering_key.as_str());
        let named = match event.hook.moment {
            Moment::Before => [sender, conversation],
            Moment::After => [conversation, sender],
        };
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
    use crate::event::{Can, DialectId, Hook};

    fn event(moment: Moment, sender: &str, conversation: &str, id: &str) -> Event {
        let hook = Hook { name: "x", moment };
        let mut event = Event::new(hook, DialectId::OpenIm, Can::NOTHING);
        event.user_id = sender.to_owned();
        event.ordering_key = conversation.to_owned();
        event.natural_id = (!id.is_empty()).then(|| id.to_owned());
        event
    }

    #[test]
    fn senders_are_told_apart_before_and_conversations_after() {
        use Moment::{After, Before};
        let equal = |moment, one: [&str; 3], other: [&str; 3]| {
            let of = |[sender, talk, id]: [&str; 3]| Source::of(&event(moment, sender, talk, id));
            of(one) == of(other)
        };
        assert!(equal(Before, ["u1", "c1", "m1"], ["u1", "c2", "m2"]));
        assert!(!equal(Before, ["u1", "c1", "m1"], ["u2", "c1", "m1"]));
        assert!(equal(After, ["u1", "c1", "m1"], ["u2", "c1", "m2"]));
        assert!(!equal(After, ["u1", "c1", "m1"], ["u1", "c2", "m1"]));
        assert!(equal(Before, ["", "c1", "m1"], ["", "c1", "m2"]));
        assert!(equal(After, ["u1", "", "m1"], ["u1", "", "m2"]));
        assert!(equal(Before, ["", "", "m1"], ["", "", "m1"]));
        assert!(!equal(Before, ["", "", ""], ["", "", ""]));
    }
}
