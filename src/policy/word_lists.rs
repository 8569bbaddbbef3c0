//! One word list with all that it takes to try it: its entries, and the phrases that spare them.

use std::sync::Arc;

use super::compile::Compiled;
use super::lists::{self, Defaults};
use super::sources::{self, CompileContext, DEFAULTS, FileSet, POLICY_FILE, inside};
use super::spec::{self, Spec};
use crate::filter::{self, Options, Role};
use crate::settings::{At, Problem, Problems, Section, suggest};

/// A list that can match.
#[derive(Clone, Debug)]
pub struct WordList {
    pub words: filter::ListSpec,
    /// Its file as the operator knows it; `None` when its words stand in the policy.
    pub file: Option<Arc<str>>,
    /// The lists of allowed phrases that stand beside it in some hook.
    pub allowed: Vec<filter::ListSpec>,
}

impl WordList {
    /// A list of a policy that was compiled from these files, by its name. Errors: there is none
    /// of that name, or it only spares.
    pub fn of_policy(name: &str, files: &FileSet, compiled: &Compiled) -> Result<WordList, String> {
        let Some(snapshot) = &compiled.snapshot else {
            return Err("the policy has errors".to_owned());
        };
        let all = snapshot.filter.lists();
        let matching = all.iter().filter(|list| list.role == Role::Match);
        let found = all.iter().find(|list| list.name.eq_ignore_ascii_case(name));
        let Some(words) = found else {
            let known = matching.map(|list| &*list.name);
            return Err(format!("no list named `{name}`; {}", suggest(name, known)));
        };
        if words.role == Role::Allow {
            return Err(format!(
                "the list `{name}` only spares, so it finds nothing"
            ));
        }
        let stands_beside = |allow: &filter::ListSpec| {
            let mut hooks = snapshot.hooks();
            allow.role == Role::Allow
                && hooks.any(|rules| {
                    rules.lists.contains(&allow.name) && rules.lists.contains(&words.name)
                })
        };
        let allowed = all.iter().filter(|list| stands_beside(list)).cloned();
        Ok(WordList {
            words: filter::ListSpec {
                // Compiling appends the words of combinations again.
                entries: words.written().collect(),
                ..words.clone()
            },
            file: file_of(&words.name, files, compiled),
            allowed: allowed.collect(),
        })
    }

    /// The list that this file would be, with default options and limits. Errors: every problem
    /// of the file.
    pub fn of_file(file: &str, bytes: &[u8]) -> Result<WordList, Vec<Problem>> {
        let problems = Problems::default();
        let file: Arc<str> = file.into();
        let options = Options::default();
        let list = Defaults {
            tags: &[],
            options: &options,
        };
        let limits = default_spec().filters.limits;
        let read = lists::read(&file, bytes, list, &limits, &problems);
        if problems.any_error() {
            return Err(problems.into_sorted());
        }
        Ok(WordList {
            words: filter::ListSpec {
                name: Arc::clone(&file),
                role: Role::Match,
                options,
                entries: read.entries,
            },
            file: Some(file),
            allowed: Vec::new(),
        })
    }
}

fn file_of(list: &str, files: &FileSet, compiled: &Compiled) -> Option<Arc<str>> {
    let mut lists = compiled.spec.as_ref()?.lists.iter();
    let file = &lists.find(|spec| spec.name == list)?.file;
    let file = file.as_ref()?;
    Some(files.shown(inside(&file.name)))
}

/// The settings of a policy that says nothing.
fn default_spec() -> Spec {
    let empty = FileSet {
        root: String::new(),
        files: [(POLICY_FILE.to_owned(), Arc::from(DEFAULTS.as_bytes()))].into(),
    };
    let problems = Problems::default();
    let sources = sources::read(&empty, &CompileContext::default(), &problems);
    let settings = sources
        .expect("a test reads the built-in defaults")
        .settings;
    let file = At::file(&POLICY_FILE.into());
    spec::read(&Section::root(&settings, file, &problems), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_with_the_default_limits() {
        let list = WordList::of_file("l.txt", "赌博\tx\n".as_bytes()).unwrap();
        assert_eq!(list.words.entries.len(), 1);
        assert_eq!(list.words.entries.get(0).text, "赌博");
        let long = "x".repeat(129);
        let problems = WordList::of_file("l.txt", long.as_bytes()).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "l.txt:1:1: an entry of 129 characters; `filters.entry_chars_max` is 128"
        );
    }
}
