//! Saving an edit: merged with what others wrote, compiled before anything is written, in force
//! when it answers.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::edit::{Edit, Lists, NotSaved, Saved};
use super::made::Made;
use super::place::{NoPlace, Place, read_only};
use super::write::{NotWritten, Stopped, Writing, replace_all};
use crate::policy::FileSet;
use crate::reload::{Budget, Desk, read_files};
use crate::versions::Origin;

/// How often an edit is made anew because somebody else wrote the file in that moment.
const TRIES: usize = 20;
/// A file that others are writing is taken once it has rested for so long, as the watch does.
const REST: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many times it is looked at until it has rested.
const LOOKS_MAX: usize = 60;

impl Lists {
    /// Makes the edit in its file, or in both where entries go to another list, and puts it in force,
    /// as one version. Blocks for the disk and for compiling.
    pub fn save(&self, edit: &Edit, origin: Origin) -> Result<Saved, NotSaved> {
        self.save_by(edit, origin, Budget::Held)
    }

    /// The same, also where it changes more than the policy expects of a change.
    pub fn force(&self, edit: &Edit, origin: Origin) -> Result<Saved, NotSaved> {
        self.save_by(edit, origin, Budget::Passed)
    }

    /// The files on disk as they would be with the edit made. Blocks for the disk.
    pub fn files_with(&self, edit: &Edit) -> Result<FileSet, NotSaved> {
        let known = self.known(&edit.list)?;
        let target = self.target(&known, edit)?;
        let mut files = read_files(self.policies.directory())?;
        let read = |file: &str| Ok(files.files.get(file).cloned().unwrap_or_default());
        let made = self.make(&known, target.as_ref(), edit, read)?;
        for change in made.changes {
            files.files.insert(change.file.to_string(), change.after);
        }
        Ok(files)
    }

    fn save_by(&self, edit: &Edit, origin: Origin, budget: Budget) -> Result<Saved, NotSaved> {
        let known = self.known(&edit.list)?;
        let target = self.target(&known, edit)?;
        let files = [Some(&known), target.as_ref()].into_iter().flatten();
        let files: Vec<&str> = files.map(|list| &*list.file).collect();
        let (made, reloaded) = self.policies.edit(&files, origin, budget, |desk| {
            for _ in 0..TRIES {
                let made = self.make(&known, target.as_ref(), edit, |file| settled(desk, file))?;
                if put(desk, &made)? {
                    return Ok(made);
                }
                desk.look_again()?;
            }
            Err(NotSaved::Busy)
        })?;
        Ok(Saved {
            version: reloaded.version,
            hash: self.bases.remember(&made.content),
            added: made.added,
            set: made.set,
            removed: made.removed,
            merged: made.merged,
            made_already: made.made_already,
            moved: made.moved,
            warnings: reloaded.problems,
        })
    }
}

/// Writes the files, if they would come into force and are still what they were; `false` if not
/// that, and all of them are as they were then.
fn put(desk: &mut Desk<'_>, made: &Made) -> Result<bool, NotSaved> {
    let changes = made.changes.iter();
    let changes: Vec<_> = changes
        .filter(|change| change.before != change.after)
        .collect();
    if changes.is_empty() {
        return Ok(true);
    }
    let contents = changes.iter().map(|change| (&*change.file, &change.after));
    let contents: Vec<_> = contents.collect();
    desk.would_be(&contents).map_err(NotSaved::Invalid)?;
    let not_here = |why: String| NotSaved::ReadOnly {
        why,
        patch: made.patch(),
    };
    let mut places = Vec::new();
    for change in &changes {
        let (directory, file) = (desk.directory(), &change.file);
        // What can be known of the second is known before the first is written.
        if let (true, Some(why)) = (changes.len() > 1, read_only(directory, file)) {
            return Err(not_here(why));
        }
        places.push(match Place::of(directory, file) {
            Ok(place) => place,
            Err(NoPlace::Outside(path)) => {
                let path = path.display();
                let why = format!("`{file}` leads out of the policy directory, to {path}");
                return Err(not_here(why));
            }
            Err(NoPlace::Io(error)) => return Err(NotSaved::Io(error.to_string())),
        });
    }
    let writings = places.iter().zip(&changes);
    let writings: Vec<_> = writings
        .map(|(place, change)| Writing {
            place,
            before: &change.before,
            after: &change.after,
        })
        .collect();
    let Err(Stopped { at, why, left }) = replace_all(&writings) else {
        return Ok(true);
    };
    let file = &changes[at].file;
    match (why, left) {
        // What is left of it is there already the next time.
        (NotWritten::Changed, _) => Ok(false),
        (NotWritten::ReadOnly(error), None) => {
            Err(not_here(format!("`{file}` cannot be written: {error}")))
        }
        (NotWritten::Io(error), None) => {
            Err(NotSaved::Io(format!("`{file}` cannot be written: {error}")))
        }
        (NotWritten::ReadOnly(error) | NotWritten::Io(error), Some(_)) => Err(NotSaved::Half(
            format!("`{file}` cannot be written: {error}"),
        )),
    }
}

/// The file on disk, once nobody is writing it any more.
fn settled(desk: &mut Desk<'_>, file: &str) -> Result<Arc<[u8]>, NotSaved> {
    for _ in 0..LOOKS_MAX {
        let disk = desk.disk().files.get(file).cloned();
        let is_ours = disk.is_some() && disk.as_ref() == desk.in_force().files.get(file);
        let metadata = fs::metadata(desk.directory().join(file));
        let written = metadata.and_then(|metadata| metadata.modified());
        let rested = written.ok().and_then(|at| at.elapsed().ok());
        match disk {
            Some(content) if is_ours || rested.is_none_or(|rested| rested >= REST) => {
                return Ok(content);
            }
            _ => {
                thread::sleep(LOOK_AGAIN);
                desk.look_again()?;
            }
        }
    }
    Err(NotSaved::Busy)
}
