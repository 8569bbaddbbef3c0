//! The front door: calls are told here, and read.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use super::files::{self, Reading};
use super::queue::Queue;
use super::settings::Settings;
use super::shared::Shared;
use super::writer::Writer;
use crate::clock::Clock;
use crate::event::Event;
use crate::policy::{AtRecording, RecordedCall};
use crate::telemetry::Metrics;
use crate::writer_thread::WriterThread;

/// How long whoever reads waits for what was just decided.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);
/// How long whoever has a user forgotten waits: each file is read.
const ANSWERS_WITHIN: Duration = Duration::from_secs(300);

/// Room that a thread keeps for the line of its next call.
const LINE_KEPT: usize = 16 << 10;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls that are kept to be judged again.
#[derive(Debug, Default)]
pub struct Recordings {
    /// `None`: nothing is kept.
    shared: Option<Arc<Shared>>,
    writer: Option<WriterThread<Writer>>,
}

/// How it stands with them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    pub enabled: bool,
    pub share: f64,
    /// What the files hold.
    pub bytes: u64,
    pub bytes_max: u64,
    /// In seconds.
    pub keep_s: u64,
    pub files: usize,
    /// Why calls are not kept at the moment.
    pub error: Option<String>,
}

impl Recordings {
    /// Keeps nothing.
    pub fn off() -> Recordings {
        Recordings::default()
    }

    /// Starts the thread that writes. A folder that cannot be written is told then, and costs calls
    /// until it can.
    ///
    /// Errors: the operating system gives no thread.
    pub fn open(settings: Settings, metrics: Arc<Metrics>, clock: Clock) -> io::Result<Recordings> {
        if !settings.enabled {
            return Ok(Recordings::off());
        }
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.queue_calls_max, settings.queue_bytes_max),
            share: (settings.share * (1_u64 << 32) as f64) as u64,
            bytes: AtomicU64::default(),
            error: Mutex::default(),
            settings,
            metrics,
            clock,
        });
        let writer = Writer::new(Arc::clone(&shared));
        Ok(Recordings {
            shared: Some(shared),
            writer: Some(WriterThread::start("recordings", writer)?),
        })
    }

    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether a call is one of those that are kept: all calls about one message are, or none.
    pub fn wants(&self, event: &Event) -> bool {
        let Some(shared) = self.shared.as_deref() else {
            return false;
        };
        shared.share >= 1 << 32 || hash_of(event) < shared.share
    }

    /// The time that a call is recorded with.
    pub fn now_ms(&self) -> u64 {
        let shared = self.shared.as_ref();
        shared.map_or(0, |shared| shared.clock.now_ms())
    }

    /// Takes a call. Never waits: what there is no room for is dropped and counted.
    ///
    /// What waits is the line that is kept: copies of a call's many parts would be dearer to make
    /// and to write on another thread, when nothing of them is in the cache any more.
    pub fn keep(&self, event: &Event, known: &AtRecording<'_>) {
        let Some(shared) = self.shared.as_deref() else {
            return;
        };
        let is_taken = LINE.with_borrow_mut(|line| {
            line.clear();
            RecordedCall::record(event, known, line);
            let is_taken = shared.queue.push(known.at_ms, line);
            line.shrink_to(LINE_KEPT);
            is_taken
        });
        if !is_taken {
            shared.dropped("queue", 1);
        }
    }

    /// Reads what is kept, in milliseconds since 1970; `until_ms` is not taken in. Blocks for the
    /// disk.
    ///
    /// Errors: the folder cannot be read. `None`: nothing is kept here.
    pub fn read(&self, since_ms: u64, until_ms: Option<u64>) -> io::Result<Option<Reading>> {
        let Some(shared) = self.shared.as_deref() else {
            return Ok(None);
        };
        self.settle();
        let until_us = until_ms.map_or(u64::MAX, |ms| ms.saturating_mul(1000));
        let folder = &shared.settings.folder;
        Reading::new(folder, since_ms.saturating_mul(1000), until_us).map(Some)
    }

    /// The newest calls, the newest last. Blocks for the disk.
    ///
    /// Errors: the folder cannot be read. `None`: nothing is kept here.
    pub fn newest(&self, calls_max: usize) -> io::Result<Option<Vec<RecordedCall>>> {
        let reading = self.read(0, None)?;
        Ok(reading.map(|reading| reading.newest(calls_max)))
    }

    /// Forgets what a user wrote or was written to, and says how many calls that were. Blocks for
    /// the disk.
    ///
    /// Errors: the files cannot be written; what is forgotten by then stays so.
    pub fn forget(&self, user: &str) -> Result<u64, String> {
        let (Some(shared), Some(writer)) = (&self.shared, &self.writer) else {
            return Ok(0);
        };
        let user = user.to_owned();
        let forgotten = writer.ask(ANSWERS_WITHIN, move |writer| writer.forget(&user));
        match forgotten {
            Some(forgotten) => forgotten.map_err(|error| error.to_string()),
            None => Err(format!(
                "`{}` does not answer",
                shared.settings.folder.display()
            )),
        }
    }

    /// Blocks for the disk.
    pub fn state(&self) -> State {
        let Some(shared) = self.shared.as_deref() else {
            return State {
                enabled: false,
                share: 0.0,
                bytes: 0,
                bytes_max: 0,
                keep_s: 0,
                files: 0,
                error: None,
            };
        };
        State {
            enabled: true,
            share: shared.settings.share,
            bytes: shared.bytes.load(Ordering::Relaxed),
            bytes_max: shared.settings.bytes_max,
            keep_s: shared.settings.keep.as_secs(),
            files: files::list(&shared.settings.folder).map_or(0, |files| files.len()),
            error: shared.error(),
        }
    }

    /// Writes what is left and lets go of the files. Blocks for the disk.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.end();
        }
    }

    /// What was decided before is in the files afterwards, if the disk takes it soon.
    fn settle(&self) {
        if let Some(writer) = &self.writer {
            writer.ask(SETTLES_WITHIN, |_| ());
        }
    }
}

/// 32 bits, equal for all calls about one message.
fn hash_of(event: &Event) -> u64 {
    let id = match (event.message_id(), event.natural_id.as_deref()) {
        ("", Some(natural)) => natural,
        ("", None) => &event.operation_id,
        (id, _) => id,
    };
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash >> 32
}
