//! Cutting batches: which events of an endpoint share a request, and when it is sent.
//!
//! Several of one hook, in their order, until there are enough of them, or enough bytes, or the
//! first has waited long enough. Where nothing of a hook is under way nothing waits: the next
//! batch fills while one is. Events of one ordering key are in one request, or wait for its end.
//! The time is an argument.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// When a batch is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub events_max: usize,
    /// Of the bodies; a single event may have more.
    pub bytes_max: usize,
}

/// What waits to be sent with others. `T` is the event.
#[derive(Debug)]
pub(super) struct Batches<T> {
    /// By hook.
    queues: BTreeMap<&'static str, VecDeque<Waiting<T>>>,
    /// Ordering keys of events that are under way.
    busy: HashSet<Arc<str>>,
    /// Requests under way, by hook.
    under_way: HashMap<&'static str, usize>,
}

#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub bytes: usize,
    /// When it has waited long enough.
    pub until_ms: u64,
    /// Empty where its order does not matter.
    pub ordering_key: Arc<str>,
    /// The query that its request has; empty where the request itself has none of an event.
    pub query: String,
    pub item: T,
}

/// What is sent together, and has to be [taken back](Batches::end) by its hook and keys.
#[derive(Debug)]
pub(super) struct Batch<T> {
    pub hook: &'static str,
    pub ordering_keys: Vec<Arc<str>>,
    pub items: Vec<T>,
}

impl<T> Default for Batches<T> {
    fn default() -> Batches<T> {
        Batches {
            queues: BTreeMap::new(),
            busy: HashSet::new(),
            under_way: HashMap::new(),
        }
    }
}

impl<T> Batches<T> {
    pub(super) fn add(&mut self, hook: &'static str, waiting: Waiting<T>) {
        self.queues.entry(hook).or_default().push_back(waiting);
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// The next batch that may be sent: full, or its first event has waited long enough, or
    /// nothing of its hook is under way.
    pub(super) fn take(&mut self, now_ms: u64, cut: impl Fn(&str) -> Cut) -> Option<Batch<T>> {
        for (&hook, queue) in &mut self.queues {
            let idle = self.under_way.get(hook).is_none_or(|count| *count == 0);
            let Some(places) = ready(queue, &self.busy, cut(hook), |places, full| {
                full || idle || places.iter().any(|&place| queue[place].until_ms <= now_ms)
            }) else {
                continue;
            };
            let mut batch = Batch {
                hook,
                ordering_keys: Vec::new(),
                items: Vec::with_capacity(places.len()),
            };
            for place in places.into_iter().rev() {
                let Some(waiting) = queue.remove(place) else {
                    continue;
                };
                let key = waiting.ordering_key;
                if !key.is_empty() && self.busy.insert(Arc::clone(&key)) {
                    batch.ordering_keys.push(key);
                }
                batch.items.push(waiting.item);
            }
            batch.items.reverse();
            *self.under_way.entry(hook).or_default() += 1;
            return Some(batch);
        }
        None
    }

    /// A batch has ended. Gives out what waits behind an event that is tried again: its turn
    /// comes after that one's.
    pub(super) fn end(
        &mut self,
        hook: &str,
        ordering_keys: &[Arc<str>],
        held: &[Arc<str>],
    ) -> Vec<T> {
        if let Some(count) = self.under_way.get_mut(hook) {
            *count = count.saturating_sub(1);
        }
        for key in ordering_keys {
            self.busy.remove(key);
        }
        let mut behind = Vec::new();
        for queue in self.queues.values_mut() {
            if held.is_empty() {
                break;
            }
            for waiting in std::mem::take(queue) {
                match held.contains(&waiting.ordering_key) {
                    true => behind.push(waiting.item),
                    false => queue.push_back(waiting),
                }
            }
        }
        behind
    }

    /// The first that waits of each hook.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &T> {
        let firsts = self.queues.values().filter_map(VecDeque::front);
        firsts.map(|waiting| &waiting.item)
    }

    /// What waits.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        let waiting = self.queues.values().flatten();
        waiting.map(|waiting| &waiting.item)
    }

    /// Requests of a hook that are under way.
    pub(super) fn under_way(&self, hook: &str) -> usize {
        self.under_way.get(hook).copied().unwrap_or_default()
    }

    /// What waits of a hook, not to be sent.
    pub(super) fn take_hook(&mut self, hook: &str) -> Vec<T> {
        let queue = self.queues.remove(hook).unwrap_or_default();
        queue.into_iter().map(|waiting| waiting.item).collect()
    }

    /// When the next batch is sent, whether it is full by then or not. What waits for the end of
    /// a request is not asked, nor what stands behind an event of another query.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let of = |queue: &VecDeque<Waiting<T>>| {
            let mut first: HashMap<&str, &str> = HashMap::new();
            let mut soonest: Option<u64> = None;
            for waiting in queue {
                let (key, query) = (&*waiting.ordering_key, waiting.query.as_str());
                let is_behind = !key.is_empty() && *first.entry(key).or_insert(query) != query;
                if !is_behind && !self.busy.contains(key) {
                    soonest = Some(soonest.map_or(waiting.until_ms, |at| at.min(waiting.until_ms)));
                }
            }
            soonest
        };
        self.queues.values().filter_map(of).min()
    }

    /// Everything that waits, not to be sent.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let queues = std::mem::take(&mut self.queues);
        let waiting = queues.into_values().flatten();
        waiting.map(|waiting| waiting.item).collect()
    }
}

