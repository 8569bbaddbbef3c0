//! The snapshot in force, and how another one takes its place.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::attempt::{Attempt, attempt};
use super::desk::Desk;
use super::doubts::{Doubts, hold_busy};
use super::files::{Fingerprint, START_ONLY, Stat, read_files};
use super::history::{EngineEdit, Held, History, Loaded, Rejected};
use super::ledger::{NotShared, Shared};
use super::start::{BadPolicy, Start, Started, start};
use super::weighing::Weighing;
use crate::aside::{apart, aside};
use crate::policy::{CompileContext, FileSet, Outside, RecordedCall, Snapshot, Version};
use crate::settings::{Problem, Severity};
use crate::telemetry::Metrics;
use crate::versions::{InForce, Origin};

/// How often files that are being edited are read again before they are taken as they are.
const READ_TRIES: usize = 5;
const READ_PAUSE: Duration = Duration::from_millis(50);

/// What one look at the files led to.
#[derive(Debug)]
pub struct Reloaded {
    pub version: Version,
    pub changed: bool,
    pub problems: Vec<Problem>,
}

/// The policies in force, shared by all that decide.
#[derive(Debug)]
pub struct Policies {
    current: ArcSwap<Snapshot>,
    /// The number of its version, for who waits for a newer one.
    number: watch::Sender<u64>,
    directory: PathBuf,
    context: CompileContext,
    pub(super) metrics: Arc<Metrics>,
    history: Mutex<History>,
    /// Held while files are read and compiled, so that two reloads never race, and while the
    /// followers are told.
    loading: Mutex<Loading>,
    /// Files that somebody is writing, as the watch sees it.
    busy: Mutex<BTreeSet<String>>,
    /// Files that the policy on disk depends on and that are none of its settings.
    outside: Mutex<Vec<PathBuf>>,
    engine: OnceLock<EngineCheck>,
    pub(super) weighing: Weighing,
    /// Where versions are agreed on with other replicas, if they are.
    pub(super) shared: OnceLock<Shared>,
    /// Snapshots that are not in force any more. A message may still be decided by one of them, and
    /// freeing a large one takes longer than deciding: that is not for the thread that does.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

/// Why the files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// They were edited.
    Seen,
    /// Somebody ordered it.
    Ordered,
    /// And whatever it changes.
    Forced,
}

/// Whether an edit is held to what the policy expects of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    Held,
    /// Somebody ordered it past that.
    Passed,
}

impl Budget {
    fn asked(self) -> Asked {
        match self {
            Budget::Held => Asked::Ordered,
            Budget::Passed => Asked::Forced,
        }
    }
}

/// Compares engine.yaml on disk with what runs.
struct EngineCheck(Box<dyn Fn() -> Result<bool, Vec<Problem>> + Send + Sync>);

impl fmt::Debug for EngineCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineCheck")
    }
}

type Follower = Box<dyn Fn(&Snapshot) + Send>;

type FilesFollower = Box<dyn Fn(&InForce) + Send>;

/// What a reload goes on from, and who must be told of one.
pub(super) struct Loading {
    /// The files in force.
    pub(super) files: FileSet,
    pub(super) outside: Vec<Outside>,
    /// The files of its word lists.
    pub(super) lists: Vec<String>,
    /// All files that it was read from.
    pub(super) reads: Vec<String>,
    doubts: Doubts,
    /// Whose the first version is.
    pub(super) origin: Option<Origin>,
    /// The number of the version that comes next.
    pub(super) next: u64,
    /// What must happen whenever another policy comes into force.
    followers: Vec<Follower>,
    /// Who is told of its files.
    files_followers: Vec<FilesFollower>,
}

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loading({} followers)", self.followers.len())
    }
}

