//! Tells a late answer from a machine that stood still.
//!
//! On a busy machine everybody waits for a processor now and then, the caller too. Threads that
//! want to wake up every other millisecond notice; there are several for each processor, since one
//! processor may stand still alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const BEAT: Duration = Duration::from_millis(2);
const THREADS_PER_PROCESSOR: usize = 3;
/// A beat that took this long is a standstill. An answer passes through several threads, so small
/// ones add up to the margin of 20 ms.
const STILL: Duration = Duration::from_millis(5);
/// How often a measurement is repeated that a standstill has spoilt.
const TRIES: usize = 10;

/// Beats until it is dropped.
pub struct Metronome {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    standstills: Mutex<Vec<(Instant, Instant)>>,
    stop: AtomicBool,
}

impl Metronome {
    pub fn start() -> Metronome {
        let shared = Arc::new(Shared::default());
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let (ready, all_ready) = mpsc::channel();
        for _ in 0..processors * THREADS_PER_PROCESSOR {
            let (beating, ready) = (Arc::clone(&shared), ready.clone());
            thread::spawn(move || beating.beat(ready));
        }
        drop(ready);
        // Ends when every thread has begun to beat.
        all_ready.iter().for_each(drop);
        Metronome { shared }
    }

    pub fn stood_still(&self, from: Instant, to: Instant) -> bool {
        let standstills = self.shared.standstills.lock().unwrap();
        standstills
            .iter()
            .any(|(start, end)| *start < to && *end > from)
    }

    /// Panics: `limit` has passed since `from`, and the machine did not stand still meanwhile.
    #[track_caller]
    pub fn on_time(&self, from: Instant, limit: Duration, what: &str) {
        let now = Instant::now();
        let took = now - from;
        assert!(
            took < limit || self.stood_still(from, now),
            "{what} took {took:?}, the limit is {limit:?}"
        );
    }
}

impl Shared {
    fn beat(&self, ready: Sender<()>) {
        drop(ready);
        while !self.stop.load(Ordering::Relaxed) {
            let beat = Instant::now();
            thread::sleep(BEAT);
            if beat.elapsed() > STILL {
                let mut standstills = self.standstills.lock().unwrap();
                standstills.push((beat, Instant::now()));
            }
        }
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// Runs something that must take less than `limit`.
///
/// Panics: it took longer, and the machine did not stand still.
pub fn within<T>(limit: Duration, run: impl Fn() -> T) -> T {
    let metronome = Metronome::start();
    for _ in 0..TRIES {
        let started = Instant::now();
        let done = run();
        let took = started.elapsed();
        if took < limit {
            return done;
        }
        let excused = metronome.stood_still(started, Instant::now());
        assert!(excused, "it took {took:?}, the limit is {limit:?}");
    }
    panic!("the machine is too busy to measure {limit:?}");
}