/// The places of the events of a batch that may be sent. A request has one query, so there is one
/// batch to look at for each query of those that wait.
fn ready<T>(
    queue: &VecDeque<Waiting<T>>,
    busy: &HashSet<Arc<str>>,
    cut: Cut,
    may_be_sent: impl Fn(&[usize], bool) -> bool,
) -> Option<Vec<usize>> {
    let mut seen: HashSet<&str> = HashSet::new();
    for waiting in queue {
        if seen.contains(&*waiting.query) {
            continue;
        }
        let (places, full) = fitting(queue, busy, cut, &waiting.query);
        if !places.is_empty() && may_be_sent(&places, full) {
            return Some(places);
        }
        seen.insert(&waiting.query);
    }
    None
}

/// The places of the first events of a query that fit a batch, and whether nothing more would.
/// What stands behind an event of another query in order waits for that one.
fn fitting<T>(
    queue: &VecDeque<Waiting<T>>,
    busy: &HashSet<Arc<str>>,
    cut: Cut,
    query: &str,
) -> (Vec<usize>, bool) {
    let mut places = Vec::new();
    let mut bytes = 0;
    let mut behind: HashSet<&str> = HashSet::new();
    for (place, waiting) in queue.iter().enumerate() {
        let key = &*waiting.ordering_key;
        if busy.contains(key) || behind.contains(key) {
            continue;
        }
        if waiting.query != query {
            if !key.is_empty() {
                behind.insert(key);
            }
            continue;
        }
        bytes += waiting.bytes;
        let too_many = places.len() >= cut.events_max;
        if too_many || (bytes > cut.bytes_max && !places.is_empty()) {
            return (places, true);
        }
        places.push(place);
    }
    let full = places.len() >= cut.events_max || bytes > cut.bytes_max;
    (places, full)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name:bytes@until`, in a queue of its first letter, with the ordering key after a slash and
    /// the query after a question mark.
    fn batches(events: &[&'static str]) -> Batches<String> {
        let mut batches = Batches::default();
        for event in events {
            let (name, rest) = event.split_once(':').unwrap();
            let (bytes, until) = rest.split_once('@').unwrap();
            let (name, query) = name.split_once('?').unwrap_or((name, ""));
            let (name, key) = name.split_once('/').unwrap_or((name, ""));
            let waiting = Waiting {
                bytes: bytes.parse().unwrap(),
                until_ms: until.parse().unwrap(),
                ordering_key: key.into(),
                query: query.to_owned(),
                item: name.to_owned(),
            };
            batches.add(&name[..1], waiting);
        }
        batches
    }

    fn cut(events_max: usize, bytes_max: usize) -> impl Fn(&str) -> Cut {
        move |_| Cut {
            events_max,
            bytes_max,
        }
    }

    /// What is cut at each time, while a request of each hook is under way.
    fn check(
        events: &[&'static str],
        events_max: usize,
        bytes_max: usize,
        expected: &[(u64, &str)],
    ) {
        let mut batches = batches(events);
        for hook in ["a", "b"] {
            batches.under_way.insert(hook, 1);
        }
        for &(now_ms, wanted) in expected {
            let mut found = Vec::new();
            while let Some(batch) = batches.take(now_ms, cut(events_max, bytes_max)) {
                found.push(batch.items.join("+"));
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

    #[test]
    fn events_of_different_queries_share_no_batch() {
        let events = ["a1?x:1@9", "a2?y:1@5", "a3?x:1@9", "a4?y:1@9"];
        check(&events, 9, 100, &[(4, ""), (5, "a2+a4"), (9, "a1+a3")]);
        check(&events, 2, 100, &[(0, "a1+a3 a2+a4")]);
    }

    #[test]
    fn a_conversation_keeps_its_order_over_queries() {
        let mut batches = batches(&["a1/k?x:1@9", "a2/k?y:1@1", "a3?y:1@5", "a4/k?x:1@9"]);
        // Nothing can be sent for the sake of what stands behind.
        assert_eq!(batches.next_ms(), Some(5));
        for expected in [vec!["a1"], vec!["a2", "a3"], vec!["a4"]] {
            let batch = batches.take(0, cut(9, 100)).unwrap();
            assert_eq!(batch.items, expected);
            batches.end(batch.hook, &batch.ordering_keys, &[]);
        }
        assert_eq!(batches.len(), 0);
    }

    #[test]
    fn a_lonely_event_goes_at_once_and_the_next_ones_while_it_is_under_way_together() {
        let mut batches = batches(&["a1:1@500"]);
        let first = batches.take(0, cut(9, 100)).unwrap();
        assert_eq!(first.items, ["a1"]);
        for name in ["a2", "a3"] {
            let waiting = Waiting {
                bytes: 1,
                until_ms: 500,
                ordering_key: Arc::default(),
                query: String::new(),
                item: name.to_owned(),
            };
            batches.add("a", waiting);
        }
        assert!(batches.take(1, cut(9, 100)).is_none());
        assert!(
            batches
                .end(first.hook, &first.ordering_keys, &[])
                .is_empty()
        );
        assert_eq!(batches.take(1, cut(9, 100)).unwrap().items, ["a2", "a3"]);
    }

    #[test]
    fn a_key_that_is_under_way_is_in_no_other_batch() {
        let events = ["a1/k:1@0", "a2/k:1@0", "a3/k:1@0", "a4/l:1@0"];
        let mut batches = batches(&events);
        let first = batches.take(0, cut(2, 100)).unwrap();
        assert_eq!(first.items, ["a1", "a2"]);
        assert_eq!(batches.take(0, cut(2, 100)).unwrap().items, ["a4"]);
        assert!(batches.take(0, cut(2, 100)).is_none());
        let held = ["k".into()];
        assert_eq!(batches.end("a", &first.ordering_keys, &held), ["a3"]);
        assert_eq!(batches.len(), 0);
    }
}
