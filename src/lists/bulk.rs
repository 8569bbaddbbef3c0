//! Many edits at once: entries on trial that are taken or dropped, entries that are moved, and lists
//! of others.

use std::sync::PoisonError;

use serde::Serialize;

use super::edit::{Lists, NotSaved};
use crate::editor::{Document, Op, Said, What, Which};
use crate::import::{ImportedWords, WordImport, import_words};
use crate::policy::TRIAL;

/// What becomes of entries on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do what the list does.
    Promote,
    /// They leave the list.
    Drop,
}

/// What is to be added of a foreign list.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    #[serde(skip)]
    pub ops: Vec<Op>,
    /// How it was read, and what of it was left out.
    #[serde(flatten)]
    pub report: ImportedWords,
    /// Entries that the list has already.
    pub listed: usize,
}

impl Lists {
    /// The edits that end the trial of these entries; of all, where none is named.
    pub fn end_trial(
        &self,
        list: &str,
        entries: &[String],
        verdict: Verdict,
    ) -> Result<Vec<Op>, NotSaved> {
        let known = self.known(list)?;
        let content = self.content(&known)?;
        let identities = self.identities(&known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<_> = entries
            .iter()
            .map(|entry| identities.identity(entry))
            .collect();
        let document = Document::read(&content);
        let mut ops = Vec::new();
        for row in document.rows() {
            let What::Entry(line) = row.what else {
                continue;
            };
            let said = Said::of(&line);
            let on_trial = said.tags.iter().any(|tag| tag == TRIAL);
            if !on_trial
                || !wanted.is_empty() && !wanted.contains(&identities.identity(&said.entry))
            {
                continue;
            }
            let which = Which {
                entry: said.entry,
                line: Some(row.line),
            };
            ops.push(match verdict {
                Verdict::Drop => Op::Remove { which },
                Verdict::Promote => Op::Set {
                    which,
                    to: None,
                    tags: Some(said.tags.into_iter().filter(|tag| tag != TRIAL).collect()),
                    options: None,
                },
            });
        }
        Ok(ops)
    }

    /// The edits that take entries out of a list, each once in whatever spelling it is named.
    pub fn taking(&self, list: &str, entries: &[String]) -> Result<Vec<Op>, NotSaved> {
        let known = self.known(list)?;
        let identities = self.identities(&known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = std::collections::HashSet::new();
        let new = entries
            .iter()
            .filter(|entry| seen.insert(identities.identity(entry)));
        Ok(new.map(|entry| Op::remove(entry.as_str())).collect())
    }

    /// Reads a foreign list, and says what of it this one has not. Errors: it cannot be read.
    pub fn import(
        &self,
        list: &str,
        text: &[u8],
        import: &WordImport,
    ) -> Result<Imported, NotSaved> {
        let known = self.known(list)?;
        let content = self.content(&known)?;
        let report = import_words("", text, import).map_err(NotSaved::NotRead)?;
        let identities = self.identities(&known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = std::collections::HashSet::new();
        for row in Document::read(&content).rows() {
            if let What::Entry(line) = row.what {
                seen.insert(identities.identity(line.text()));
            }
        }
        let (mut ops, mut listed) = (Vec::new(), 0);
        for row in Document::read(report.list.as_bytes()).rows() {
            let What::Entry(line) = row.what else {
                continue;
            };
            match seen.insert(identities.identity(line.text())) {
                true => ops.push(Op::Add {
                    said: Said::of(&line),
                    section: None,
                }),
                false => listed += 1,
            }
        }
        Ok(Imported {
            ops,
            report,
            listed,
        })
    }
}

/// The same edits with what they add or set on trial.
pub fn as_trial(ops: Vec<Op>) -> Vec<Op> {
    let on_trial = |tags: &mut Vec<String>| {
        if !tags.iter().any(|tag| tag == TRIAL) {
            tags.push(TRIAL.to_owned());
        }
    };
    let trial = |mut op: Op| {
        match &mut op {
            Op::Add { said, .. } => on_trial(&mut said.tags),
            Op::Set {
                tags: Some(tags), ..
            } => on_trial(tags),
            Op::Set { .. } | Op::Remove { .. } => {}
        }
        op
    };
    ops.into_iter().map(trial).collect()
}
