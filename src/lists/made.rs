//! What an edit makes of the files that it is about: of one, or of two where entries go to another
//! list.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use similar::TextDiff;

use super::edit::{Edit, Edited, Known, Lists, Moved, NotSaved};
use super::place::is_same;
use crate::editor::{Document, Handed, Op, OpProblem, What, hand_over};
use crate::filter::{Identities, Identity};
use crate::policy::ListLine;

/// Another content of a file.
pub(super) struct Change {
    /// Relative to the policy directory.
    pub file: Arc<str>,
    pub before: Arc<[u8]>,
    pub after: Arc<[u8]>,
}

/// What an edit makes.
pub(super) struct Made {
    /// In the order in which they are written, the edited list last: an entry that goes to another
    /// list is in both for a moment on disk, and never in neither.
    pub changes: Vec<Change>,
    /// The content of the edited list.
    pub content: Arc<[u8]>,
    pub added: u64,
    pub set: u64,
    pub removed: u64,
    pub merged: bool,
    pub made_already: usize,
    pub moved: Option<Moved>,
    /// The lines that were moved.
    pub taken: Vec<String>,
}

impl Change {
    fn is_none(&self) -> bool {
        self.before == self.after
    }
}

impl Made {
    /// The changes as `git apply` and `patch -p1` take them, in the policy directory.
    pub(super) fn patch(&self) -> String {
        let real = self.changes.iter().filter(|change| !change.is_none());
        real.map(patch).collect()
    }
}

fn patch(change: &Change) -> String {
    let [before, after] =
        [&change.before, &change.after].map(|bytes| String::from_utf8_lossy(bytes));
    let diff = TextDiff::from_lines(&*before, &*after);
    let mut diff = diff.unified_diff();
    let (from, to) = (format!("a/{}", change.file), format!("b/{}", change.file));
    diff.context_radius(3).header(&from, &to).to_string()
}

impl Lists {
    /// The list that entries go to, if they do. Errors: it is none that has a file of its own.
    pub(super) fn target(&self, known: &Known, edit: &Edit) -> Result<Option<Known>, NotSaved> {
        let Some(to) = &edit.to else {
            return Ok(None);
        };
        let target = self.known(to)?;
        let (from, to) = (&known.name, &target.name);
        if from == to {
            let why = format!("the entries stand in `{from}`; name another list to move them to");
            return Err(NotSaved::NoMove(why));
        }
        let directory = self.policies.directory();
        let is_one = known.file == target.file
            || is_same(
                &directory.join(&*known.file),
                &directory.join(&*target.file),
            );
        if is_one {
            let why = format!(
                "`{from}` and `{to}` stand in one file, `{}`: what is in one is in the other",
                target.file
            );
            return Err(NotSaved::NoMove(why));
        }
        Ok(Some(target))
    }

    /// What the edit makes; `read` says what a file holds.
    pub(super) fn make(
        &self,
        known: &Known,
        target: Option<&Known>,
        edit: &Edit,
        mut read: impl FnMut(&str) -> Result<Arc<[u8]>, NotSaved>,
    ) -> Result<Made, NotSaved> {
        let before = read(&known.file)?;
        let edited = self.edited(known, edit, &before);
        let Some(target) = target else {
            return Ok(made(known, before, edited?));
        };
        let there = read(&target.file)?;
        let edited = match edited {
            Err(NotSaved::Wrong(problems)) => {
                return Err(self.not_to_move(known, (target, &there), problems));
            }
            edited => edited?,
        };
        self.must_be_taken(known, edit, &edited)?;
        let (handed, listed) = self.handed(target, &there, &edited.applied.taken)?;
        let mut made = made(known, before, edited);
        made.added = handed.applied.added;
        made.moved = Some(Moved {
            to: target.name.to_string(),
            listed,
        });
        let change = Change {
            file: Arc::clone(&target.file),
            before: there,
            after: handed.applied.bytes.into(),
        };
        made.changes.insert(0, change);
        Ok(made)
    }

