//! Lines on their way to the log: a queue that never makes anybody wait, and the one thread that
//! writes.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

use super::clean::{Escape, clean};

/// What a line that waits takes beside its text. The bytes that wait are limited by a setting, and so
/// their lines are.
const LINE_TAKES: usize = 64;
/// How long after a loss it is told of in the log itself.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Lines that were not written, by reason.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// The log did not take lines as fast as they came.
    pub queue: Counter,
    /// The log refused them: its disk is full, or nobody reads it any more.
    pub write: Counter,
    /// There were too many of their kind.
    pub rate: Counter,
    /// There were too many of one caller.
    pub caller: Counter,
}

impl Losses {
    fn count(&self) -> u64 {
        self.queue.get() + self.write.get() + self.rate.get() + self.caller.get()
    }
}

/// Where lines are put. A clone is the same queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Grows with what waits: room for all of it would be 2 MiB of a process that logs nothing.
    sender: Sender<Item>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    escape: Escape,
    losses: Losses,
}

#[derive(Debug)]
enum Item {
    Line(String),
    /// Everything before it is written.
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes to `log`.
    ///
    /// Errors: the operating system gives no thread.
    pub(super) fn start(
        log: impl Write + Send + 'static,
        bytes_max: usize,
        escape: Escape,
        losses: Losses,
    ) -> io::Result<Queue> {
        let (sender, lines) = mpsc::channel();
        let queue = Queue {
            sender,
            bytes: Arc::default(),
            bytes_max,
            escape,
            losses: losses.clone(),
        };
        let mut writer = Writer {
            lines,
            log,
            bytes: Arc::clone(&queue.bytes),
            losses,
            is_cut: false,
            told: 0,
            tell_at: None,
        };
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || {
                // What panics is a line, and the next one is another.
                while catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {}
            })?;
        Ok(queue)
    }

    /// Takes a line, or counts it as lost. Never waits.
    fn put(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = clean(text, self.escape).into_owned();
        line.push('\n');
        let bytes = line.len() + LINE_TAKES;
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.losses.queue.inc();
            return;
        }
        if self.sender.send(Item::Line(line)).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.losses.queue.inc();
        }
    }

    /// Waits until everything so far is written, but no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, written) = mpsc::sync_channel(1);
        let _ = self.sender.send(Item::Flush(done));
        // The time is over, or the writer is gone: nothing can be done about either.
        let _ = written.recv_timeout(limit);
    }
}

/// Takes the one line that it is given.
#[derive(Debug)]
pub(super) struct LineWriter<'a>(&'a Queue);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

struct Writer<W> {
    lines: Receiver<Item>,
    log: W,
    bytes: Arc<AtomicUsize>,
    losses: Losses,
    /// The last line was written in part.
    is_cut: bool,
    /// Losses that the log tells of.
    told: u64,
    tell_at: Option<Instant>,
}

impl<W: Write> Writer<W> {
    fn run(&mut self) {
        loop {
            match self.lines.recv_timeout(TELL_AFTER) {
                Ok(Item::Line(line)) => {
                    self.bytes
                        .fetch_sub(line.len() + LINE_TAKES, Ordering::Relaxed);
                    self.write(line.as_bytes());
                }
                Ok(Item::Flush(done)) => {
                    let _ = self.log.flush();
                    // Who asked may have stopped waiting.
                    let _ = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.tell();
        }
    }

    fn write(&mut self, line: &[u8]) {
        let end_of_cut = if self.is_cut { "\n" } else { "" };
        let written = self.log.write_all(end_of_cut.as_bytes());
        match written.and_then(|()| self.log.write_all(line)) {
            Ok(()) => self.is_cut = false,
            Err(_) => {
                self.is_cut = true;
                self.losses.write.inc();
            }
        }
    }

    /// Says how many lines are missing, some time after the first of them.
    fn tell(&mut self) {
        let lost = self.losses.count();
        if lost == self.told {
            return;
        }
        let now = Instant::now();
        let tell_at = *self.tell_at.get_or_insert(now + TELL_AFTER);
        if now < tell_at {
            return;
        }
        let lines = lost - self.told;
        self.told = lost;
        self.tell_at = None;
        let losses = &self.losses;
        warn!(
            lines,
            queue = losses.queue.get(),
            write = losses.write.get(),
            rate = losses.rate.get(),
            caller = losses.caller.get(),
            "log lines are missing here"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// Takes lines while `open` gives what it has.
    struct Log {
        open: Receiver<io::Result<()>>,
        written: Arc<Mutex<String>>,
    }

    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            if text.is_empty() {
                return Ok(0);
            }
            if let Ok(Err(error)) = self.open.recv() {
                return Err(error);
            }
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.written.lock().unwrap().push_str(&text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Fixture {
        queue: Queue,
        gate: mpsc::Sender<io::Result<()>>,
        written: Arc<Mutex<String>>,
    }

    fn start(bytes_max: usize) -> Fixture {
        let (gate, open) = mpsc::channel();
        let written = Arc::default();
        let log = Log {
            open,
            written: Arc::clone(&written),
        };
        let queue = Queue::start(log, bytes_max, Escape::Text, Losses::default()).unwrap();
        Fixture {
            queue,
            gate,
            written,
        }
    }

    #[test]
    fn a_log_that_takes_nothing_costs_lines_and_no_time() {
        let Fixture {
            queue,
            gate,
            written,
        } = start(1000);
        for _ in 0..10_000 {
            queue.put(b"a line of 20 bytes.\n");
        }
        let lost = queue.losses.queue.get();
        assert!((9_900..10_000).contains(&lost), "{lost}");
        queue.flush(Duration::from_millis(1));
        // Gone, the gate opens for good.
        drop(gate);
        queue.flush(SOON);
        let lines = written.lock().unwrap().lines().count() as u64;
        assert_eq!(lines + lost, 10_000);
    }

    #[test]
    fn a_log_that_refuses_costs_the_line_that_it_refused() {
        let Fixture {
            queue,
            gate,
            written,
        } = start(1000);
        gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        queue.put(b"one\n");
        queue.put(b"two\nthree\n");
        drop(gate);
        queue.flush(SOON);
        assert_eq!(queue.losses.write.get(), 1);
        assert_eq!(*written.lock().unwrap(), "\ntwo\\u{a}three\n");
    }
}
