//! Edits of a file that somebody else has edited since it was looked at.
//!
//! What both say of different entries stays; what both say of the same entry is nobody's to
//! decide but theirs.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Serialize;

use super::apply::{Applied, Editing, Known, Numbered};
use super::document::{Document, LineId};
use super::op::{Op, OpProblem, Said, Which};
use crate::filter::{Identities, Identity};

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub applied: Applied,
    /// Entries of which the others said the same already.
    pub made_already: usize,
}

/// An entry of which both say something, and not the same: the lines about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    pub entry: String,
    pub base: Vec<Said>,
    pub theirs: Vec<Said>,
    pub mine: Vec<Said>,
}

/// Why nothing came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMerged {
    /// Edits that could not be made in what they were meant for either.
    Wrong(Vec<OpProblem>),
    Conflicts(Vec<Conflict>),
}

/// Makes edits that were meant for `base` in `theirs`.
pub fn merge(
    base: &[u8],
    theirs: &[u8],
    ops: &[Op],
    identities: &mut Identities,
) -> Result<Merged, NotMerged> {
    let base = Version::read(base, identities);
    let theirs = Version::read(theirs, identities);
    let numbered = ops.iter().map(Cow::Borrowed).enumerate();
    let numbered: Vec<Numbered> = numbered.map(|(at, op)| (at, op, None)).collect();
    let known = Known::of(&base.document, identities);
    let editing = Editing::new(base.document.clone(), known);
    let mine = editing
        .run(&numbered, identities)
        .map_err(NotMerged::Wrong)?;
    let mine = Version::read(&mine.bytes, identities);

    let judged = judge(&base, &theirs, &mine, ops, identities).map_err(NotMerged::Conflicts)?;
    let all_mine = judged.iter().all(|(_, verdict)| *verdict == Verdict::Mine);
    let left: Vec<Numbered> = match all_mine {
        true => {
            let ops = ops.iter().enumerate();
            ops.map(|(number, op)| {
                let at = base.nth(op, identities);
                let at = at.and_then(|(identity, nth)| theirs.line(&identity, nth));
                (number, Cow::Borrowed(op), at)
            })
            .collect()
        }
        // Some of the edits are made, and may be one end of a renaming: what counts is what they
        // lead to.
        false => {
            let mine_alone = judged
                .iter()
                .filter(|(_, verdict)| *verdict == Verdict::Mine);
            let rewritten = mine_alone.flat_map(|(identity, _)| theirs.ops_to(&mine, identity));
            rewritten.map(|(op, at)| (0, Cow::Owned(op), at)).collect()
        }
    };
    let theirs_say = |(_, verdict): &&(Identity, Verdict)| *verdict == Verdict::Theirs;
    let made_already = judged.iter().filter(theirs_say).count();
    let Version { document, known } = theirs;
    let applied = Editing::new(document, known).run(&left, identities);
    applied.map_err(NotMerged::Wrong).map(|applied| Merged {
        applied,
        made_already,
    })
}

/// Whose word counts for each entry that the edits are about. Errors: those of which both sides
/// say something else.
fn judge(
    base: &Version<'_>,
    theirs: &Version<'_>,
    mine: &Version<'_>,
    ops: &[Op],
    identities: &mut Identities,
) -> Result<Vec<(Identity, Verdict)>, Vec<Conflict>> {
    let mut judged: Vec<(Identity, Verdict)> = Vec::new();
    let mut seen: HashSet<Identity> = HashSet::new();
    let mut conflicts = Vec::new();
    for entry in ops.iter().flat_map(Op::entries) {
        let identity = identities.identity(entry);
        if !seen.insert(identity.clone()) {
            continue;
        }
        let [base, theirs, mine] = [base, theirs, mine].map(|version| version.said(&identity));
        if theirs == base {
            judged.push((identity, Verdict::Mine));
        } else if theirs == mine || mine == base {
            judged.push((identity, Verdict::Theirs));
        } else {
            conflicts.push(Conflict {
                entry: entry.to_owned(),
                base,
                theirs,
                mine,
            });
        }
    }
    match conflicts.is_empty() {
        true => Ok(judged),
        false => Err(conflicts),
    }
}

/// Whose word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// They left the entry alone.
    Mine,
    /// They say the same, or I left it alone in the end.
    Theirs,
}

/// A file with where its entries stand.
struct Version<'a> {
    document: Document<'a>,
    known: Known,
}

impl<'a> Version<'a> {
    fn read(bytes: &'a [u8], identities: &mut Identities) -> Version<'a> {
        let document = Document::read(bytes);
        Version {
            known: Known::of(&document, identities),
            document,
        }
    }

    fn said(&self, identity: &Identity) -> Vec<Said> {
        let lines = self.known.lines(identity).iter();
        lines.filter_map(|id| self.document.said(*id)).collect()
    }

    fn line(&self, identity: &Identity, nth: usize) -> Option<LineId> {
        self.known.lines(identity).get(nth).copied()
    }

    /// The edits, with their lines, that make an entry here into what it is in `other`.
    fn ops_to(&self, other: &Version<'_>, identity: &Identity) -> Vec<(Op, Option<LineId>)> {
        let (here, there) = (self.said(identity), other.said(identity));
        let lines = self.known.lines(identity);
        let (both, common) = (
            here.iter().zip(&there).zip(lines),
            here.len().min(there.len()),
        );
        let sets = both.filter(|((one, other), _)| one != other);
        let sets = sets.map(|((one, other), line)| {
            let op = Op::Set {
                which: Which {
                    entry: one.entry.clone(),
                    line: None,
                },
                to: Some(other.entry.clone()),
                tags: Some(other.tags.clone()),
                options: Some(other.options.clone()),
            };
            (op, Some(*line))
        });
        let gone = here.iter().zip(lines).skip(common);
        let removes = gone.map(|(one, line)| (Op::remove(&*one.entry), Some(*line)));
        // Of an entry that is new there is one line.
        let adds = there.iter().skip(common).map(|said| {
            let (said, section) = (said.clone(), None);
            (Op::Add { said, section }, None)
        });
        sets.chain(removes).chain(adds).collect()
    }

    /// Which of the lines of its entry an edit names.
    fn nth(&self, op: &Op, identities: &mut Identities) -> Option<(Identity, usize)> {
        let (Op::Set { which, .. } | Op::Remove { which }) = op else {
            return None;
        };
        let Which { entry, line } = which;
        let id = self.document.id_of((*line)?)?;
        let identity = identities.identity(entry);
        let nth = self
            .known
            .lines(&identity)
            .iter()
            .position(|one| *one == id)?;
        Some((identity, nth))
    }
}
