//! What there is to see of a list: its rows, a page at a time.

use std::fs;
use std::sync::{Arc, PoisonError};

use serde::Serialize;

use super::changed::{LastChange, last_changes, lines};
use super::edit::{Known, Lists, NotSaved};
use super::place::read_only;
use crate::editor::{Document, Op, Said, What};
use crate::policy::{self, CompileContext, FileSet, ListRules, read_list};
use crate::settings::{Problem, Problems, Severity};

/// Words of the policy itself that are shown.
const WORDS_MAX: usize = 1_000;

/// A list among the others.
#[derive(Clone, Debug, Serialize)]
pub struct ListShown {
    pub name: String,
    /// Relative to the policy directory; `None` for words that stand in policy.yaml.
    pub file: Option<String>,
    /// `allow` for a list of phrases that spare.
    pub action: &'static str,
    pub entries: usize,
    /// How many of them stand in policy.yaml itself.
    pub inline: usize,
}

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Behind this line.
    pub after: u32,
    pub rows_max: usize,
    /// Part of an entry, folded as the filter does, or of a tag.
    pub search: String,
    /// With when each changed last, which takes looking through versions.
    pub with_changes: bool,
}

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct RowShown {
    pub line: u32,
    #[serde(flatten)]
    pub said: Said,
    /// The heading of its section.
    pub section: Option<String>,
    /// What it leads to; `None` where it is not in force.
    pub action: Option<&'static str>,
    pub problems: Vec<Problem>,
    /// When it changed last; `None` where that was not asked for, or no versions are kept.
    #[serde(skip)]
    pub changed: Option<LastChange>,
}

/// Rows of a list, and what they are rows of.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    #[serde(flatten)]
    pub list: ListShown,
    #[serde(skip)]
    pub hash: String,
    pub policy: String,
    pub rows: Vec<RowShown>,
    /// Behind which line the next page begins.
    pub next: Option<u32>,
    /// The headings of the file.
    pub sections: Vec<String>,
    /// Words that stand in policy.yaml.
    pub words: Vec<String>,
    /// Why the file cannot be saved; empty if it can.
    pub locked: Vec<Problem>,
    /// Why it can only be had as a patch.
    pub read_only: Option<String>,
    /// What is on disk is what is in force.
    pub in_force: bool,
}

impl Lists {
    /// Every list of the policy in force, by name.
    pub fn all(&self) -> Vec<ListShown> {
        let snapshot = self.policies.current();
        snapshot.lists().map(shown).collect()
    }

    /// Whether there is such a list, in whatever case it is written; its name as the policy has it.
    pub fn name(&self, name: &str) -> Option<String> {
        let snapshot = self.policies.current();
        let mut lists = snapshot.lists();
        let found = lists.find(|list| list.name.eq_ignore_ascii_case(name))?;
        Some(found.name.to_string())
    }

    /// The other lists that stand in the same file: an edit of one is an edit of all.
    pub fn in_file_of(&self, name: &str) -> Vec<String> {
        let snapshot = self.policies.current();
        let file_of = |list: &ListRules| list.file.clone();
        let mut lists = snapshot.lists();
        let own = lists.find(|list| list.name.eq_ignore_ascii_case(name));
        let Some(file) = own.and_then(file_of) else {
            return Vec::new();
        };
        let same = snapshot
            .lists()
            .filter(|list| file_of(list).as_ref() == Some(&file));
        let others = same.filter(|list| !list.name.eq_ignore_ascii_case(name));
        others.map(|list| list.name.to_string()).collect()
    }

    /// The hash of a list's file as it is on disk, for an edit of it.
    pub fn hash(&self, name: &str) -> Result<String, NotSaved> {
        let known = self.known(name)?;
        Ok(self.bases.remember(&self.content(&known)?))
    }

    /// Rows of a list as it is on disk. Blocks for the disk.
    pub fn page(&self, name: &str, wanted: &Wanted) -> Result<Page, NotSaved> {
        let known = match self.known(name) {
            Err(NotSaved::NoFile(name)) => return self.inline(&name),
            known => known?,
        };
        let content = self.content(&known)?;
        let locked = broken(&known.file, &content);
        let document = Document::read(&content);
        let in_force = self.policies.in_force(&known.file);
        let in_force = in_force.is_some_and(|in_force| *in_force == *content);
        let mut page = Page {
            list: self.list(&known),
            hash: self.bases.remember(&content),
            policy: known.snapshot.version.to_string(),
            rows: Vec::new(),
            next: None,
            sections: Vec::new(),
            words: known.inline().take(WORDS_MAX).map(str::to_owned).collect(),
            locked,
            read_only: read_only(self.policies.directory(), &known.file),
            in_force,
        };
        self.rows(&known, &document, wanted, &mut page)?;
        let said: Vec<&Said> = page.rows.iter().map(|row| &row.said).collect();
        let problems = self.lint_of(&known, &said);
        for (row, problems) in page.rows.iter_mut().zip(problems) {
            row.problems = problems;
        }
        if let (Some(store), true) = (&self.versions, wanted.with_changes) {
            let all: Vec<&[u8]> = lines(&content).collect();
            let at = page.rows.iter().map(|row| row.line as usize - 1);
            let own: Vec<&[u8]> = at
                .map(|at| all.get(at).copied().unwrap_or_default())
                .collect();
            let changes = last_changes(store, &known.file, &own);
            for (row, changed) in page.rows.iter_mut().zip(changes) {
                row.changed = Some(changed);
            }
        }
        Ok(page)
    }

