//! What only the file has: its settings, its thread, its disk.

mod copy;
mod damage;
mod disk;
mod keeper;
mod opening;
mod power;
mod repair;
mod writer;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};
use tempfile::TempDir;

use super::*;
use crate::outbox::tests::bench::{entry, folder, shipped};

/// An outbox in a folder of its own, and what its alarm said.
struct Bench {
    outbox: Arc<Sqlite>,
    config: Config,
    alarms: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

fn bench() -> Bench {
    bench_with(|_| {})
}

fn bench_with(adjust: impl FnOnce(&mut Config)) -> Bench {
    let folder = folder();
    let mut config = config_in(folder.path());
    adjust(&mut config);
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alarms);
    let on_fatal = Box::new(move |why: &str| heard.lock().unwrap().push(why.to_owned()));
    Bench {
        outbox: Arc::new(Sqlite::open(&config, on_fatal).unwrap()),
        config,
        alarms,
        _folder: folder,
    }
}

fn config_in(folder: &Path) -> Config {
    Config {
        path: folder.join("outbox.db"),
        ..shipped()
    }
}

impl Bench {
    async fn append(&self, id: &str) -> Result<Vec<Appended>, AppendError> {
        self.outbox.append(vec![entry(id, "A", 10)]).await
    }

    /// Puts a call into the queue without waiting for its answer.
    fn start<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Result<T, OutboxError>> {
        let outbox = Arc::clone(&self.outbox);
        tokio::spawn(async move { outbox.call(Needs::LASTING, 1, run).await })
    }

    /// Holds the writer up until the sender is used or dropped.
    async fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel();
        let (reached, holding) = oneshot::channel();
        let mut reached = Some(reached);
        self.start(move |_| {
            let _ = reached.take().map(|reached| reached.send(()));
            let _ = released.recv();
            Ok(())
        });
        holding.await.unwrap();
        release
    }
}

fn error(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}
