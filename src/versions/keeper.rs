//! Keeps each version that comes into force, on a thread of its own: nobody waits for it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{error, info, warn};

use super::numbers::Numbers;
use super::place::{LOCK, lock, make_folder};
use super::record::{KeptFile, Origin, Record, sha256};
use super::store::{Settings, Store, VersionError};
use crate::aside::give_way;
use crate::telemetry::Metrics;

/// When what could not be kept is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Versions that wait for the disk; past it the oldest of them are not kept.
const WAITING_MAX: usize = 64;
/// What waits for the disk takes memory, and no more than this beside the newest.
const WAITING_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long an end waits for what is not kept yet.
const END_WAIT: Duration = Duration::from_secs(3);
/// A file outside of the policy that is longer is kept as its digest alone.
const OUTSIDE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A version that has come into force.
#[derive(Clone, Debug)]
pub struct InForce {
    pub number: u64,
    pub hash: Arc<str>,
    /// In milliseconds since 1970.
    pub at_ms: u64,
    /// Where its files are.
    pub root: PathBuf,
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// Those of them that it was read from; what else lies there may be anything.
    pub reads: Vec<String>,
    /// Files elsewhere that it depends on, and whether each is a secret.
    pub outside: Vec<(String, bool)>,
    /// `None`: whoever wrote the files.
    pub origin: Option<Origin>,
}

impl InForce {
    fn bytes(&self) -> u64 {
        self.files
            .values()
            .map(|content| content.len() as u64)
            .sum()
    }
}

/// What is known of the keeping, for whoever watches.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub versions: usize,
    pub bytes: u64,
    /// The newest version that is on disk.
    pub newest: Option<u64>,
    /// Why the last one could not be kept; `None` while all are.
    pub error: Option<String>,
}

/// Says which versions must not go, because something that is kept names them; `None`: that cannot
/// be told now, so that none may go.
pub type Named = Box<dyn Fn() -> Option<BTreeSet<u64>> + Send + Sync>;

/// Keeps versions; at its end it waits a moment for the last of them.
pub struct Keeper {
    shared: Arc<Shared>,
    /// There until the end.
    wake: Mutex<Option<SyncSender<()>>>,
    /// Of whoever compiles a policy that was in force.
    turn: Semaphore,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({})", self.shared.settings.folder.display())
    }
}

struct Shared {
    settings: Settings,
    waiting: Mutex<VecDeque<InForce>>,
    state: Mutex<State>,
    named: Mutex<Vec<Named>>,
    /// The thread has ended.
    ended: (Mutex<bool>, Condvar),
    metrics: Arc<Metrics>,
}

