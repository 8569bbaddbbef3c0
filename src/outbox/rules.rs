//! What every outbox does alike.

use std::time::Duration;

use tracing::info;

/// Ids of ended events that one call forgets at the most, so that none pays for a whole day.
pub(super) const SWEEP_MAX: usize = 256;
/// A reason is kept up to this many bytes.
const REASON_BYTES_MAX: usize = 1 << 10;

/// Merges pairs that can be claimed, each list sorted by due time and place, and takes the first
/// `limit`: their places, the longest due first.
pub(super) fn longest_due(
    ready: Vec<(u64, i64)>,
    retry: Vec<(u64, i64)>,
    limit: usize,
) -> Vec<i64> {
    let mut all = ready;
    all.extend(retry);
    all.sort_unstable();
    all.truncate(limit);
    all.into_iter().map(|(_, seq)| seq).collect()
}

/// Until when the id of an event that ends now is remembered.
pub(super) fn forget_at_ms(now_ms: u64, dedupe: Duration) -> u64 {
    now_ms.saturating_add(dedupe.as_millis() as u64)
}

/// Records that an accepted event will not be delivered by somebody's will.
pub(super) fn note_discarded(endpoint: &str, id: &str, reason: &str) {
    info!(endpoint, id, reason, "event discarded");
}

/// The part of a reason that is kept, cut between characters.
pub(super) fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
