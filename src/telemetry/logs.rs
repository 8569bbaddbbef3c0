//! Log setup, and a brake for lines that a broken endpoint would repeat thousands of times.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use strum::{IntoStaticStr, VariantArray};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// Sends logs to standard error. `filter` is a level or `target=level` pairs.
///
/// Errors: the filter cannot be read, or logs were set up already.
pub fn start_logs(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("log level `{filter}` cannot be read: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}

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
