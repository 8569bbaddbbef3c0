//! Versions that are agreed on with other replicas before they are in force: what is edited here is
//! published first, and what others published is taken. Numbers never go backwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, info, warn};

use super::attempt::{Attempt, attempt};
use super::desk::Desk;
use super::files::read_files;
use super::ledger::{Contents, Draft, Given, Ledger, NotShared, Shared, SharedState};
use super::mirror;
use super::policies::{Budget, Loading, Policies, Reloaded};
use crate::aside::aside;
use crate::policy::{self, CompileContext, Compiled, FileSet, Outside, Snapshot};
use crate::settings::{Problem, Severity};
use crate::versions::Origin;

/// An edit is made anew so often because another replica published one in that moment.
const TRIES: usize = 20;
/// Beside the directory: what somebody wrote into it by hand.
const UNDONE: &str = "undone";

/// Why a policy did not take the place of the one that all replicas have.
#[derive(Debug, thiserror::Error)]
pub enum NotReplaced {
    #[error("the policy is read from files here (`policies: files` in engine.yaml): edit those")]
    OwnFiles,
    #[error("`{0}` is no path of a policy")]
    Path(String),
    #[error("the policy would not come into force")]
    Bad(Vec<Problem>),
    #[error(transparent)]
    NotShared(#[from] NotShared),
}

/// What keeps a version from being one.
fn first_error(reloaded: &Reloaded) -> Option<Problem> {
    let mut problems = reloaded.problems.iter();
    let found = problems.find(|one| one.severity == Severity::Error);
    found.filter(|_| !reloaded.changed).cloned()
}

/// A version that can be in force.
struct Made {
    files: FileSet,
    snapshot: Snapshot,
    problems: Vec<Problem>,
    outside: Vec<Outside>,
    lists: Vec<String>,
    reads: Vec<String>,
}

impl Made {
    fn of(files: FileSet, compiled: Compiled) -> Result<Made, Vec<Problem>> {
        match compiled.snapshot {
            None => Err(compiled.problems),
            Some(snapshot) => Ok(Made {
                files,
                snapshot,
                problems: compiled.problems,
                outside: compiled.outside,
                lists: compiled.lists,
                reads: compiled.reads,
            }),
        }
    }
}

/// What of `files` a version has, and its hash: the files that the policy is read from, and its cases.
/// `root` is the directory that they will be mirrored in.
///
/// Errors: what keeps it from coming into force.
pub fn to_share(
    root: &Path,
    files: Contents,
    context: &CompileContext,
) -> Result<(Contents, Arc<str>), Vec<Problem>> {
    let made = make(root.display().to_string(), files, context, 1)?;
    Ok((made.files.files, made.snapshot.version.hash))
}

fn make(
    root: String,
    files: Contents,
    context: &CompileContext,
    number: u64,
) -> Result<Made, Vec<Problem>> {
    let all = FileSet { root, files };
    let first = aside("policy-compile", || policy::compile(&all, context, number));
    let mut files = all.clone();
    files.files.retain(|path, _| {
        path.starts_with("tests/") || first.reads.iter().any(|read| read == path)
    });
    // Its hash is one of all files.
    let compiled = match first.snapshot.is_some() && files.files.len() != all.files.len() {
        true => aside("policy-compile", || {
            policy::compile(&files, context, number)
        }),
        false => first,
    };
    Made::of(files, compiled)
}

impl Policies {
    /// Has versions agreed on by `ledger`; the directory is a mirror of the one in force from now on.
    /// `engine_yaml` is not in it. To be called once, before anything follows or edits.
    pub fn share(&self, ledger: Arc<dyn Ledger>, engine_yaml: PathBuf, state: SharedState) {
        let shared = Shared::new(ledger, engine_yaml, state);
        if self.shared.set(shared).is_ok() {
            self.tell_behind();
        }
    }

    /// How far this replica is; `None` where its policy is its own.
    pub fn shared(&self) -> Option<SharedState> {
        self.shared.get().map(|shared| shared.state().clone())
    }

