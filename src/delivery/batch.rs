//! Cutting batches: which events of an endpoint share a request, and when it is sent.
//!
//! Several of one hook, in their order, until there are enough of them, or enough bytes, or the
//! first has waited long enough. The time is an argument.

use std::collections::{BTreeMap, VecDeque};

/// When a batch is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub events_max: usize,
    /// Of the bodies; a single event may have more.
    pub bytes_max: usize,
}

/// What waits to be sent with others. `T` is the event.
#[derive(Debug)]
pub struct Batches<T> {
    /// By hook.
    queues: BTreeMap<String, VecDeque<Waiting<T>>>,
}

#[derive(Debug)]
struct Waiting<T> {
    bytes: usize,
    /// When it has waited long enough.
    until_ms: u64,
    item: T,
}

impl<T> Default for Batches<T> {
    fn default() -> Batches<T> {
        Batches {
            queues: BTreeMap::new(),
        }
    }
}

impl<T> Batches<T> {
    pub fn add(&mut self, hook: &str, bytes: usize, until_ms: u64, item: T) {
        let queue = self.queues.entry(hook.to_owned()).or_default();
        queue.push_back(Waiting {
            bytes,
            until_ms,
            item,
        });
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// The next batch that is full, or whose first event has waited long enough.
    pub fn take(&mut self, now_ms: u64, cut: Cut) -> Option<Vec<T>> {
        for queue in self.queues.values_mut() {
            let mut bytes = 0;
            let fits = queue.iter().take(cut.events_max).take_while(|waiting| {
                bytes += waiting.bytes;
                bytes <= cut.bytes_max
            });
            let count = fits.count().max(1).min(queue.len());
            let full = count == cut.events_max || count < queue.len();
            let due = queue.iter().any(|waiting| waiting.until_ms <= now_ms);
            if count > 0 && (full || due) {
                let batch = queue.drain(..count);
                return Some(batch.map(|waiting| waiting.item).collect());
            }
        }
        None
    }

    /// When the next batch is sent, whether it is full by then or not.
    pub fn next_ms(&self) -> Option<u64> {
        let waiting = self.queues.values().flatten();
        waiting.map(|waiting| waiting.until_ms).min()
    }

    /// Everything that waits, not to be sent.
    pub fn take_all(&mut self) -> Vec<T> {
        let queues = std::mem::take(&mut self.queues);
        let waiting = queues.into_values().flatten();
        waiting.map(|waiting| waiting.item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name:bytes@until`, in a queue of its first letter; what is cut at each time.
    fn check(events: &[&str], events_max: usize, bytes_max: usize, expected: &[(u64, &str)]) {
        let mut batches = Batches::default();
        for event in events {
            let (name, rest) = event.split_once(':').unwrap();
            let (bytes, until) = rest.split_once('@').unwrap();
            let hook = &name[..1];
            batches.add(hook, bytes.parse().unwrap(), until.parse().unwrap(), name);
        }
        let cut = Cut {
            events_max,
            bytes_max,
        };
        for &(now_ms, wanted) in expected {
            let mut found = Vec::new();
            while let Some(batch) = batches.take(now_ms, cut) {
                found.push(batch.join("+"));
            }
            assert_eq!(found.join(" "), wanted, "{events:?} at {now_ms}");
        }
        assert_eq!(batches.len(), 0);
    }

    #[test]
    fn a_batch_is_cut_at_its_number_of_events() {
        let events = ["a1:1@9", "a2:1@9", "a3:1@9", "a4:1@9", "a5:1@9"];
        check(&events, 2, 100, &[(0, "a1+a2 a3+a4"), (9, "a5")]);
        check(&events, 5, 100, &[(0, "a1+a2+a3+a4+a5")]);
        check(&events, 1, 100, &[(0, "a1 a2 a3 a4 a5")]);
    }

    #[test]
    fn a_batch_is_cut_at_its_bytes_unless_one_event_has_more() {
        let events = ["a1:6@9", "a2:4@9", "a3:20@9", "a4:1@9", "a5:1@9"];
        check(&events, 9, 10, &[(0, "a1+a2 a3"), (9, "a4+a5")]);
    }

    #[test]
    fn a_batch_is_sent_when_one_of_it_has_waited_long_enough() {
        let events = ["a1:1@50", "a2:1@30", "a3:1@70"];
        check(&events, 9, 100, &[(29, ""), (30, "a1+a2+a3")]);
        assert_eq!(Batches::<()>::default().next_ms(), None);
    }

    #[test]
    fn events_of_different_hooks_share_no_batch() {
        let events = ["a1:1@9", "b1:1@9", "a2:1@9", "b2:1@5"];
        check(&events, 9, 100, &[(5, "b1+b2"), (9, "a1+a2")]);
    }
}
