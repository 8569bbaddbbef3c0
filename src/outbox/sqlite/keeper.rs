//! The outbox's thread: it serves calls while the file can be used, and where that is wanted opens it
//! again when it could not, so that its file's state stops nothing else.

use std::mem;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info};

use super::alarm::Alarm;
use super::file_watch::FileWatch;
use super::job::Message;
use super::reserve::Reserve;
use super::store::{Store, lock};
use super::writer::Writer;
use crate::outbox::config::Config;
use crate::outbox::error::{OpenError, OutboxError};

/// The first wait before it is opened again; it doubles up to the longest.
const WAIT: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
const WAIT_MAX: Duration = Duration::from_secs(30);
/// One that was open for so long has not failed at once.
const STEADY: Duration = Duration::from_secs(60);

/// An open file.
pub(super) type Opened = (Store, Reserve);

pub(super) struct Keeper {
    pub config: Config,
    pub jobs: Receiver<Message>,
    pub wakeups: watch::Sender<u64>,
    pub alarm: Alarm,
    /// Why nothing new is accepted.
    pub refusal: Arc<Mutex<Option<String>>>,
    /// A file that failed is opened again.
    pub reopens: bool,
}

/// Nobody will ask any more.
struct Closed;

impl Keeper {
    /// Serves until nobody can ask any more, or the file has failed for good.
    pub(super) fn run(self, first: Option<Opened>) {
        let mut opened = first;
        let mut wait = WAIT;
        loop {
            if let Some(open) = opened.take() {
                let since = Instant::now();
                self.serve(open);
                match self.alarm.broken() {
                    Some(broken) if broken.may_reopen && self.reopens => {
                        let why = broken.why;
                        error!(why, "the outbox failed, and opening it is tried again");
                    }
                    _ => return,
                }
                if since.elapsed() >= STEADY {
                    wait = WAIT;
                }
            }
            let Ok(()) = self.refuse(wait) else {
                return self.alarm.clear();
            };
            wait = (wait * 2).min(WAIT_MAX);
            opened = self.open_again();
        }
    }

    fn serve(&self, (store, reserve): Opened) {
        let writer = Writer {
            store,
            reserve,
            jobs: &self.jobs,
            entries_max: self.config.commit_entries_max.max(1),
            wait: self.config.commit_wait,
            wakeups: &self.wakeups,
            alarm: &self.alarm,
            unmaintained: false,
            files: FileWatch::start(&self.config.path),
            looked_at: None,
            record_at: None,
            refusal: &self.refusal,
        };
        writer.run();
    }

    /// Answers what is asked for so long while there is no file.
    fn refuse(&self, wait: Duration) -> Result<(), Closed> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.jobs.recv_timeout(left) {
                Ok(Message::Do(job)) => {
                    let why = self.alarm.broken().map_or_else(String::new, |it| it.why);
                    job.call.answer(Err(OutboxError::Failed(why)));
                }
                Ok(Message::Settled | Message::Record) => {}
                Ok(Message::Hold(answer)) => {
                    let why = self.alarm.broken().map_or_else(String::new, |it| it.why);
                    let _ = answer.send(Err(OutboxError::Failed(why)));
                }
                Ok(Message::Close(closed)) => {
                    let _ = closed.send(());
                    return Err(Closed);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Closed),
            }
        }
    }

    fn open_again(&self) -> Option<Opened> {
        match open(&self.config) {
            Ok((mut store, reserve)) => {
                info!("the outbox is open, after events are accepted");
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.alarm.clear();
                self.install(&mut store);
                self.wakeups.send_modify(|opened| *opened += 1);
                Some((store, reserve))
            }
            Err(error) => {
                let why = error.to_string();
                if self.alarm.broken().is_none_or(|before| before.why != why) {
                    error!(why, "the outbox cannot be opened, which is tried again");
                }
                self.alarm.clear();
                self.alarm.give_up(&why);
                None
            }
        }
    }

    /// What the store has in memory is what others ask.
    pub(super) fn install(&self, store: &mut Store) {
        let windows = mem::take(&mut *store.windows());
        *lock(&self.alarm.windows) = windows;
        store.windows = Arc::clone(&self.alarm.windows);
    }
}

/// Opens the file, with the room of the reserve if there is no other.
pub(super) fn open(config: &Config) -> Result<Opened, OpenError> {
    let now = Instant::now();
    let (opened, mut reserve) = match Store::open(config) {
        Err(OpenError::DiskFull { .. }) => {
            let mut reserve = Reserve::open(&config.path, config.reserve_bytes, now);
            reserve.give(now);
            (Store::open(config), reserve)
        }
        opened => {
            let reserve = Reserve::open(&config.path, config.reserve_bytes, now);
            (opened, reserve)
        }
    };
    let store = opened?;
    reserve.is_held(now);
    Ok((store, reserve))
}
