//! Which conversations are in a share: the same ones over restarts, on every replica, and as the
//! share grows.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Event;

/// Which part of the conversations an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The candidate's share.
    Share,
    /// As many conversations again.
    Control,
    Rest,
}

/// Where messages of a trial are, by the server's id: OpenIM's second call about a message says
/// neither the group nor the receiver.
#[derive(Debug)]
pub(super) struct Messages {
    /// Half of it a message's hash, half its place; a newer message takes the slot of an older one.
    slots: Box<[AtomicU64]>,
}

/// Between the two calls about a message so many others come at the most, or nearly.
const SLOTS: usize = 1 << 16;

impl Default for Messages {
    fn default() -> Messages {
        Messages {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Messages {
    /// Where an event's conversation falls; `None`: it has none that is known, and is in no trial.
    pub(super) fn part(&self, event: &Event, share: f64) -> Option<Part> {
        let own = place(event);
        let id = event
            .message
            .as_ref()
            .map(|message| message.server_msg_id.as_str());
        let id = id.filter(|id| !id.is_empty()).map(|id| hash("", id));
        let place = match (own, id) {
            (Some(place), _) => place,
            (None, Some(id)) => self.find(id)?,
            (None, None) => return None,
        };
        let part = match fraction(place) {
            at if at < share => Part::Share,
            at if at < 2.0 * share => Part::Control,
            _ => Part::Rest,
        };
        if let (Some(place), Some(id)) = (own, id)
            && part != Part::Rest
        {
            let slot = &self.slots[id as usize % SLOTS];
            slot.store(id >> 32 << 32 | u64::from(place), Ordering::Relaxed);
        }
        Some(part)
    }

    fn find(&self, id: u64) -> Option<u32> {
        let found = self.slots[id as usize % SLOTS].load(Ordering::Relaxed);
        (found != 0 && found >> 32 == id >> 32).then_some(found as u32)
    }
}

/// A hash of the group, the room, or the two people, whoever of them writes.
fn place(event: &Event) -> Option<u32> {
    let message = event.message.as_ref();
    let two = message.filter(|message| message.group_id.is_empty() && !message.recv_id.is_empty());
    let (one, other) = match two {
        Some(message) if message.send_id <= message.recv_id => {
            (message.send_id.as_str(), message.recv_id.as_str())
        }
        Some(message) => (message.recv_id.as_str(), message.send_id.as_str()),
        None => ("", event.target()),
    };
    (!other.is_empty()).then(|| (hash(one, other) >> 32) as u32)
}

/// From 0, included, to 1, excluded.
fn fraction(place: u32) -> f64 {
    f64::from(place) / 4_294_967_296.0
}

/// FNV-1a, whose bits are mixed once more: names that count up differ in the last byte.
fn hash(one: &str, other: &str) -> u64 {
    let bytes = one.bytes().chain([0xff]).chain(other.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect;
    use crate::event::{Can, DialectId, Message};

    fn event(send: &str, recv: &str, group: &str) -> Event {
        let hook = dialect::hook("beforeSendSingleMsg").unwrap();
        let mut event = Event::new(hook, DialectId::OpenIm, Can::NOTHING);
        event.message = Some(Message {
            send_id: send.to_owned(),
            recv_id: recv.to_owned(),
            group_id: group.to_owned(),
            ..Message::default()
        });
        event
    }

    #[test]
    fn everybody_in_a_conversation_is_in_one_place() {
        for number in 0..1000 {
            let (one, other) = (format!("u{number}"), format!("u{}", number + 1));
            let there = place(&event(&one, &other, ""));
            assert_eq!(there, place(&event(&other, &one, "")));
            let group = format!("g{number}");
            let in_group = place(&event(&one, "", &group));
            assert_eq!(in_group, place(&event(&other, "", &group)));
        }
        assert_eq!(place(&event("u1", "", "")), None);
    }

    #[test]
    fn places_are_what_they_always_were() {
        // A change of the hash would move conversations from one policy to the other in an upgrade.
        assert_eq!(place(&event("u1", "", "g1")), Some(GROUP));
        assert_eq!(place(&event("u2", "u1", "")), Some(PAIR));
    }

    const GROUP: u32 = 0x4ea2bc73;
    const PAIR: u32 = 0xd3270051;

    #[test]
    fn a_share_is_of_its_size_and_grows_by_more() {
        let messages = Messages::default();
        let count = |share: f64, part_wanted: Part| {
            let events = (0..20_000).map(|number| event("u", "", &format!("group-{number}")));
            events
                .filter(|event| messages.part(event, share) == Some(part_wanted))
                .count()
        };
        assert!((900..1100).contains(&count(0.05, Part::Share)));
        assert!((900..1100).contains(&count(0.05, Part::Control)));
        for number in 0..2_000 {
            let event = event("u", "", &format!("group-{number}"));
            if messages.part(&event, 0.05) == Some(Part::Share) {
                assert_eq!(messages.part(&event, 0.2), Some(Part::Share));
            }
        }
        assert_eq!(count(1.0, Part::Share), 20_000);
    }

    #[test]
    fn a_second_call_that_names_no_conversation_is_where_the_first_was() {
        let messages = Messages::default();
        for number in 0..2_000 {
            let mut first = event("u1", "", &format!("group-{number}"));
            let mut second = event("u1", "", "");
            for event in [&mut first, &mut second] {
                let message = event.message.as_mut().unwrap();
                message.server_msg_id = format!("message-{number}");
            }
            assert_eq!(messages.part(&second, 0.2), None);
            let part = messages.part(&first, 0.2).unwrap();
            // The rest is decided by the policy in force, as what is in no trial is.
            let expected = (part != Part::Rest).then_some(part);
            assert_eq!(messages.part(&second, 0.2), expected);
        }
    }
}