    /// Takes the newest version, if another one is in force here. Blocks.
    pub fn catch_up(&self) {
        let Some(shared) = self.shared.get() else {
            return;
        };
        let known = shared.known(self.current().version.number);
        // Nothing is locked while others are asked.
        let newest = self.ask(shared, known);
        if let Ok(Some(given)) = newest {
            self.receive(shared, &mut self.lock_loading(), given);
        }
        self.tell_behind();
    }

    /// Makes `files` the policy of all replicas. What no policy is read from is left out, but for
    /// cases.
    ///
    /// `over`: only while this version is the newest. `forced`: also where it changes more than the
    /// policy expects of a change. Blocks.
    pub fn replace(
        &self,
        files: Contents,
        over: Option<u64>,
        forced: bool,
        origin: Origin,
    ) -> Result<Reloaded, NotReplaced> {
        let shared = self.shared.get().ok_or(NotReplaced::OwnFiles)?;
        if let Some(path) = files.keys().find(|path| !mirror::is_path(path)) {
            return Err(NotReplaced::Path(path.clone()));
        }
        let mut loading = self.lock_loading();
        self.bring_up(shared, &mut loading)?;
        let newest = shared.state().newest;
        if over.is_some_and(|over| over != newest) {
            return Err(NotShared::Overtaken(newest).into());
        }
        let made = self.made(files, newest + 1);
        let mut made = made.map_err(NotReplaced::Bad)?;
        let current = self.current();
        if !forced {
            let weighed = self.weighing.weigh(&current, &made.snapshot);
            if weighed.iter().any(|one| one.severity == Severity::Error) {
                return Err(NotReplaced::Bad(weighed));
            }
            made.problems.extend(weighed);
        }
        if made.files.files == loading.files.files && current.version.number == newest {
            return Ok(self.unchanged(&current.version));
        }
        Ok(self.publish(shared, &mut loading, made, newest, origin)?)
    }

    /// As [`Policies::edit`]. Where another replica was first it is made anew on what that one made.
    pub(super) fn edit_shared<T, E: From<Box<Problem>> + From<NotShared>>(
        &self,
        shared: &Shared,
        loading: &mut Loading,
        origin: &Origin,
        budget: Budget,
        mut edit: impl FnMut(&mut Desk<'_>) -> Result<T, E>,
    ) -> Result<(T, Reloaded), E> {
        let mut tries = 0;
        loop {
            self.bring_up_whole(shared, loading)?;
            let edited = {
                let current = self.current();
                let weigh = |candidate: &Snapshot| self.weighed(&current, candidate, budget);
                let mut desk = Desk {
                    directory: self.directory(),
                    context: self.context(),
                    in_force: &loading.files,
                    disk: read_files(self.directory())?,
                    current: &current.version,
                    number: loading.next,
                    weigh: &weigh,
                };
                edit(&mut desk)
            };
            let published =
                edited.map(|edited| (edited, self.publish_files(shared, loading, origin, budget)));
            match published {
                Ok((edited, Ok(reloaded))) => match first_error(&reloaded) {
                    Some(problem) => return Err(Box::new(problem).into()),
                    None => return Ok((edited, reloaded)),
                },
                Ok((_, Err(NotShared::Overtaken(_)))) if tries < TRIES => {
                    tries += 1;
                    self.mirror(&loading.files);
                }
                Ok((_, Err(error))) => {
                    self.mirror(&loading.files);
                    return Err(error.into());
                }
                Err(error) => {
                    self.mirror(&loading.files);
                    return Err(error);
                }
            }
        }
    }

    /// As [`Policies::change`]: what it wrote is published, or undone.
    pub(super) fn change_shared<E: From<NotShared>>(
        &self,
        shared: &Shared,
        loading: &mut Loading,
        origin: &Origin,
        budget: Budget,
        change: impl FnOnce() -> Result<(), E>,
    ) -> Result<Reloaded, E> {
        self.bring_up_whole(shared, loading)?;
        let published = change().map(|()| self.publish_files(shared, loading, origin, budget));
        let done = match published {
            Ok(Ok(reloaded)) => return Ok(reloaded),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error),
        };
        self.mirror(&loading.files);
        done
    }

