//! Makes edits in a document.

use std::borrow::Cow;
use std::collections::HashMap;

use super::document::{Document, LineId};
use super::layout::Layout;
use super::op::{Op, OpProblem, Said, Which, check, columns};
use crate::filter::{Identities, Identity};
use crate::policy::{EntryLine, written_entry};

/// What came of edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub bytes: Vec<u8>,
    pub added: u64,
    pub set: u64,
    pub removed: u64,
    /// The lines that were removed, in the order of the edits, each without its end.
    pub taken: Vec<String>,
}

/// Makes all of these edits, one after the other, or none of them.
///
/// Errors: each edit that cannot be made, with a reason; those behind it are tried as if it were
/// not there.
pub fn apply(
    bytes: &[u8],
    ops: &[Op],
    identities: &mut Identities,
) -> Result<Applied, Vec<OpProblem>> {
    let document = Document::read(bytes);
    let known = Known::of(&document, identities);
    let numbered: Vec<_> = ops
        .iter()
        .enumerate()
        .map(|(at, op)| (at, Cow::Borrowed(op), None))
        .collect();
    Editing::new(document, known).run(&numbered, identities)
}

/// Where each entry stands.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Identity, Vec<LineId>>);

impl Known {
    pub(super) fn of(document: &Document<'_>, identities: &mut Identities) -> Known {
        let mut known = Known::default();
        for id in document.ids() {
            if let Some(entry) = document.entry(id) {
                let identity = identities.identity(entry.text());
                known.0.entry(identity).or_default().push(id);
            }
        }
        known
    }

    pub(super) fn lines(&self, identity: &Identity) -> &[LineId] {
        self.0.get(identity).map_or(&[], Vec::as_slice)
    }
}

/// A document that is being edited.
pub(super) struct Editing<'a> {
    document: Document<'a>,
    known: Known,
    layout: Layout,
    counts: [u64; 3],
    taken: Vec<String>,
}

/// An edit with its number, and the line that it means where that was found already.
pub(super) type Numbered<'o> = (usize, Cow<'o, Op>, Option<LineId>);

type Wrong = (String, String);

