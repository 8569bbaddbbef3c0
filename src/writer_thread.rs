//! A thread of its own that writes what others hand over, and answers who asks it something. It gives
//! way to those who hand over.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::aside::give_way;

/// How long what is handed over waits for others.
const TICK: Duration = Duration::from_millis(250);
/// How often is looked for something when there was nothing.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// Questions that wait.
const QUESTIONS_MAX: usize = 16;

/// What such a thread does.
pub(crate) trait Writes: Send + 'static {
    /// Writes what is there; false if there was nothing.
    fn look(&mut self) -> bool;

    /// A look panicked, and what it was about is lost.
    fn broke(&mut self);

    /// Lets go of the files: nothing comes any more.
    fn end(&mut self) {}
}

type Question<W> = Box<dyn FnOnce(&mut W) + Send>;

enum Job<W> {
    Answer(Question<W>),
    End,
}

/// The thread, and the way to it.
pub(crate) struct WriterThread<W> {
    jobs: SyncSender<Job<W>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<W> fmt::Debug for WriterThread<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriterThread")
    }
}

impl<W: Writes> WriterThread<W> {
    /// Errors: the operating system gives no thread.
    pub(crate) fn start(name: &'static str, writer: W) -> io::Result<WriterThread<W>> {
        let (jobs, asked) = mpsc::sync_channel(QUESTIONS_MAX);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                give_way();
                run(writer, &asked);
            })?;
        Ok(WriterThread {
            jobs,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Asks it, once what was handed over before is written. `None`: it does not answer in time, for
    /// the disk does not, or it has too much to answer, or the answer panicked.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        within: Duration,
        question: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, answer) = mpsc::sync_channel(1);
        let question = move |writer: &mut W| {
            // Whoever asked may have gone.
            let _ = done.send(question(writer));
        };
        self.jobs.try_send(Job::Answer(Box::new(question))).ok()?;
        answer.recv_timeout(within).ok()
    }

    /// Has everything written and the files let go of. Blocks for the disk.
    pub(crate) fn end(&self) {
        let _ = self.jobs.send(Job::End);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // What panics is caught there.
            let _ = thread.join();
        }
    }
}

/// Until its end, or nobody can ask any more. What panics is one look or one answer.
fn run<W: Writes>(mut writer: W, jobs: &Receiver<Job<W>>) {
    let mut wait = Duration::ZERO;
    loop {
        let job = match jobs.recv_timeout(wait) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        wait = match catch_unwind(AssertUnwindSafe(|| writer.look())) {
            Ok(true) => TICK,
            Ok(false) => IDLE_TICK,
            Err(_) => {
                writer.broke();
                TICK
            }
        };
        match job {
            None => {}
            Some(Job::Answer(question)) => {
                let _ = catch_unwind(AssertUnwindSafe(|| question(&mut writer)));
            }
            Some(Job::End) => return writer.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Counted {
        looks: u32,
        broken: u32,
        ended: Arc<AtomicU32>,
    }

    impl Writes for Counted {
        fn look(&mut self) -> bool {
            self.looks += 1;
            assert!(self.looks != 2, "on purpose");
            true
        }

        fn broke(&mut self) {
            self.broken += 1;
        }

        fn end(&mut self) {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_look_or_an_answer_that_panics_is_that_one_alone() {
        let ended = Arc::new(AtomicU32::default());
        let counted = Counted {
            ended: Arc::clone(&ended),
            ..Counted::default()
        };
        let thread = WriterThread::start("counted", counted).unwrap();
        let looks = |thread: &WriterThread<Counted>| {
            let looks = thread.ask(PATIENCE, |counted| (counted.looks, counted.broken));
            looks.expect("it answers")
        };
        while looks(&thread).0 < 3 {}
        assert_eq!(looks(&thread).1, 1);
        let answer: Option<()> = thread.ask(PATIENCE, |_| panic!("on purpose"));
        assert_eq!(answer, None);
        let before = looks(&thread).0;
        assert!(looks(&thread).0 > before, "each answer is after a look");
        thread.end();
        thread.end();
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert_eq!(thread.ask(PATIENCE, |_| ()), None);
    }

    #[test]
    fn nobody_waits_longer_than_he_says_for_one_that_hangs() {
        let thread = WriterThread::start("hung", Counted::default()).unwrap();
        let (go_on, hang) = mpsc::channel::<()>();
        let hung = thread.ask(Duration::ZERO, move |_| hang.recv());
        assert_eq!(hung, None);
        for _ in 0..2 * QUESTIONS_MAX {
            assert_eq!(thread.ask(Duration::from_millis(1), |_| ()), None);
        }
        drop(go_on);
        thread.end();
    }
}