    /// Takes what is newest and undoes what somebody wrote by hand, instead of reading it.
    pub(super) fn look_shared(
        &self,
        shared: &Shared,
        loading: &mut Loading,
        asked: bool,
    ) -> Reloaded {
        if asked {
            shared.retry();
            if let Ok(Some(given)) = self.ask(shared, self.current().version.number) {
                self.receive(shared, loading, given);
            }
            self.tell_behind();
        }
        self.undo_by_hand(&loading.files);
        let state = shared.state().clone();
        let current = self.current();
        Reloaded {
            version: current.version.clone(),
            changed: false,
            problems: match state.problems.is_empty() {
                true => self.warnings(),
                false => state.problems,
            },
        }
    }

    fn ask(&self, shared: &Shared, known: u64) -> Result<Option<Given>, NotShared> {
        let newest = shared.ledger.newest(known);
        let away = newest.as_ref().err().map(ToString::to_string);
        let is_news = shared.asked(away.clone());
        match away {
            Some(why) if is_news => {
                error!(
                    why,
                    "the policy in force stays: it is not known whether a newer one is there"
                );
            }
            None if is_news => info!("the versions of the policy can be reached again"),
            _ => {}
        }
        if let (Ok(None), true) = (&newest, known == self.current().version.number) {
            shared.reached(known);
        }
        newest
    }

    /// Before anything is made from what is newest.
    fn bring_up(&self, shared: &Shared, loading: &mut Loading) -> Result<(), NotShared> {
        if let Some(given) = self.ask(shared, self.current().version.number)? {
            self.receive(shared, loading, given);
        }
        self.tell_behind();
        Ok(())
    }

    /// The same, and it must be in force here.
    fn bring_up_whole(&self, shared: &Shared, loading: &mut Loading) -> Result<(), NotShared> {
        self.bring_up(shared, loading)?;
        let (newest, current) = (shared.state().newest, self.current());
        if newest > current.version.number {
            let why =
                format!("version {newest} has errors here; /status has them below `policy.shared`");
            return Err(NotShared::Refused(why));
        }
        self.undo_by_hand(&loading.files);
        Ok(())
    }

    /// Puts a version in force that all replicas have.
    fn receive(&self, shared: &Shared, loading: &mut Loading, given: Given) {
        let current = self.current().version.number;
        if given.number == current {
            return shared.reached(current);
        }
        if given.number < current {
            return self.restate(shared, loading);
        }
        let (number, origin) = (given.number, given.origin);
        let files = FileSet {
            root: self.root(),
            files: given.files,
        };
        // It was judged where it was published, and holds nothing that no policy is read from.
        let compiled = aside("policy-compile", || {
            policy::compile(&files, self.context(), number)
        });
        match Made::of(files, compiled) {
            Ok(made) => {
                self.put_in_force(loading, made, origin);
                shared.reached(number);
            }
            Err(problems) => {
                if shared.refuse(number, problems.clone()) {
                    error!(
                        version = number,
                        in_force = current,
                        problems = problems.len(),
                        "the newest version of the policy cannot be in force here"
                    );
                    for problem in &problems {
                        error!("{problem}");
                    }
                }
            }
        }
    }

    /// What all have is older than what is in force here: a failover lost what was agreed on. It is
    /// published again, for no replica goes backwards.
    fn restate(&self, shared: &Shared, loading: &mut Loading) {
        let current = self.current().version.number;
        // What was asked for before the lock was taken may be older than what was published since.
        let newest = match self.ask(shared, current) {
            Ok(Some(given)) if given.number < current => given.number,
            _ => return,
        };
        warn!(
            in_force = current,
            newest, "PostgreSQL has lost the version in force; it is published again"
        );
        let why = format!("version {current} was in force, and PostgreSQL had none after {newest}");
        let origin = Origin::callgate(why);
        if let Ok(made) = self.made(loading.files.files.clone(), current + 1)
            && let Err(error) = self.publish(shared, loading, made, newest, origin)
        {
            warn!(%error, "it is tried again");
        }
    }

