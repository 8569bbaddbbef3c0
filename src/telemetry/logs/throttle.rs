//! A brake for lines that a broken endpoint would repeat thousands of times.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets a line with one key through once a second and counts what it held back.
#[derive(Debug)]
pub struct LogThrottle<K> {
    seen: Mutex<HashMap<K, (Instant, u64)>>,
}

impl<K> Default for LogThrottle<K> {
    fn default() -> LogThrottle<K> {
        LogThrottle {
            seen: Mutex::new(HashMap::new()),
        }
    }
}

/// More keys than this are a fault of the caller; the table starts again rather than grow.
const KEYS_MAX: usize = 1024;
const INTERVAL: Duration = Duration::from_secs(1);

impl<K: Hash + Eq> LogThrottle<K> {
    /// `Some(held back since the last)` when the line may be written now.
    pub fn pass(&self, key: K) -> Option<u64> {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEYS_MAX {
            seen.clear();
        }
        let Some((last, held)) = seen.get_mut(&key) else {
            seen.insert(key, (now, 0));
            return Some(0);
        };
        if now.duration_since(*last) < INTERVAL {
            *held += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(held))
    }
}