impl Policies {
    /// Reads `directory` for the first time.
    ///
    /// Errors: [`BadPolicy`] lists every problem; nothing is in force then.
    pub fn start(
        directory: &Path,
        context: CompileContext,
        metrics: Arc<Metrics>,
        from: Start,
    ) -> Result<Policies, BadPolicy> {
        let origin = from.origin.clone();
        let Started {
            snapshot,
            files,
            outside,
            lists,
            reads,
            doubts,
            next,
            problems,
            rejected,
            held,
            restored,
        } = apart("policy-compile", || start(directory, &context, from))?;
        let version = snapshot.version.clone();
        let mut history = History::default();
        history.took(version.clone(), problems);
        let policies = Policies {
            current: ArcSwap::from_pointee(snapshot),
            number: watch::Sender::new(version.number),
            directory: directory.to_owned(),
            context,
            metrics,
            history: Mutex::new(history),
            loading: Mutex::new(Loading {
                files,
                outside: outside.clone(),
                lists,
                reads,
                doubts,
                origin,
                next,
                followers: Vec::new(),
                files_followers: Vec::new(),
            }),
            busy: Mutex::default(),
            outside: Mutex::new(paths(outside)),
            engine: OnceLock::new(),
            weighing: Weighing::default(),
            shared: OnceLock::new(),
            retired: Mutex::default(),
        };
        policies.history().restored = restored;
        match rejected.is_empty() {
            true => policies.metrics.reloaded("loaded", version.number, false),
            false if restored => {
                error!(
                    in_force = %version,
                    problems = rejected.len(),
                    "the policy files have errors: started with the last good version, which was in force before; mend them and they take over at once"
                );
                policies.refuse(&version, rejected, held);
            }
            false => policies.hold(&version, rejected, held),
        }
        Ok(policies)
    }