    /// Publishes what is in the mirror, and puts it in force. Problems of it are in what is returned.
    fn publish_files(
        &self,
        shared: &Shared,
        loading: &mut Loading,
        origin: &Origin,
        budget: Budget,
    ) -> Result<Reloaded, NotShared> {
        let current = self.current();
        let disk = match read_files(self.directory()) {
            Ok(disk) => disk,
            Err(problem) => return Err(NotShared::Refused(problem.to_string())),
        };
        let weigh = |candidate: &Snapshot| self.weighed(&current, candidate, budget);
        let (context, number) = (self.context(), loading.next);
        let tried = aside("policy-compile", || {
            let held = Vec::new();
            attempt(disk, None, held, context, number, &current.version, &weigh)
        });
        match tried.attempt {
            Attempt::Same { .. } => {
                self.mirror(&loading.files);
                Ok(self.unchanged(&current.version))
            }
            Attempt::Bad(problems) => {
                self.mirror(&loading.files);
                Ok(Reloaded {
                    version: current.version.clone(),
                    changed: false,
                    problems,
                })
            }
            Attempt::Good {
                files,
                snapshot,
                problems,
                ..
            } => {
                let made = Made {
                    files,
                    snapshot: *snapshot,
                    problems,
                    outside: tried.outside.unwrap_or_default(),
                    lists: tried.lists,
                    reads: tried.reads,
                };
                let over = current.version.number;
                self.publish(shared, loading, made, over, origin.clone())
            }
        }
    }

    fn publish(
        &self,
        shared: &Shared,
        loading: &mut Loading,
        mut made: Made,
        over: u64,
        origin: Origin,
    ) -> Result<Reloaded, NotShared> {
        let draft = Draft {
            over,
            at_least: self.current().version.number + 1,
            hash: Arc::clone(&made.snapshot.version.hash),
            origin: origin.clone(),
            files: made.files.files.clone(),
        };
        let number = shared.ledger.publish(&draft)?;
        made.snapshot.version.number = number;
        let reloaded = self.put_in_force(loading, made, origin);
        shared.reached(number);
        self.tell_behind();
        Ok(reloaded)
    }

    fn put_in_force(&self, loading: &mut Loading, made: Made, origin: Origin) -> Reloaded {
        self.mirror(&made.files);
        loading.next = made.snapshot.version.number + 1;
        loading.files = made.files;
        loading.lists = made.lists;
        loading.reads = made.reads;
        loading.origin = None;
        self.watch_outside(made.outside.clone());
        loading.outside = made.outside;
        self.take(made.snapshot, made.problems, loading, Some(origin))
    }

    fn made(&self, files: Contents, number: u64) -> Result<Made, Vec<Problem>> {
        make(self.root(), files, self.context(), number)
    }

    fn weighed(&self, current: &Snapshot, candidate: &Snapshot, budget: Budget) -> Vec<Problem> {
        match budget {
            Budget::Held => self.weighing.weigh(current, candidate),
            Budget::Passed => Vec::new(),
        }
    }

    fn root(&self) -> String {
        self.directory().display().to_string()
    }

    /// Has the directory as the version in force is.
    fn mirror(&self, files: &FileSet) -> BTreeMap<String, Option<Arc<[u8]>>> {
        let written = mirror::write(self.directory(), &files.files);
        written.unwrap_or_else(|error| {
            let directory = self.directory().display();
            error!(%directory, %error, "the files of the version in force cannot be written");
            BTreeMap::new()
        })
    }

    /// The same, where nobody but a hand can have written there. What it wrote is kept beside the
    /// directory, and said.
    fn undo_by_hand(&self, files: &FileSet) {
        for (path, was) in self.mirror(files) {
            self.keep_undone(&path, was.as_deref());
        }
    }

    fn keep_undone(&self, path: &str, was: Option<&[u8]>) {
        let folder = self.directory().with_extension(UNDONE);
        let kept = folder.join(path.replace('/', "%"));
        let written =
            was.map(|content| fs::create_dir_all(&folder).and_then(|()| fs::write(&kept, content)));
        let kept = match written {
            None => "it was removed".to_owned(),
            Some(Ok(())) => kept.display().to_string(),
            Some(Err(error)) => format!("nowhere: {error}"),
        };
        warn!(
            file = path,
            kept,
            "this directory is a mirror of the version in force, and what was written there by hand is undone: use `callgate policy push`"
        );
    }

    fn tell_behind(&self) {
        if let Some(shared) = self.shared.get() {
            let current = self.current().version.number;
            let state = shared.state();
            let behind = state.newest.saturating_sub(current);
            self.metrics.policy_behind(behind, state.away.is_some());
        }
    }
}
