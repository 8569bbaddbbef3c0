//! What is wrong with a file, where, and what to do about it.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// An error keeps a policy from coming into force; a warning does not, and a note may be as it is
/// meant: what it says of another program's settings callgate cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Note,
}

/// One thing wrong with a policy, a list or the engine settings.
///
/// Reads as `policies/policy.yaml:14:7: hooks.x.filters[1]: no list named `adds`; did you mean `ads`?`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as the operator knows it, or the name of an environment variable.
    pub file: String,
    /// From 1; 0 when the problem is about the whole file or an environment variable.
    pub line: u32,
    /// From 1, in characters; 0 together with `line`.
    pub column: u32,
    /// The keys that lead to the value: `hooks.beforeMsgModify.timeout`; may be empty.
    pub path: String,
    pub what: String,
    /// What to do about it; may be empty.
    #[serde(rename = "way_out")]
    pub hint: String,
    pub severity: Severity,
}

impl Problem {
    /// An error about a whole file.
    pub fn of_file(
        file: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        Problem {
            file: file.into(),
            line: 0,
            column: 0,
            path: String::new(),
            what: what.into(),
            hint: hint.into(),
            severity: Severity::Error,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: Arc<str>,
    /// From 1; 0 for a whole file or an environment variable.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Place {
    /// A file as a whole, or an environment variable.
    pub fn whole(file: &Arc<str>) -> Place {
        Place {
            file: Arc::clone(file),
            line: 0,
            column: 0,
        }
    }
}

/// A place together with the keys that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub place: Place,
    pub path: String,
}

impl At {
    pub fn file(file: &Arc<str>) -> At {
        At {
            place: Place::whole(file),
            path: String::new(),
        }
    }
}

/// Collects problems, so that every one is reported at once.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn error(&self, at: &At, what: impl Into<String>, hint: impl Into<String>) {
        self.add(at, what.into(), hint.into(), Severity::Error);
    }

    pub fn warning(&self, at: &At, what: impl Into<String>, hint: impl Into<String>) {
        self.add(at, what.into(), hint.into(), Severity::Warning);
    }

    pub fn note(&self, at: &At, what: impl Into<String>, hint: impl Into<String>) {
        self.add(at, what.into(), hint.into(), Severity::Note);
    }

    pub fn any_error(&self) -> bool {
        let problems = self.0.borrow();
        problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// All of them, in the order of the files, each once.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.path, &a.what)
                .cmp(&(&b.file, b.line, b.column, &b.path, &b.what))
        });
        problems.dedup();
        problems
    }

    fn add(&self, at: &At, what: String, hint: String, severity: Severity) {
        self.0.borrow_mut().push(Problem {
            file: at.place.file.to_string(),
            line: at.place.line,
            column: at.place.column,
            path: at.path.clone(),
            what,
            hint,
            severity,
        });
    }
}

/// Suggests the nearest of the known names, or lists them all when none is near.
pub fn suggest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(written, &known) {
        return format!("did you mean `{near}`?");
    }
    match known.len() {
        0 => String::new(),
        1 => format!("known is only `{}`", known[0]),
        _ => format!("known are `{}`", known.join("`, `")),
    }
}

/// A longer name is nothing that anybody mistyped. Comparing takes the product of both lengths.
const MISTYPED_CHARS_MAX: usize = 64;

fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if written.chars().nth(MISTYPED_CHARS_MAX).is_some() {
        return None;
    }
    let written = written.to_lowercase();
    let allowed = (written.chars().count() / 3).clamp(1, 4);
    known
        .iter()
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&written, &name.to_lowercase());
            (distance, *name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