impl Keeper {
    /// Nothing is kept before [`Keeper::start`].
    pub fn new(settings: Settings, metrics: Arc<Metrics>) -> Keeper {
        let shared = Arc::new(Shared {
            settings,
            waiting: Mutex::default(),
            state: Mutex::default(),
            named: Mutex::default(),
            ended: (Mutex::new(true), Condvar::new()),
            metrics,
        });
        Keeper {
            shared,
            wake: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// Errors: the operating system gives no thread.
    pub fn start(&self) -> io::Result<()> {
        let shared = &self.shared;
        // Of several in a moment one call is enough.
        let (wake, woken) = mpsc::sync_channel(1);
        let keeping = Keeping {
            store: Store::new(&shared.settings.folder),
            shared: Arc::clone(shared),
            folder: None,
            last: None,
        };
        let thread = thread::Builder::new().name("policy-versions".to_owned());
        *lock_of(&shared.ended.0) = false;
        if let Err(error) = thread.spawn(move || keeping.run(&woken)) {
            *lock_of(&shared.ended.0) = true;
            return Err(error);
        }
        let _ = wake.try_send(());
        *lock_of(&self.wake) = Some(wake);
        Ok(())
    }

    /// Waits a moment for what is not kept yet. A disk that does not answer holds up nobody's end.
    pub fn end(&self) {
        drop(lock_of(&self.wake).take());
        let (ended, told) = &self.shared.ended;
        let ended = lock_of(ended);
        let _ = told.wait_timeout_while(ended, END_WAIT, |ended| !*ended);
    }

    /// Waits for nothing.
    pub fn keep(&self, version: InForce) {
        let mut waiting = self.shared.lock_waiting();
        waiting.push_back(version);
        let bytes = |waiting: &VecDeque<InForce>| waiting.iter().map(InForce::bytes).sum::<u64>();
        while waiting.len() > WAITING_MAX
            || waiting.len() > 1 && bytes(&waiting) > WAITING_BYTES_MAX
        {
            if let Some(left_out) = waiting.pop_front() {
                let why = "the disk takes versions more slowly than they come into force";
                self.shared.fail(left_out.number, why);
            }
        }
        drop(waiting);
        if let Some(wake) = &*lock_of(&self.wake) {
            let _ = wake.try_send(());
        }
    }

    /// Has `named` asked whenever versions are to go, beside those that were told before.
    pub fn spare(&self, named: Named) {
        lock_of(&self.shared.named).push(named);
    }

    pub fn state(&self) -> State {
        lock_of(&self.shared.state).clone()
    }

    /// The turn of whoever compiles a policy that was in force, until it is dropped: it takes as
    /// much as the one that is.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turn.acquire().await.ok()
    }

    /// What is kept.
    pub fn store(&self) -> Store {
        Store::new(&self.shared.settings.folder)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock_waiting(&self) -> MutexGuard<'_, VecDeque<InForce>> {
        lock_of(&self.waiting)
    }

    fn fail(&self, number: u64, why: &str) {
        self.metrics.versions.failed();
        error!(
            version = number,
            error = why,
            "the version is in force and cannot be kept"
        );
        lock_of(&self.state).error = Some(format!("version {number} is not kept: {why}"));
    }
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread has.
struct Keeping {
    store: Store,
    shared: Arc<Shared>,
    /// The folder, once it could be locked.
    folder: Option<(fs::File, Numbers)>,
    /// What was kept last.
    last: Option<Record>,
}

impl Keeping {
    fn run(mut self, woken: &Receiver<()>) {
        give_way();
        let mut again: Option<Instant> = None;
        loop {
            let rest = again.map_or(Duration::from_secs(3600), |at| {
                at.saturating_duration_since(Instant::now())
            });
            let woken = woken.recv_timeout(rest);
            again = match self.keep_all() {
                true => None,
                false => Some(Instant::now() + AGAIN),
            };
            if woken == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        self.end();
        let (ended, told) = &self.shared.ended;
        *lock_of(ended) = true;
        told.notify_all();
    }

    /// Whether nothing is left.
    fn keep_all(&mut self) -> bool {
        loop {
            let Some(version) = self.shared.lock_waiting().front().cloned() else {
                return true;
            };
            let number = version.number;
            if let Err(error) = self.keep(version) {
                self.shared.fail(number, &error.to_string());
                return false;
            }
            let mut waiting = self.shared.lock_waiting();
            // One that waited for too long is gone from there already.
            if waiting.front().is_some_and(|front| front.number == number) {
                waiting.pop_front();
            }
        }
    }

    fn keep(&mut self, version: InForce) -> Result<(), VersionError> {
        self.open()?;
        // First, for a disk that has room for it alone.
        if let Some((_, numbers)) = &mut self.folder {
            let ahead = numbers.keep_ahead(version.number);
            ahead.map_err(|error| io_error(self.store.folder(), error))?;
        }
        let is_kept = |last: &Record| last.number == version.number;
        if !self.last.as_ref().is_some_and(is_kept) {
            let (record, contents) = record_of(&version, self.last.as_ref());
            self.store.keep(&record, &contents)?;
            self.last = Some(record);
        }
        self.cut()?;
        self.tell(version.number)
    }

    /// The first time, and again until it is there.
    fn open(&mut self) -> Result<(), VersionError> {
        if self.folder.is_some() {
            return Ok(());
        }
        let folder = self.store.folder().to_owned();
        make_folder(&folder).map_err(|error| io_error(&folder, error))?;
        let locked = lock(&folder.join(LOCK)).map_err(|error| io_error(&folder, error))?;
        let opened = self.store.open()?;
        for damaged in &opened.damaged {
            warn!("{damaged}");
        }
        self.store.sweep()?;
        let numbers = Numbers::read(&folder, opened.next - 1);
        let numbers = numbers.map_err(|error| io_error(&folder, error))?;
        self.last = opened.last.map(|(record, _)| record);
        self.folder = Some((locked, numbers));
        Ok(())
    }

    fn cut(&self) -> Result<(), VersionError> {
        // Asked once, and only when something has to go.
        let named: OnceCell<Option<BTreeSet<u64>>> = OnceCell::new();
        let ask = || {
            let all = lock_of(&self.shared.named);
            let each: Option<Vec<BTreeSet<u64>>> = all.iter().map(|named| named()).collect();
            Some(each?.into_iter().flatten().collect())
        };
        let is_named = |number| {
            let named = named.get_or_init(ask).as_ref();
            named.is_none_or(|named| named.contains(&number))
        };
        let gone = self.store.cut(&self.shared.settings, &is_named)?;
        if gone > 0 {
            info!(versions = gone, "old versions of the policy were cut off");
        }
        Ok(())
    }

    fn tell(&self, number: u64) -> Result<(), VersionError> {
        let (versions, bytes) = self.store.size()?;
        self.shared.metrics.versions.kept(versions, bytes);
        let mut state = lock_of(&self.shared.state);
        if state.error.take().is_some() {
            info!(version = number, "versions are kept again");
        }
        state.versions = versions;
        state.bytes = bytes;
        state.newest = Some(number);
        Ok(())
    }

    fn end(&mut self) {
        if let (Some((_, numbers)), Some(last)) = (&mut self.folder, &self.last)
            && self.shared.lock_waiting().is_empty()
        {
            // Without it the next start skips a few numbers.
            let _ = numbers.end(last.number);
        }
    }
}

/// The record of a version, and what its files hold by SHA-256.
fn record_of(version: &InForce, before: Option<&Record>) -> (Record, BTreeMap<String, Arc<[u8]>>) {
    let mut contents = BTreeMap::new();
    let mut files = Vec::new();
    for (path, content) in version.files.iter().filter(|(path, _)| is_policy(path)) {
        let full = version.root.join(path);
        let secret = version
            .outside
            .iter()
            .any(|(outside, secret)| *secret && Path::new(outside) == full);
        let idle = !secret && !version.reads.contains(path);
        let kept = kept(path, content, secret || idle, &mut contents);
        files.push(KeptFile {
            secret,
            idle,
            ..kept
        });
    }
    let mut outside = Vec::new();
    let beyond = version.outside.iter().filter(|(path, _)| {
        let inside = Path::new(path).strip_prefix(&version.root);
        !inside.is_ok_and(|path| version.files.keys().any(|file| Path::new(file) == path))
    });
    for (path, secret) in beyond {
        // One that went meanwhile cannot be told.
        let Ok(content) = fs::read(path) else {
            continue;
        };
        let secret = *secret || content.len() as u64 > OUTSIDE_BYTES_MAX;
        outside.push(kept(path, &content.into(), secret, &mut contents));
    }
    let origin = version.origin.clone().unwrap_or_else(|| {
        let changed = files.iter().filter(|file| {
            let before = before.and_then(|record| record.file(&file.path));
            before.is_none_or(|before| before.sha256 != file.sha256)
        });
        Origin::files(uid_of(changed.map(|file| version.root.join(&file.path))))
    });
    let record = Record {
        number: version.number,
        hash: version.hash.to_string(),
        at_ms: version.at_ms,
        origin,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        files,
        outside,
    };
    (record, contents)
}

/// Cases decide nothing.
fn is_policy(path: &str) -> bool {
    !path.starts_with("tests/")
}

fn kept(
    path: &str,
    content: &Arc<[u8]>,
    secret: bool,
    contents: &mut BTreeMap<String, Arc<[u8]>>,
) -> KeptFile {
    let sha256 = sha256(content);
    if !secret {
        contents.insert(sha256.clone(), Arc::clone(content));
    }
    KeptFile {
        path: path.to_owned(),
        sha256,
        bytes: content.len() as u64,
        secret,
        idle: false,
    }
}

/// The owner of all of them, where they have one.
#[cfg(unix)]
fn uid_of(paths: impl Iterator<Item = PathBuf>) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;

    let found = paths.filter_map(|path| fs::metadata(path).ok());
    let mut uids: BTreeSet<u32> = found.map(|found| found.uid()).collect();
    match uids.len() {
        1 => uids.pop_first(),
        _ => None,
    }
}

#[cfg(not(unix))]
fn uid_of(_: impl Iterator<Item = PathBuf>) -> Option<u32> {
    None
}

fn io_error(path: &Path, error: io::Error) -> VersionError {
    VersionError::Io {
        path: path.to_owned(),
        error,
    }
}
