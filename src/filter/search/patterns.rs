//! Entries that are no words: regular expressions (`re:…`) and ready-made detectors of contacts
//! (`contact:…`).

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::contact::{Contact, Folded};
use super::word::EntryOf;
use crate::filter::list::{CompileError, ListSpec};
use crate::filter::options::SkipClasses;
use crate::filter::result::Hit;
use crate::filter::text::Stream;

const REGEX: &str = "re:";
const CONTACT: &str = "contact:";
/// Regular expressions of all lists of one folding, at most.
const REGEXES_MAX: usize = 1_000;
const REGEX_CHARS_MAX: usize = 1_024;
/// Bytes of one compiled regular expression, at most.
const REGEX_SIZE_MAX: usize = 1 << 20;
/// Bytes of all of them together, at most.
const SET_SIZE_MAX: usize = 1 << 26;
/// Matches of one expression in one text. Finding all could take time by the square of the
/// text's length; past this many the rest of the text is one match.
const MATCHES_MAX: usize = 256;

/// How a list reads what its patterns are looked for in.
#[derive(Clone, Copy)]
struct Reads {
    /// Upper and lower case differ.
    case: bool,
    skip: SkipClasses,
}

/// The entry is no word.
pub fn is_pattern(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with(REGEX) || text.starts_with(CONTACT)
}

/// The entry is a regular expression.
pub fn is_regex(text: &str) -> bool {
    text.starts_with(REGEX)
}

/// The patterns of a group. Regular expressions run on the original text, detectors on the folded
/// one, where every digit is plain.
#[derive(Default)]
pub(crate) struct Patterns {
    /// Says which of `regexes` match at all.
    set: RegexSet,
    /// With whether upper and lower case differ.
    regexes: Vec<(EntryOf, (Regex, bool))>,
    contacts: Vec<(EntryOf, Contact)>,
}

impl Patterns {
    /// Compiles the patterns of the lists that are `members`. Reports what is wrong with them.
    pub(crate) fn build(
        lists: &[ListSpec],
        members: &[bool],
        problems: &mut Vec<CompileError>,
    ) -> Patterns {
        let mut patterns = Patterns::default();
        for (id, list) in lists.iter().enumerate().filter(|(id, _)| members[*id]) {
            let entries = list.entries.iter().enumerate();
            for (number, entry) in entries.filter(|(_, entry)| entry.options.is_none()) {
                let reads = Reads {
                    case: !list.options.case,
                    skip: list.options.skip,
                };
                let of = EntryOf {
                    list: id as u32,
                    entry: number as u32,
                };
                if let Err(what) = patterns.add(of, entry.text.trim(), reads) {
                    problems.push(CompileError {
                        list: list.name.clone(),
                        line: entry.line,
                        what,
                    });
                }
            }
        }
        let all = patterns
            .regexes
            .iter()
            .map(|(_, (regex, case))| match case {
                true => regex.as_str().to_owned(),
                false => format!("(?i:{})", regex.as_str()),
            });
        match RegexSetBuilder::new(all).size_limit(SET_SIZE_MAX).build() {
            Ok(set) => patterns.set = set,
            Err(_) => {
                let blamed = patterns
                    .regexes
                    .first()
                    .map(|(of, _)| &lists[of.list as usize]);
                problems.extend(blamed.map(|list| {
                    let what = format!("the regular expressions of all lists together need more than {SET_SIZE_MAX} bytes; write fewer or simpler ones");
                    CompileError::of_list(list, what)
                }));
            }
        }
        patterns
    }

    fn add(&mut self, of: EntryOf, entry: &str, reads: Reads) -> Result<(), String> {
        if let Some(regex) = entry.strip_prefix(REGEX) {
            if self.regexes.len() == REGEXES_MAX {
                return Err(format!("more than {REGEXES_MAX} regular expressions"));
            }
            self.regexes.push((of, compiled(regex, reads.case)?));
        } else if let Some(name) = entry.strip_prefix(CONTACT) {
            self.contacts.push((of, Contact::named(name, reads.skip)?));
        }
        Ok(())
    }

    /// Reports every match of the active lists' patterns.
    pub(crate) fn find(
        &self,
        text: &str,
        active: &[bool],
        stream: &Stream,
        found: &mut impl FnMut(Hit),
    ) {
        if !self.regexes.is_empty() {
            for number in self.set.matches(text) {
                let (of, (regex, _)) = &self.regexes[number];
                if active[of.list as usize] {
                    find_all(regex, text, |start, end| found(hit(*of, start, end)));
                }
            }
        }
        let contacts = self.contacts.iter();
        let mut contacts = contacts
            .filter(|(of, _)| active[of.list as usize])
            .peekable();
        if contacts.peek().is_some() {
            let folded = Folded::new(text, stream);
            for (of, contact) in contacts {
                contact.find(&folded, |start, end| found(hit(*of, start, end)));
            }
        }
    }
}

fn hit(of: EntryOf, start: usize, end: usize) -> Hit {
    Hit {
        list: of.list,
        entry: of.entry,
        start: start as u32,
        end: end as u32,
    }
}

fn find_all(regex: &Regex, text: &str, mut found: impl FnMut(usize, usize)) {
    let matches = regex.find_iter(text).filter(|found| !found.is_empty());
    for (count, one) in matches.enumerate() {
        if count == MATCHES_MAX {
            found(one.start(), text.len());
            return;
        }
        found(one.start(), one.end());
    }
}

fn compiled(regex: &str, case: bool) -> Result<(Regex, bool), String> {
    let length = regex.chars().count();
    if length > REGEX_CHARS_MAX {
        return Err(format!(
            "the regular expression has {length} characters; {REGEX_CHARS_MAX} are the most"
        ));
    }
    let built = RegexBuilder::new(regex)
        .case_insensitive(!case)
        .size_limit(REGEX_SIZE_MAX)
        .build();
    let built = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the regular expression needs more than {limit} bytes; write a simpler one")
        }
        error => {
            // The last line says what is wrong; those before it draw where.
            let shown = error.to_string();
            let reason = shown.lines().last().unwrap_or_default();
            format!(
                "`{REGEX}{regex}` is no regular expression: {}",
                reason.trim_start_matches("error: ")
            )
        }
    })?;
    if built.is_match("") {
        return Err(format!(
            "`{REGEX}{regex}` matches where nothing is, so everywhere"
        ));
    }
    Ok((built, case))
}