    fn rows(
        &self,
        known: &Known,
        document: &Document<'_>,
        wanted: &Wanted,
        page: &mut Page,
    ) -> Result<(), NotSaved> {
        let identities = self.identities(known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let search = wanted.search.trim();
        let folded = identities.folded(search);
        let (mut section, mut number): (Option<String>, u32) = (None, 0);
        for row in document.rows() {
            let entry = match row.what {
                What::Heading(text) => {
                    let text = text.trim_start_matches('#').trim().to_owned();
                    page.sections.push(text.clone());
                    section = Some(text);
                    continue;
                }
                What::Entry(entry) => entry,
                What::Comment(_) | What::Blank | What::Broken => continue,
            };
            number += 1;
            if row.line <= wanted.after || page.next.is_some() {
                continue;
            }
            let is_sought = search.is_empty()
                || entry.text().contains(search)
                || entry.tags().any(|tag| tag == search)
                || !folded.trim().is_empty() && identities.folded(entry.text()).contains(&*folded);
            if !is_sought {
                continue;
            }
            if page.rows.len() >= wanted.rows_max {
                page.next = page.rows.last().map(|row| row.line);
                continue;
            }
            let rules = known.rules().filter(|_| page.in_force);
            let action = rules.and_then(|rules| rules.action_of(number - 1));
            page.rows.push(RowShown {
                line: row.line,
                said: Said::of(&entry),
                section: section.clone(),
                action: action.map(|action| action.name()),
                problems: Vec::new(),
                changed: None,
            });
        }
        Ok(())
    }

    /// A list whose words stand in policy.yaml.
    fn inline(&self, name: &str) -> Result<Page, NotSaved> {
        let snapshot = self.policies.current();
        let rules = snapshot.list(name);
        let rules = rules.ok_or_else(|| NotSaved::NoList(name.to_owned(), String::new()))?;
        let words = snapshot.words(name).map(|words| words.written());
        let words = words.into_iter().flatten().take(WORDS_MAX);
        Ok(Page {
            list: shown(rules),
            hash: String::new(),
            policy: snapshot.version.to_string(),
            rows: Vec::new(),
            next: None,
            sections: Vec::new(),
            words: words.map(|word| word.text.to_owned()).collect(),
            locked: Vec::new(),
            read_only: None,
            in_force: true,
        })
    }

    pub(super) fn content(&self, known: &Known) -> Result<Arc<[u8]>, NotSaved> {
        self.on_disk(&known.file)
    }

    pub(super) fn on_disk(&self, file: &str) -> Result<Arc<[u8]>, NotSaved> {
        let path = self.policies.directory().join(file);
        let content = fs::read(&path);
        let content = content.map_err(|error| {
            NotSaved::Unreadable(Problem::of_file(
                path.display().to_string(),
                format!("cannot be read: {error}"),
                "check that it exists and may be read",
            ))
        })?;
        Ok(content.into())
    }

    fn list(&self, known: &Known) -> ListShown {
        let rules = known.rules().expect("it was found in this snapshot");
        shown(rules)
    }

    /// What `callgate check` says of each entry that is added or set.
    pub fn lint(&self, name: &str, ops: &[Op]) -> Result<Vec<Vec<Problem>>, NotSaved> {
        let known = self.known(name)?;
        let said: Vec<Said> = ops.iter().filter_map(Op::said).collect();
        Ok(self.lint_of(&known, &said.iter().collect::<Vec<_>>()))
    }

    /// What `callgate check` says of each of these entries alone, and that of the policy in force
    /// finds in them already.
    pub(super) fn lint_of(&self, known: &Known, entries: &[&Said]) -> Vec<Vec<Problem>> {
        let mut found = vec![Vec::new(); entries.len()];
        let mut content = String::new();
        for said in entries {
            content.push_str(&policy::written_entry(&said.entry));
            for column in [said.tags.join(","), said.options.clone()] {
                if !column.is_empty() {
                    content.push('\t');
                    content.push_str(&column);
                }
            }
            content.push('\n');
        }
        let files = self.alone(known, content.into_bytes());
        let compiled = policy::compile_untried(&files, &self.alone_context(), 0);
        let linted = policy::lint(&files, &compiled);
        let own = |problem: &Problem| problem.line > 0 && problem.file.ends_with(&*known.file);
        for mut problem in compiled.problems.into_iter().chain(linted).filter(own) {
            if let Some(of) = found.get_mut(problem.line as usize - 1) {
                // Where it stands in this file is of no use to anybody.
                (problem.line, problem.column) = (0, 0);
                of.push(problem);
            }
        }
        found
    }

    /// Nothing but entries is looked at, so no secret is read for it.
    fn alone_context(&self) -> CompileContext {
        CompileContext {
            check_secret: None,
            check_tls: None,
            check_token: None,
            ..self.policies.context().clone()
        }
    }

    /// The files of the policy with this content of the list, and nothing in the other lists but
    /// what spares.
    fn alone(&self, known: &Known, content: Vec<u8>) -> FileSet {
        let mut files = self.policies.files();
        for list in known.snapshot.lists() {
            if let (Some(file), Some(_)) = (&list.file, list.action) {
                files.files.insert(file.to_string(), Arc::from([]));
            }
        }
        files.files.insert(known.file.to_string(), content.into());
        files
    }
}

fn shown(rules: &ListRules) -> ListShown {
    ListShown {
        name: rules.name.to_string(),
        file: rules.file.as_ref().map(ToString::to_string),
        action: rules.action.map_or("allow", |action| action.name()),
        entries: rules.entries,
        inline: rules.words,
    }
}

/// What keeps a file from being a list.
fn broken(file: &str, content: &[u8]) -> Vec<Problem> {
    let problems = Problems::default();
    read_list(file, content, &problems);
    let problems = problems.into_sorted().into_iter();
    let errors = problems.filter(|problem| problem.severity == Severity::Error);
    errors.collect()
}