    /// The snapshot in force. Take it once for a message and use it for the whole of it.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Waits until no policy older than version `min` is in force.
    pub async fn reached(&self, min: u64) {
        if let Some(shared) = self.shared.get() {
            shared.ledger.hurry();
        }
        // It ends with these policies alone, and nobody waits then.
        let _ = self.number.subscribe().wait_for(|now| *now >= min).await;
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What policies are read with, beside their files.
    pub fn context(&self) -> &CompileContext {
        &self.context
    }

    /// The files in force.
    pub fn files(&self) -> FileSet {
        self.lock_loading().files.clone()
    }

    /// The version in force, with its files.
    pub fn files_of(&self) -> (Version, FileSet) {
        let loading = self.lock_loading();
        (self.current().version.clone(), loading.files.clone())
    }

    /// One of the files in force, by its path in the policy directory.
    pub fn in_force(&self, path: &str) -> Option<Arc<[u8]>> {
        self.lock_loading().files.files.get(path).cloned()
    }

    /// Tells `follower` of the policy in force, now and whenever another one comes into force,
    /// whoever asked for it. It must not reload.
    pub fn follow(&self, follower: impl Fn(&Snapshot) + Send + 'static) {
        let mut loading = self.lock_loading();
        follower(&self.current());
        loading.followers.push(Box::new(follower));
    }

    /// Tells `follower` of the files of the policy in force, now and whenever another one comes into
    /// force. It must neither reload nor wait for anything.
    pub fn follow_files(&self, follower: impl Fn(&InForce) + Send + 'static) {
        let mut loading = self.lock_loading();
        let (version, at_ms) = match self.history().loaded.back() {
            Some(loaded) => (loaded.version.clone(), loaded.at_ms),
            None => (self.current().version.clone(), 0),
        };
        let origin = loading.origin.clone();
        follower(&in_force(&loading, &version, at_ms, origin));
        loading.files_followers.push(Box::new(follower));
    }

    /// Looks at the files now, and takes what they say as it is meant: a list that seems to be cut
    /// off too, but none that somebody is writing. Blocks while it reads and compiles: not for an
    /// async task.
    pub fn reload(&self) -> Reloaded {
        self.reload_for(None)
    }

    /// The same for somebody whose name and reason are to stand beside a version that comes of it.
    pub fn reload_for(&self, origin: Option<Origin>) -> Reloaded {
        let busy = self.lock_busy().clone();
        self.load(&mut self.lock_loading(), &busy, &[], Asked::Ordered, origin)
    }

    /// The same, also where it changes more than the policy expects of a change.
    pub fn force(&self, origin: Origin) -> Reloaded {
        let busy = self.lock_busy().clone();
        self.load(
            &mut self.lock_loading(),
            &busy,
            &[],
            Asked::Forced,
            Some(origin),
        )
    }

    /// Says where recorded calls come from: the newest, no more than so many, or `None` where none
    /// are recorded.
    pub fn weigh_by(
        &self,
        newest: impl Fn(usize) -> Option<Vec<RecordedCall>> + Send + Sync + 'static,
    ) {
        self.weighing.take_from(Box::new(newest));
    }

    /// What `candidate` expects of the change to it and would not get, as a reload would find it.
    pub fn weigh(&self, candidate: &Snapshot) -> Vec<Problem> {
        self.weighing.weigh(&self.current(), candidate)
    }

    /// As [`Policies::reload_for`], after `change` has written files. Nothing is read while it does.
    ///
    /// Errors: those of `change`; what it wrote by then is looked at as any edit is. Where versions are
    /// agreed on with other replicas it is undone, also when they do not agree.
    pub fn change<E: From<NotShared>>(
        &self,
        origin: Option<Origin>,
        budget: Budget,
        change: impl FnOnce() -> Result<(), E>,
    ) -> Result<Reloaded, E> {
        let mut loading = self.lock_loading();
        if let Some(shared) = self.shared.get() {
            let origin = origin.unwrap_or_else(|| Origin::files(None));
            return self.change_shared(shared, &mut loading, &origin, budget, change);
        }
        change()?;
        let busy = self.lock_busy().clone();
        Ok(self.load(&mut loading, &busy, &[], budget.asked(), origin))
    }

    /// Has files edited by callgate itself, which sees first what is on disk and what would come of
    /// other contents. Nothing else comes into force meanwhile, and what was edited does at once.
    /// Blocks as a reload does. Where another replica made a version in that moment, `edit` is
    /// called again on what that one has.
    ///
    /// Errors: those of `edit`, which has changed nothing then, or other replicas cannot be asked.
    pub fn edit<T, E: From<Box<Problem>> + From<NotShared>>(
        &self,
        paths: &[&str],
        origin: Origin,
        budget: Budget,
        mut edit: impl FnMut(&mut Desk<'_>) -> Result<T, E>,
    ) -> Result<(T, Reloaded), E> {
        let mut loading = self.lock_loading();
        if let Some(shared) = self.shared.get() {
            return self.edit_shared(shared, &mut loading, &origin, budget, edit);
        }
        let current = self.current();
        let weigh = |candidate: &Snapshot| match budget {
            Budget::Held => self.weighing.weigh(&current, candidate),
            Budget::Passed => Vec::new(),
        };
        let mut desk = Desk {
            directory: &self.directory,
            context: &self.context,
            in_force: &loading.files,
            disk: self.read_whole()?.0,
            current: &current.version,
            number: loading.next,
            weigh: &weigh,
        };
        let edited = edit(&mut desk)?;
        let mut busy = self.lock_busy().clone();
        // They were whole when they were edited.
        busy.retain(|path| !paths.contains(&&**path));
        let reloaded = self.load(&mut loading, &busy, &[], budget.asked(), Some(origin));
        Ok((edited, reloaded))
    }

    /// Looks at files that were edited; `busy` are being written still, and `renamed` were seen to be
    /// renamed into place.
    pub(super) fn look_again(&self, busy: BTreeSet<String>, renamed: &[Stat]) -> Reloaded {
        self.lock_busy().clone_from(&busy);
        self.load(&mut self.lock_loading(), &busy, renamed, Asked::Seen, None)
    }

    fn load(
        &self,
        loading: &mut Loading,
        busy: &BTreeSet<String>,
        renamed: &[Stat],
        asked: Asked,
        origin: Option<Origin>,
    ) -> Reloaded {
        self.free_retired();
        if let Some(shared) = self.shared.get() {
            return self.look_shared(shared, loading, asked != Asked::Seen);
        }
        let current = self.current();
        let version = &current.version;
        let (mut disk, mut stats) = match self.read_whole() {
            Ok(read) => read,
            Err(problem) => return self.reject(version, vec![*problem]),
        };
        stats.publish(renamed);
        let number = loading.next;
        let weigh = |candidate: &Snapshot| match asked {
            Asked::Forced => Vec::new(),
            Asked::Seen | Asked::Ordered => self.weighing.weigh(&current, candidate),
        };
        let (context, ordered) = (&self.context, asked != Asked::Seen);
        let (base, lists) = (&loading.files, &loading.lists);
        let doubts = &mut loading.doubts;
        let tried = aside("policy-compile", || {
            let mut held = hold_busy(&mut disk, base, busy);
            held.extend(doubts.hold_cut(&mut disk, base, lists, &stats, ordered));
            attempt(disk, Some(base), held, context, number, version, &weigh)
        });
        if let Some(outside) = &tried.outside {
            *self.lock_outside() = paths(outside.clone());
        }
        match tried.attempt {
            Attempt::Same { held, files } => {
                if let Some(files) = files {
                    loading.files = files;
                }
                match held.is_empty() {
                    true => self.unchanged(version),
                    false => self.reject_held(version, held),
                }
            }
            Attempt::Bad(problems) => self.reject(version, problems),
            Attempt::Good {
                files,
                snapshot,
                problems,
                held,
            } => {
                loading.next = number + 1;
                loading.files = files;
                loading.outside = tried.outside.unwrap_or_default();
                loading.lists = tried.lists;
                loading.reads = tried.reads;
                loading.origin = None;
                let taken = self.take(*snapshot, problems, loading, origin);
                if !held.is_empty() {
                    let (rejected, held) = parts(held);
                    self.hold(&taken.version, rejected, held);
                }
                taken
            }
        }
    }

    /// The versions that were in force, newest first.
    pub fn versions(&self) -> Vec<Loaded> {
        self.history().loaded.iter().rev().cloned().collect()
    }

    /// The edit that was refused and is still on disk.
    pub fn rejected(&self) -> Option<Rejected> {
        self.history().rejected.clone()
    }

    /// Lists whose last good content is in force, not what is on disk.
    pub fn held(&self) -> Vec<Held> {
        self.history().held.clone()
    }

    /// Whether the last good version from before the start is in force, because no files without
    /// errors have been there since.
    pub fn is_restored(&self) -> bool {
        self.history().restored
    }

    /// Findings about the policy in force that do not keep it from working.
    pub fn warnings(&self) -> Vec<Problem> {
        self.history().warnings.clone()
    }

    /// Has every edit of engine.yaml compared with what runs, by `differs`: whether the settings
    /// on disk are others than those of this process, or every problem of the file.
    pub fn compare_engine(
        &self,
        differs: impl Fn() -> Result<bool, Vec<Problem>> + Send + Sync + 'static,
    ) {
        // A second comparison would be the same.
        let _ = self.engine.set(EngineCheck(Box::new(differs)));
    }

    /// What engine.yaml on disk says that is not in force; it is read at start alone.
    pub fn engine_edit(&self) -> Option<EngineEdit> {
        self.history().engine.clone()
    }

    /// Frees the snapshots that nobody decides by any more.
    pub(super) fn free_retired(&self) {
        let mut retired = self.lock_retired();
        // Nobody can take one again, so one that has no other owner has had its last.
        let (used, unused): (Vec<_>, Vec<_>) = retired
            .drain(..)
            .partition(|snapshot| Arc::strong_count(snapshot) > 1);
        *retired = used;
        drop(retired);
        drop(unused);
    }

    /// What an edit of the policy changes.
    pub(super) fn fingerprint(&self) -> (Fingerprint, Fingerprint) {
        let outside = Fingerprint::of_files(&self.lock_outside());
        (Fingerprint::of(&self.directory), outside)
    }

    pub(super) fn engine_fingerprint(&self) -> Fingerprint {
        let own = self.shared.get().map(|shared| shared.engine_yaml.clone());
        Fingerprint::of_files(&[own.unwrap_or_else(|| self.directory.join(START_ONLY))])
    }

    /// Says what an edit of engine.yaml leads to.
    pub(super) fn look_at_engine(&self) {
        let Some(EngineCheck(differs)) = self.engine.get() else {
            return;
        };
        match differs() {
            Ok(false) => self.history().engine = None,
            Ok(true) => {
                warn!("engine.yaml was edited and is valid; restart callgate to apply it");
                self.history().engine_edited(Vec::new());
            }
            Err(problems) => {
                error!(
                    problems = problems.len(),
                    "engine.yaml was edited and has errors, callgate would not start again"
                );
                for problem in &problems {
                    error!("{problem}");
                }
                self.history().engine_edited(problems);
            }
        }
    }

    /// Reads until nothing was edited between the first and the last file, so that no mixture of
    /// two edits is ever compiled.
    fn read_whole(&self) -> Result<(FileSet, Fingerprint), Box<Problem>> {
        let mut tries = 0;
        loop {
            let before = self.fingerprint();
            let files = read_files(&self.directory);
            tries += 1;
            if self.fingerprint() == before || tries == READ_TRIES {
                return files.map(|files| (files, before.0));
            }
            thread::sleep(READ_PAUSE);
        }
    }

    pub(super) fn take(
        &self,
        snapshot: Snapshot,
        problems: Vec<Problem>,
        loading: &Loading,
        origin: Option<Origin>,
    ) -> Reloaded {
        let version = snapshot.version.clone();
        let at_ms = self.history().took(version.clone(), problems.clone());
        let snapshot = Arc::new(snapshot);
        let before = self.current.swap(Arc::clone(&snapshot));
        self.lock_retired().push(before);
        self.number.send_replace(version.number);
        for follower in &loading.followers {
            follower(&snapshot);
        }
        let in_force = in_force(loading, &version, at_ms, origin);
        for follower in &loading.files_followers {
            follower(&in_force);
        }
        self.metrics.reloaded("loaded", version.number, false);
        self.metrics.policy_held(false, 0);
        info!(version = %version, warnings = problems.len(), "policies reloaded");
        for problem in &problems {
            warn!("{problem}");
        }
        Reloaded {
            version,
            changed: true,
            problems,
        }
    }

    pub(super) fn unchanged(&self, version: &Version) -> Reloaded {
        let mut history = self.history();
        let recovered = history.rejected.take().is_some();
        history.held.clear();
        history.restored = false;
        drop(history);
        if recovered {
            info!(version = %version, "policy files are back to what is in force");
        }
        self.metrics.reloaded("unchanged", version.number, false);
        self.metrics.policy_held(false, 0);
        Reloaded {
            version: version.clone(),
            changed: false,
            problems: self.warnings(),
        }
    }

    fn reject(&self, version: &Version, problems: Vec<Problem>) -> Reloaded {
        error!(
            in_force = %version,
            problems = problems.len(),
            "policy edit rejected, the last good policy stays in force"
        );
        self.refuse(version, problems.clone(), Vec::new());
        Reloaded {
            version: version.clone(),
            changed: false,
            problems,
        }
    }

    /// Nothing but lists was edited, and none of them can be taken.
    fn reject_held(&self, version: &Version, held: Vec<Held>) -> Reloaded {
        let (problems, held) = parts(held);
        self.hold(version, problems.clone(), held);
        Reloaded {
            version: version.clone(),
            changed: false,
            problems,
        }
    }

    /// Says which lists are not in force as they are on disk.
    fn hold(&self, version: &Version, problems: Vec<Problem>, held: Vec<Held>) {
        for one in &held {
            error!(
                in_force = %version,
                file = one.file,
                why = one.why,
                "policy edit rejected in part, the last good content of this list stays in force"
            );
        }
        self.refuse(version, problems, held);
    }

    /// Something on disk is not in force.
    fn refuse(&self, version: &Version, problems: Vec<Problem>, held: Vec<Held>) {
        self.metrics.reloaded("rejected", version.number, true);
        self.metrics.policy_held(self.is_restored(), held.len());
        for problem in &problems {
            match problem.severity {
                Severity::Error => error!("{problem}"),
                Severity::Warning => warn!("{problem}"),
                Severity::Note => info!("{problem}"),
            }
        }
        self.history().refused(problems, held);
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_retired(&self) -> MutexGuard<'_, Vec<Arc<Snapshot>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has files looked at that the policy depends on and that are none of its settings.
    pub(super) fn watch_outside(&self, outside: Vec<Outside>) {
        *self.lock_outside() = paths(outside);
    }

    fn lock_outside(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.outside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_busy(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_loading(&self) -> MutexGuard<'_, Loading> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paths(files: Vec<Outside>) -> Vec<PathBuf> {
    let paths = files.into_iter().map(|file| PathBuf::from(file.path));
    paths.collect()
}

/// What is wrong in all of them, and what is shown of each.
fn parts(held: Vec<Held>) -> (Vec<Problem>, Vec<Held>) {
    let problems = held.iter().flat_map(|one| one.problems.clone()).collect();
    (problems, held)
}

fn in_force(loading: &Loading, version: &Version, at_ms: u64, origin: Option<Origin>) -> InForce {
    let outside = loading.outside.iter();
    InForce {
        number: version.number,
        hash: Arc::clone(&version.hash),
        at_ms,
        root: PathBuf::from(&loading.files.root),
        files: loading.files.files.clone(),
        reads: loading.reads.clone(),
        outside: outside
            .map(|outside| (outside.path.clone(), outside.secret))
            .collect(),
        origin,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::policy::SecretSource;

    const POLICY: &str = "endpoints:\n  b: {url: 'http://127.0.0.1:9', sign: {secret_file: key}}\n\
                          lists: {l: {file: l.txt}}\n\
                          hooks: {beforeMsgModify: {endpoint: b}}\n";

    fn policies(
        check_secret: fn(&SecretSource) -> Result<(), String>,
    ) -> (tempfile::TempDir, Policies) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policy.yaml"), POLICY).unwrap();
        fs::write(directory.path().join("l.txt"), "word\n").unwrap();
        let context = CompileContext {
            check_secret: Some(check_secret),
            ..CompileContext::default()
        };
        let metrics = Arc::new(Metrics::new());
        let policies =
            Policies::start(directory.path(), context, metrics, Start::default()).unwrap();
        (directory, policies)
    }

    #[test]
    fn an_unchanged_tree_is_not_compiled() {
        // Compiling looks at the secret, so it counts.
        static COMPILED: AtomicUsize = AtomicUsize::new(0);
        let (directory, policies) = policies(|_| {
            COMPILED.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        assert_eq!(COMPILED.load(Ordering::Relaxed), 1);
        fs::write(directory.path().join("l.txt"), "word\n").unwrap();
        assert!(!policies.reload().changed);
        assert_eq!(COMPILED.load(Ordering::Relaxed), 1);
        fs::write(directory.path().join("l.txt"), "another\n").unwrap();
        assert!(policies.reload().changed);
        assert_eq!(COMPILED.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn followers_are_told_of_each_new_policy_whoever_reloads() {
        let (directory, policies) = policies(|_| Ok(()));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        policies.follow(move |snapshot| tell.lock().unwrap().push(snapshot.version.number));
        policies.reload();
        fs::write(directory.path().join("l.txt"), "another\n").unwrap();
        policies.reload();
        fs::write(directory.path().join("policy.yaml"), "hoks: {}").unwrap();
        policies.reload();
        assert_eq!(*told.lock().unwrap(), [1, 2]);
    }

    #[test]
    fn a_policy_is_freed_when_nobody_decides_by_it_any_more() {
        let (directory, policies) = policies(|_| Ok(()));
        let held = policies.current();
        let first = Arc::downgrade(&held);
        fs::write(directory.path().join("l.txt"), "another\n").unwrap();
        assert!(policies.reload().changed);
        policies.free_retired();
        assert_eq!(held.version.number, 1);
        // The last to let go is not the one who frees it.
        drop(held);
        assert!(first.strong_count() == 1);
        policies.free_retired();
        assert!(first.strong_count() == 0);
        assert_eq!(policies.current().version.number, 2);
    }

    #[test]
    fn a_secret_is_a_part_of_the_policy_and_lies_beside_it() {
        let (directory, policies) = policies(|source| match source {
            SecretSource::File(path) if Path::new(path).exists() => Ok(()),
            SecretSource::File(path) if path.ends_with("/key") => Ok(()),
            _ => Err("it is not there".to_owned()),
        });
        let edited = POLICY.replace("key", "./other");
        fs::write(directory.path().join("policy.yaml"), edited).unwrap();
        let before = policies.fingerprint();
        let reloaded = policies.reload();
        assert!(!reloaded.changed);
        let problem = reloaded.problems[0].to_string();
        assert!(
            problem.ends_with(
                "policy.yaml:2:54: endpoints.b.sign.secret_file: calls cannot be signed: it is not \
                 there; a path is relative to the policy directory, or begins with `/`"
            ),
            "{problem}"
        );
        // The watch sees the file when it comes.
        fs::write(directory.path().join("other"), "x").unwrap();
        assert_ne!(policies.fingerprint(), before);
        assert!(policies.reload().changed);
    }

    #[test]
    fn an_edit_of_cases_alone_is_looked_at() {
        let (directory, policies) = policies(|_| Ok(()));
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let case = |action: &str| {
            format!(
                "cases:\n  a word: {{hook: beforeMsgModify, text: word, expect: {{action: {action}}}}}\n"
            )
        };
        fs::create_dir(directory.path().join("tests")).unwrap();
        write("tests/a.yaml", &case("allow"));
        let required = POLICY.replace(", sign: {secret_file: key}", "");
        let required = required.replace("{endpoint: b}", "{endpoint: none}");
        write("policy.yaml", &format!("tests: required\n{required}"));
        let refused = policies.reload();
        assert!(!refused.changed, "{refused:?}");
        write("tests/a.yaml", &case("block"));
        let taken = policies.reload();
        assert!(taken.changed, "{taken:?}");
        // The policy decides as before, and another case says that it should not.
        write("tests/a.yaml", &case("allow"));
        let refused = policies.reload();
        assert!(!refused.changed);
        let rejected = policies.rejected().expect("it is refused");
        let mut problems = rejected.problems.iter().map(Problem::to_string);
        assert!(
            problems.any(|problem| problem.contains("the case `a word` fails")),
            "{rejected:?}"
        );
        assert_eq!(policies.current().version, taken.version);
        // And a case that it passes is no edit of the policy.
        write("tests/a.yaml", &format!("{}# mended\n", case("block")));
        assert!(!policies.reload().changed);
        assert!(policies.rejected().is_none());
        assert_eq!(policies.current().version, taken.version);
    }

    #[test]
    fn an_edit_of_the_engines_file_is_told_and_taken_back() {
        let (_directory, policies) = policies(|_| Ok(()));
        let answers = Mutex::new(vec![
            Ok(false),
            Err(vec![Problem::of_file("engine.yaml", "bad", "")]),
            Ok(true),
        ]);
        policies.compare_engine(move || answers.lock().unwrap().pop().unwrap());
        assert!(policies.engine_edit().is_none());
        policies.look_at_engine();
        assert!(policies.engine_edit().unwrap().problems.is_empty());
        policies.look_at_engine();
        assert_eq!(policies.engine_edit().unwrap().problems.len(), 1);
        policies.look_at_engine();
        assert!(policies.engine_edit().is_none());
    }
}
