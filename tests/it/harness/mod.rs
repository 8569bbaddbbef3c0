//! What every black-box test stands on.
//!
//! Owns: starting and stopping the program, the clients that ask it, the business server behind
//! it, and the bodies of calls.
//! Leaves alone: what is expected, which each test says itself.

mod business;
pub mod calls;
mod grpc;
pub mod http;
mod metronome;
mod program;
mod random;
pub mod tls;

use std::thread;
use std::time::{Duration, Instant};

pub use business::{Behaviour, Business, Request};
pub use grpc::{Grpc, Raw};
pub use metronome::{Metronome, within};
pub use program::{Callgate, Setup};
pub use random::Random;

/// How long a test waits for what should come at once.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Looks again and again until `look` finds something.
///
/// Panics: nothing is found within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < limit,
            "not seen within {limit:?}: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