impl<'a> Editing<'a> {
    pub(super) fn new(document: Document<'a>, known: Known) -> Editing<'a> {
        Editing {
            layout: Layout::of(&document),
            document,
            known,
            counts: [0; 3],
            taken: Vec::new(),
        }
    }

    pub(super) fn run(
        mut self,
        ops: &[Numbered<'_>],
        identities: &mut Identities,
    ) -> Result<Applied, Vec<OpProblem>> {
        let mut problems = Vec::new();
        for (number, op, at) in ops {
            let checked = check(op).map_err(|(what, hint)| (what, hint.to_owned()));
            let done = checked.and_then(|()| self.one(op, *at, identities));
            if let Err((what, hint)) = done {
                problems.push(OpProblem {
                    op: *number,
                    entry: op.entries().next().unwrap_or_default().to_owned(),
                    what,
                    hint,
                });
            }
        }
        match problems.is_empty() {
            true => Ok(self.applied()),
            false => Err(problems),
        }
    }

    pub(super) fn applied(self) -> Applied {
        let [added, set, removed] = self.counts;
        Applied {
            bytes: self.document.to_bytes(),
            added,
            set,
            removed,
            taken: self.taken,
        }
    }

    fn one(
        &mut self,
        op: &Op,
        at: Option<LineId>,
        identities: &mut Identities,
    ) -> Result<(), Wrong> {
        match op {
            Op::Add { said, section } => self.add(said, section.as_deref(), identities),
            Op::Set {
                which,
                to,
                tags,
                options,
            } => {
                let id = self.only(which, at, identities)?;
                let to = Change {
                    entry: to.as_deref(),
                    tags: tags.as_deref(),
                    options: options.as_deref(),
                };
                self.set(id, &to, identities)
            }
            Op::Remove { which } => {
                let ids = self.all(which, at, identities)?;
                let identity = identities.identity(&which.entry);
                for id in &ids {
                    let line = self.document.entry(*id);
                    self.taken.extend(line.map(|line| line.line.to_owned()));
                    self.document.remove(*id);
                }
                self.counts[2] += ids.len() as u64;
                if let Some(left) = self.known.0.get_mut(&identity) {
                    left.retain(|id| !ids.contains(id));
                }
                Ok(())
            }
        }
    }

    fn add(
        &mut self,
        said: &Said,
        section: Option<&str>,
        identities: &mut Identities,
    ) -> Result<(), Wrong> {
        let identity = identities.identity(&said.entry);
        self.must_be_new(&identity, &said.entry, None)?;
        let section = match section {
            None => self.layout.section_for(said),
            Some(heading) => self.layout.section(heading).ok_or_else(|| {
                let what = format!("no section has the heading `{heading}`");
                (what, "write one of the file's, or leave it out".to_owned())
            })?,
        };
        self.insert(section, identity, said, &said.to_line());
        Ok(())
    }

    /// Adds a line as it is written, unless its entry is there already; `false` if that.
    pub(super) fn take_over(&mut self, line: &str, identities: &mut Identities) -> bool {
        let Some(said) = Said::read(line) else {
            return false;
        };
        let identity = identities.identity(&said.entry);
        if !self.known.lines(&identity).is_empty() {
            return false;
        }
        let section = self.layout.section_for(&said);
        self.insert(section, identity, &said, line);
        true
    }

    fn insert(&mut self, section: usize, identity: Identity, said: &Said, line: &str) {
        let (after, at) = self.layout.place(section, &said.entry);
        let id = self.document.insert(after, line);
        self.layout.added(section, at, said, id);
        self.known.0.entry(identity).or_default().push(id);
        self.counts[0] += 1;
    }

    fn set(&mut self, id: LineId, to: &Change, identities: &mut Identities) -> Result<(), Wrong> {
        let Some(line) = self.document.entry(id) else {
            return Err(("it is no entry any more".to_owned(), String::new()));
        };
        let text = line.text().to_owned();
        let changed = to.write(&line);
        let before = identities.identity(&text);
        if let Some(entry) = to.entry {
            let now = identities.identity(entry);
            if now != before {
                self.must_be_new(&now, entry, Some(id))?;
                self.known.0.entry(now).or_default().push(id);
                if let Some(left) = self.known.0.get_mut(&before) {
                    left.retain(|one| *one != id);
                }
            }
        }
        if let Some(line) = changed {
            self.document.replace(id, &line);
            self.counts[1] += 1;
        }
        Ok(())
    }

    fn must_be_new(
        &self,
        identity: &Identity,
        entry: &str,
        but: Option<LineId>,
    ) -> Result<(), Wrong> {
        let mut lines = self.known.lines(identity).iter();
        let Some(id) = lines.find(|id| Some(**id) != but) else {
            return Ok(());
        };
        let place = match self.document.line_of(*id) {
            Some(line) => format!("line {line}"),
            None => "an edit before this one".to_owned(),
        };
        let what = match self.document.said(*id) {
            Some(said) if said.entry != entry => {
                let listed = said.entry;
                format!("`{entry}` is the same as `{listed}` ({place}) once both are folded")
            }
            _ => format!("`{entry}` stands in {place} already"),
        };
        Err((what, "set that entry instead".to_owned()))
    }

    /// Every line that is meant.
    fn all(
        &self,
        which: &Which,
        at: Option<LineId>,
        identities: &mut Identities,
    ) -> Result<Vec<LineId>, Wrong> {
        let identity = identities.identity(&which.entry);
        let lines = self.known.lines(&identity);
        let chosen: Vec<LineId> = match (at, which.line) {
            (Some(at), _) => lines.iter().filter(|id| **id == at).copied().collect(),
            (None, Some(line)) => {
                let id = self.document.id_of(line).filter(|id| lines.contains(id));
                id.into_iter().collect()
            }
            (None, None) => lines.to_vec(),
        };
        match (chosen.is_empty(), lines.first()) {
            (false, _) => Ok(chosen),
            (true, None) => {
                let what = format!("`{}` is not in the list", which.entry);
                Err((what, "look at the list as it is now".to_owned()))
            }
            (true, Some(_)) => {
                let line = which.line.unwrap_or_default();
                let what = format!("`{}` does not stand in line {line}", which.entry);
                Err((what, format!("it stands in {}", self.places(lines))))
            }
        }
    }

    /// The one line that is meant: of several that of exactly this spelling.
    fn only(
        &self,
        which: &Which,
        at: Option<LineId>,
        identities: &mut Identities,
    ) -> Result<LineId, Wrong> {
        let all = self.all(which, at, identities)?;
        let spelt = |id: &&LineId| {
            let said = self.document.said(**id);
            said.is_some_and(|said| said.entry == which.entry)
        };
        let exact: Vec<LineId> = all.iter().filter(spelt).copied().collect();
        match (&all[..], &exact[..]) {
            ([one], _) | (_, [one]) => Ok(*one),
            _ => {
                let what = format!("`{}` stands in {}", which.entry, self.places(&all));
                Err((what, "say which by `line`".to_owned()))
            }
        }
    }

    fn places(&self, ids: &[LineId]) -> String {
        let lines = ids.iter().filter_map(|id| self.document.line_of(*id));
        let lines: Vec<String> = lines.map(|line| format!("line {line}")).collect();
        match lines.is_empty() {
            true => "an edit before this one".to_owned(),
            false => lines.join(" and "),
        }
    }
}

/// What a line says otherwise.
struct Change<'c> {
    entry: Option<&'c str>,
    tags: Option<&'c [String]>,
    options: Option<&'c str>,
}

impl Change<'_> {
    /// The line as it is then, with every byte that may stay; `None` if all of it says so already.
    fn write(&self, line: &EntryLine<'_>) -> Option<String> {
        let said = Said::of(line);
        let entry = self.entry.filter(|entry| *entry != said.entry);
        let tags = self.tags.filter(|tags| **tags != said.tags);
        let options = self.options.filter(|options| *options != said.options);
        if entry.is_none() && tags.is_none() && options.is_none() {
            return None;
        }
        let mut written = line.line[..line.written.start].to_owned();
        match entry {
            Some(entry) => written.push_str(&written_entry(entry)),
            None => written.push_str(&line.line[line.written.clone()]),
        }
        // Nothing but white space follows the columns.
        let end = line.own.end.max(line.written.end);
        if tags.is_some() || options.is_some() {
            let tags = tags.unwrap_or(&said.tags);
            written.push_str(&columns(tags, options.unwrap_or(&said.options)));
        } else {
            written.push_str(&line.line[line.written.end..end]);
        }
        written.push_str(&line.line[end..]);
        Some(written)
    }
}