    /// The lines in the list that they go to, and the entries that it has already.
    fn handed(
        &self,
        target: &Known,
        there: &[u8],
        lines: &[String],
    ) -> Result<(Handed, Vec<String>), NotSaved> {
        target.must_be_whole(there)?;
        let identities = self.identities(target)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let inline = identities_of(target.inline(), &mut identities);
        let lines = lines.iter().map(String::as_str);
        let (inline, lines): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| inline.contains(&identities.identity(entry_of(line))));
        let handed = hand_over(there, &lines, &mut identities);
        let old = lines.iter().zip(&handed.is_new);
        let old = old.filter(|(_, is_new)| !**is_new).map(|(line, _)| *line);
        let listed = inline.into_iter().chain(old).map(entry_of);
        let listed = listed.map(str::to_owned).collect();
        Ok((handed, listed))
    }

    /// Errors: an entry was not taken out of the list, or is in it still.
    fn must_be_taken(&self, known: &Known, edit: &Edit, edited: &Edited) -> Result<(), NotSaved> {
        let identities = self.identities(known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = edited.applied.taken.iter().map(|line| entry_of(line));
        let taken = identities_of(taken, &mut identities);
        let inline = identities_of(known.inline(), &mut identities);
        let mut problems = Vec::new();
        for (number, op) in edit.ops.iter().enumerate() {
            let Op::Remove { which } = op else {
                let why = "only entries that stand in the list can be moved".to_owned();
                return Err(NotSaved::NoMove(why));
            };
            let (entry, identity) = (&which.entry, identities.identity(&which.entry));
            let (what, hint) = match (taken.contains(&identity), inline.contains(&identity)) {
                (true, false) => continue,
                (true, true) => (
                    format!(
                        "`{entry}` stands in policy.yaml too, and would stay in `{}`",
                        known.name
                    ),
                    "take it out of `words:` there first",
                ),
                (false, _) => (
                    format!("`{entry}` is not in the list any more"),
                    "look at the list as it is now",
                ),
            };
            problems.push(OpProblem {
                op: number,
                entry: entry.clone(),
                what,
                hint: hint.to_owned(),
            });
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(NotSaved::Wrong(problems)),
        }
    }

    /// Why entries cannot be moved that do not stand in the file of the list.
    fn not_to_move(
        &self,
        known: &Known,
        (target, there): (&Known, &[u8]),
        mut problems: Vec<OpProblem>,
    ) -> NotSaved {
        let identities_in = |list: &Known, entries: &mut dyn Iterator<Item = &str>| {
            let identities = self.identities(list)?;
            let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
            let those = identities_of(entries, &mut identities);
            let is_there = |one: &OpProblem| those.contains(&identities.identity(&one.entry));
            Ok::<Vec<bool>, NotSaved>(problems.iter().map(is_there).collect())
        };
        let document = Document::read(there);
        let mut entries = document.rows().filter_map(|row| match row.what {
            What::Entry(line) => Some(line.text()),
            _ => None,
        });
        let found = identities_in(known, &mut known.inline())
            .and_then(|inline| Ok((inline, identities_in(target, &mut entries)?)));
        let (inline, there) = match found {
            Ok(found) => found,
            Err(error) => return error,
        };
        for (at, problem) in problems.iter_mut().enumerate() {
            let entry = &problem.entry;
            if inline[at] {
                problem.what = format!(
                    "`{entry}` stands in policy.yaml, and not in `{}`",
                    known.file
                );
                problem.hint = "edit `words:` there by hand".to_owned();
            } else if there[at] {
                problem.what = format!("`{entry}` is not in the list, and is in `{}`", target.name);
                problem.hint = "leave it out".to_owned();
            }
        }
        NotSaved::Wrong(problems)
    }
}

fn made(known: &Known, before: Arc<[u8]>, edited: Edited) -> Made {
    let Edited {
        applied,
        merged,
        made_already,
    } = edited;
    let content: Arc<[u8]> = applied.bytes.into();
    Made {
        changes: vec![Change {
            file: Arc::clone(&known.file),
            before,
            after: Arc::clone(&content),
        }],
        content,
        added: applied.added,
        set: applied.set,
        removed: applied.removed,
        merged,
        made_already,
        moved: None,
        taken: applied.taken,
    }
}

/// What a line of a list is about.
pub(super) fn entry_of(line: &str) -> &str {
    match ListLine::read(line) {
        ListLine::Entry(entry) => entry.text(),
        ListLine::Blank | ListLine::Comment(_) => "",
    }
}

fn identities_of<'e>(
    entries: impl Iterator<Item = &'e str>,
    identities: &mut Identities,
) -> HashSet<Identity> {
    entries.map(|entry| identities.identity(entry)).collect()
}
