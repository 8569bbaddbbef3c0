//! The filter as the cases see it: one list of words, one of allowed phrases.

use std::rc::Rc;
use std::sync::Arc;

use callgate::filter::{Entry, Filter, ListSet, ListSpec, Match, Options, Role, Scratch, mask};

use super::{Finding, Reading};

/// A compiled list of words and the phrases that it allows.
pub struct Words {
    filter: Rc<Filter>,
    name: String,
    set: ListSet,
    scratch: Scratch,
    matches: Vec<Match>,
}

impl Words {
    /// Errors: what the filter refuses, as it says it.
    pub fn new(words: &[String], allow: &[String], options: &Options) -> Result<Words, String> {
        let mut lists = Words::together(&[(words, allow)], options)?;
        Ok(lists.remove(0))
    }

    /// Compiles several lists of words, each with its phrases, in one filter.
    pub fn together(
        lists: &[(&[String], &[String])],
        options: &Options,
    ) -> Result<Vec<Words>, String> {
        let names = |nth: usize| [format!("words {nth}"), format!("allow {nth}")];
        let specs = lists.iter().enumerate().flat_map(|(nth, (words, allow))| {
            let [name, allow_name] = names(nth);
            [
                list(&name, Role::Match, options, words),
                list(&allow_name, Role::Allow, &Options::default(), allow),
            ]
        });
        let filter = Filter::compile(specs.collect()).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ")
        })?;
        let filter = Rc::new(filter);
        let words = (0..lists.len()).map(|nth| {
            let [name, allow_name] = names(nth);
            Words {
                set: filter.list_set(&[&name, &allow_name]),
                filter: Rc::clone(&filter),
                name,
                scratch: Scratch::default(),
                matches: Vec::new(),
            }
        });
        Ok(words.collect())
    }

    /// How many matches there are; takes no memory for them once it has read such a text.
    pub fn count(&mut self, text: &str) -> usize {
        self.scan(text);
        self.matches.len()
    }

    fn scan(&mut self, text: &str) {
        self.matches.clear();
        self.filter
            .scan(text, &self.set, &mut self.scratch, &mut self.matches);
    }

    pub fn run(&mut self, text: &str) -> Reading {
        self.scan(text);
        let matches = &self.matches;
        let cuts: Vec<_> = matches
            .iter()
            .map(|found| (found.span.bytes.clone(), self.filter.mask_of(found)))
            .collect();
        let found = matches.iter().map(|found| Finding {
            word: self.filter.entry(found.list, found.entry).text.to_owned(),
            matched: text[found.span.bytes.clone()].to_owned(),
            chars: [found.span.chars.start, found.span.chars.end],
            bytes: [found.span.bytes.start, found.span.bytes.end],
            utf16: [found.span.utf16.start, found.span.utf16.end],
        });
        Reading {
            found: found.collect(),
            masked: mask(text, &cuts, &[], false),
        }
    }

    /// A text as the words are compared with it.
    pub fn folded(&self, text: &str) -> String {
        self.filter
            .folded(&self.name, text)
            .expect("the list of words can match")
    }
}

fn list(name: &str, role: Role, options: &Options, words: &[String]) -> ListSpec {
    let entries = words.iter().zip(1..).map(|(word, line)| Entry {
        text: word.clone(),
        line,
        tags: Arc::new([]),
        options: None,
    });
    ListSpec {
        name: name.into(),
        role,
        options: options.clone(),
        entries: entries.collect(),
    }
}
