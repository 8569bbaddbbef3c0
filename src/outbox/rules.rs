//! What every outbox does alike.

use std::time::Duration;

use tracing::{debug, info};

/// Ids of ended events that one call forgets at the most, so that none pays for a whole day.
pub(super) const SWEEP_MAX: usize = 256;
/// Dead letters of an ordering key that are counted for its next event.
pub(super) const GAP_MAX: usize = 1000;
/// Why a dead letter is discarded that nobody replayed in time.
pub(super) const RETIRED: &str = "dead for longer than `dead_keep`";
/// Why an event is dead whose bytes on the disk have changed.
pub(super) const DAMAGED: &str = "damaged: what is stored does not fit its checksum";
/// Why events are discarded that a repair could not read any more.
pub(super) const LOST: &str = "damaged: they could not be read when the file was repaired";
/// Why an event is discarded for an endpoint at its acceptance.
pub(super) const NO_ROOM: &str = "what waits for the endpoint is past its `endpoint_share`";
/// A reason is kept up to this many bytes.
const REASON_BYTES_MAX: usize = 1 << 10;

/// Chooses `limit` pairs, the longest due first, and gives their places in the order of
/// acceptance. New ones (with the times of acceptance) are taken in the order given, for their
/// ordering keys' sake; retries (with their due times) are sorted by time.
pub(super) fn longest_due(ready: &[(u64, i64)], retry: &[(u64, i64)], limit: usize) -> Vec<i64> {
    let (mut ready, mut retry) = (ready.iter().peekable(), retry.iter().peekable());
    let mut chosen = Vec::new();
    while chosen.len() < limit {
        let next = match (ready.peek(), retry.peek()) {
            (Some(new), Some(again)) if new <= again => ready.next(),
            (_, Some(_)) => retry.next(),
            (_, None) => ready.next(),
        };
        match next {
            Some(&(_, seq)) => chosen.push(seq),
            None => break,
        }
    }
    chosen
}

/// Until when what ends now is kept: the id of an event, a dead letter.
pub(super) fn forget_at_ms(now_ms: u64, keep: Duration) -> u64 {
    now_ms.saturating_add(keep.as_millis() as u64)
}

/// From where the claims of a pair are counted that was replayed so often: far from those of its
/// earlier lives, so that no late settlement of one can touch it.
pub(super) fn first_claim(replays: u32) -> i64 {
    i64::from(replays) << 32
}

/// Logs that an accepted event will not be delivered, by somebody's will.
pub(super) fn note_discarded(endpoint: &str, id: &str, reason: &str) {
    if reason == NO_ROOM {
        // While a receiver is down that may be every event; they are counted, and listed.
        debug!(endpoint, id, reason, "event discarded");
    } else {
        info!(endpoint, id, reason, "event discarded");
    }
}

/// The part of a reason that is kept, cut between characters.
pub(super) fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
