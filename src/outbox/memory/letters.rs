//! Dead letters and discarded events in memory.

use std::cmp::Ordering;

use super::state::State;
use crate::outbox::config::Config;
use crate::outbox::entry::NewEntry;
use crate::outbox::letter::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, Discarded, DiscardedPage,
    STEP_LETTERS_MAX,
};
use crate::outbox::rules::{RETIRED, cut, forget_at_ms, note_discarded};

impl State {
    pub(super) fn dead(&self, filter: &DeadFilter, from: DeadCursor, limit: usize) -> DeadPage {
        let (found, next) = self.look_for(filter, from, limit);
        let letter = |(endpoint, seq): &(usize, i64)| DeadLetter {
            body: filter.bodies.then(|| self.events[seq].entry.body.clone()),
            ..self.endpoints[*endpoint].dead[seq].clone()
        };
        DeadPage {
            letters: found.iter().map(letter).collect(),
            next,
        }
    }

    pub(super) fn act_on_dead(
        &mut self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
        config: &Config,
    ) -> DeadStep {
        let (found, next) = self.look_for(filter, from, limit);
        let done = found.len() as u64;
        for (endpoint, seq) in found {
            match act {
                DeadAct::Count => {}
                DeadAct::Replay => self.replay(endpoint, seq),
                DeadAct::Discard { reason } => {
                    self.discard_dead(endpoint, seq, reason, now_ms, config);
                }
            }
        }
        DeadStep { done, next }
    }

    pub(super) fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> DiscardedPage {
        let mut page = DiscardedPage::default();
        let first = self.discarded_ever - self.discarded.len() as u64 + 1;
        let numbered = self.discarded.iter().zip(first..);
        let behind = numbered.filter(|(_, number)| *number as i64 > from.seq);
        for (looked_at, (event, number)) in behind.enumerate() {
            if filter.holds_discarded(event) {
                page.events.push(event.clone());
            }
            if page.events.len() >= limit || looked_at + 1 >= STEP_LETTERS_MAX {
                page.next = Some(DeadCursor {
                    endpoint: 0,
                    seq: number as i64,
                });
                break;
            }
        }
        page
    }

    /// Looks at some dead letters behind the cursor, and says where to go on.
    fn look_for(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> (Vec<(usize, i64)>, Option<DeadCursor>) {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            let after = match (number as i64).cmp(&from.endpoint) {
                Ordering::Less => continue,
                Ordering::Equal => from.seq + 1,
                Ordering::Greater => 0,
            };
            if !filter.is_about(&endpoint.name) {
                continue;
            }
            for (&seq, letter) in endpoint.dead.range(after..) {
                looked_at += 1;
                if filter.holds(letter) {
                    found.push((number, seq));
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    let endpoint = number as i64;
                    return (found, Some(DeadCursor { endpoint, seq }));
                }
            }
        }
        (found, None)
    }

    fn replay(&mut self, number: usize, seq: i64) {
        let entry = &self.events[&seq].entry;
        let endpoint = &mut self.endpoints[number];
        if let Some(letter) = endpoint.dead.remove(&seq) {
            endpoint.counts.dead -= 1;
            endpoint.add(seq, entry, letter.replays + 1);
        }
    }

    fn discard_dead(
        &mut self,
        number: usize,
        seq: i64,
        reason: &str,
        now_ms: u64,
        config: &Config,
    ) {
        let endpoint = &mut self.endpoints[number];
        if endpoint.dead.remove(&seq).is_some() {
            endpoint.counts.dead -= 1;
            let entry = self.events[&seq].entry.clone();
            self.record_discarded(number, &entry, reason, now_ms, config);
            self.end_pair(number, seq, now_ms, config);
        }
    }

    /// Counts a pair as discarded, and keeps what is to be known of it.
    pub(super) fn record_discarded(
        &mut self,
        number: usize,
        entry: &NewEntry,
        reason: &str,
        now_ms: u64,
        config: &Config,
    ) {
        let endpoint = &mut self.endpoints[number];
        endpoint.counts.discarded += 1;
        note_discarded(&endpoint.name, &entry.id, reason);
        self.discarded_ever += 1;
        self.discarded.push_back(Discarded {
            endpoint: endpoint.name.clone(),
            id: entry.id.clone(),
            hook: entry.hook.clone(),
            ordering_key: entry.ordering_key.clone(),
            operation_id: entry.operation_id.clone(),
            accepted_at_ms: entry.accepted_at_ms,
            discarded_at_ms: now_ms,
            reason: cut(reason).to_owned(),
        });
        while self.discarded.len() as u64 > config.discarded_kept {
            self.discarded.pop_front();
        }
    }

    /// Discards dead letters that were kept for long enough.
    pub(super) fn retire(&mut self, now_ms: u64, config: &Config) {
        let is_old = |at_ms| forget_at_ms(at_ms, config.dead_keep) <= now_ms;
        let mut old: Vec<(u64, usize, i64)> = Vec::new();
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            let letters = endpoint.dead.iter();
            let times = letters.map(|(&seq, letter)| (letter.died_at_ms, number, seq));
            old.extend(times.filter(|&(died_at_ms, ..)| is_old(died_at_ms)));
        }
        old.sort_unstable();
        for (_, number, seq) in old {
            self.discard_dead(number, seq, RETIRED, now_ms, config);
        }
    }
}
