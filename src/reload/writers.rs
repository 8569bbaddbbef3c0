//! Who has a file open for writing: what Linux tells, where it does.
//!
//! On file systems that tell nothing (shares of another machine), and on other systems, nothing is
//! known, and the files are judged by how they look.

#[cfg(target_os = "linux")]
pub(super) use linux::Writers;
#[cfg(not(target_os = "linux"))]
pub(super) use unknown::Writers;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ffi::{OsStr, OsString};
    use std::fs;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

    use super::super::files::{Fingerprint, Identity, Stat};

    /// Folders that are watched; more are none of a policy.
    const FOLDERS_MAX: usize = 200;

    /// Names that are being written; more are a fault of ours.
    const NAMES_MAX: usize = 10_000;

    /// The files in watched folders that were written and not closed since.
    #[derive(Debug)]
    pub(in super::super) struct Writers {
        /// `None`: the system gives none.
        events: Option<OwnedFd>,
        folders: BTreeMap<i32, PathBuf>,
        /// Which file was written under a name: it may have another one when it is closed.
        written: BTreeMap<(i32, OsString), Identity>,
        open: BTreeSet<Identity>,
        /// Of files that were closed by a writer: of these it is known.
        seen: BTreeSet<Identity>,
        /// What was renamed to be a name and not written since: whoever did it had finished.
        renamed: BTreeMap<(i32, OsString), Identity>,
    }

    impl Writers {
        pub(in super::super) fn watch(directory: &Path, files: &Fingerprint) -> Writers {
            let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
            let mut writers = Writers {
                events: events.ok(),
                folders: BTreeMap::new(),
                written: BTreeMap::new(),
                open: BTreeSet::new(),
                seen: BTreeSet::new(),
                renamed: BTreeMap::new(),
            };
            writers.follow(directory, files);
            writers
        }

        /// Watches the folders that the files are in now.
        pub(in super::super) fn follow(&mut self, directory: &Path, files: &Fingerprint) {
            let Some(events) = &self.events else { return };
            let mut folders = BTreeSet::from([directory.to_owned()]);
            for stat in files.stats() {
                let path = directory.join(&stat.path);
                folders.extend(path.parent().map(Path::to_owned));
                // Where a link leads to is where it is written.
                let target = fs::canonicalize(&path).ok();
                folders.extend(target.and_then(|path| path.parent().map(Path::to_owned)));
            }
            let flags = WatchFlags::MODIFY
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::ONLYDIR;
            for folder in folders.into_iter().take(FOLDERS_MAX) {
                if let Ok(watch) = inotify::add_watch(events, &folder, flags) {
                    self.folders.insert(watch, folder);
                }
            }
            let there: BTreeSet<Identity> =
                files.stats().iter().map(|stat| stat.identity).collect();
            // What is written beside the files may be renamed to be one of them.
            let written: BTreeSet<Identity> = self.written.values().copied().collect();
            let is_there =
                |identity: &Identity| there.contains(identity) || written.contains(identity);
            self.seen.retain(is_there);
            self.open.retain(is_there);
            if self.written.len() > NAMES_MAX {
                self.written.clear();
            }
            if self.renamed.len() > NAMES_MAX {
                self.renamed.clear();
            }
        }

        /// Takes note of what was written and closed since the last time.
        pub(in super::super) fn look(&mut self) {
            let Some(events) = self.events.take() else {
                return;
            };
            let mut buffer = [MaybeUninit::uninit(); 8192];
            let mut reader = Reader::new(&events, &mut buffer);
            while let Ok(event) = reader.next() {
                let kind = event.events();
                if kind.contains(ReadFlags::QUEUE_OVERFLOW) {
                    // Something was missed.
                    self.open.clear();
                    self.seen.clear();
                    self.written.clear();
                    self.renamed.clear();
                    continue;
                }
                if kind.contains(ReadFlags::IGNORED) {
                    self.folders.remove(&event.wd());
                    continue;
                }
                let (Some(folder), Some(name)) = (self.folders.get(&event.wd()), event.file_name())
                else {
                    continue;
                };
                let name = OsStr::from_bytes(name.to_bytes()).to_owned();
                let found = fs::metadata(folder.join(&name)).ok();
                let found = found.map(|found| (found.dev(), found.ino()));
                self.note(kind, (event.wd(), name), found);
            }
            self.events = Some(events);
        }

        /// `found` is what has the name now.
        fn note(&mut self, kind: ReadFlags, key: (i32, OsString), found: Option<Identity>) {
            if kind.contains(ReadFlags::MOVED_TO) {
                self.renamed.extend(found.map(|found| (key, found)));
            } else if kind.contains(ReadFlags::CLOSE_WRITE) {
                if let Some(closed) = self.written.remove(&key).or(found) {
                    self.seen.insert(closed);
                    self.open.remove(&closed);
                }
            } else if let Some(written) = found {
                self.renamed.retain(|_, renamed| *renamed != written);
                if kind.contains(ReadFlags::MODIFY) {
                    self.seen.insert(written);
                    self.open.insert(written);
                    self.written.insert(key, written);
                }
            }
        }

        /// Those of the files that were put in place by a rename and not written since.
        pub(in super::super) fn renamed(&self, files: &Fingerprint) -> Vec<Stat> {
            let renamed: BTreeSet<&Identity> = self.renamed.values().collect();
            let stats = files.stats().iter();
            let stats = stats.filter(|stat| renamed.contains(&stat.identity));
            stats.cloned().collect()
        }

        /// Whether somebody has it open for writing; `None` where nobody knows.
        pub(in super::super) fn is_open(&self, stat: &Stat) -> Option<bool> {
            let known = self.seen.contains(&stat.identity);
            known.then(|| self.open.contains(&stat.identity))
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::path::Path;

    use super::super::files::{Fingerprint, Stat};

    #[derive(Debug)]
    pub(in super::super) struct Writers;

    impl Writers {
        pub(in super::super) fn watch(_: &Path, _: &Fingerprint) -> Writers {
            Writers
        }

        pub(in super::super) fn follow(&mut self, _: &Path, _: &Fingerprint) {}

        pub(in super::super) fn look(&mut self) {}

        pub(in super::super) fn is_open(&self, _: &Stat) -> Option<bool> {
            None
        }

        pub(in super::super) fn renamed(&self, _: &Fingerprint) -> Vec<Stat> {
            Vec::new()
        }
    }
}
