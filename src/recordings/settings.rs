//! Which calls are kept, how many and how long.

use std::path::PathBuf;
use std::time::Duration;

/// Where calls are kept, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Nothing is kept without it.
    pub enabled: bool,
    pub folder: PathBuf,
    /// Of all calls on before hooks, by the message's id.
    pub share: f64,
    /// Past this the oldest go.
    pub bytes_max: u64,
    /// After this time the key of a day is dropped.
    pub keep: Duration,
    /// What waits for the writer.
    pub queue_calls_max: usize,
    pub queue_bytes_max: usize,
}
