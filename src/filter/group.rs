//! Lists that read text the same way: one fold table, one pass, one automaton.

use super::fold::{FoldTable, SYMBOL, Stream};
use super::hits::{Allowed, Hit, Hits};
use super::matcher::{Candidate, Draft, Ends, Matcher};
use super::options::{AllowMode, Mode, Options, WholeWord};
use super::{CompileError, ENTRY_CHARS_MAX, Entry, ListSpec, Role};

/// Entries that begin so are patterns in other filters, and would never match as words.
const PATTERN_PREFIX: &str = "re:";

pub struct Group {
    table: FoldTable,
    entries: Matcher,
    phrases: Matcher,
}

/// What is looked for in one text.
pub struct Sought<'a> {
    pub text: &'a str,
    /// By list.
    pub active: &'a [bool],
    /// At least one of them holds allowed phrases.
    pub allow: bool,
    /// By list.
    pub modes: &'a [(Mode, AllowMode)],
}

/// What [`Group::find`] works with; kept from text to text.
#[derive(Default)]
pub struct Work {
    stream: Stream,
    hits: Hits,
    allowed: Allowed,
}

impl Group {
    /// Builds the group of the lists that are `members`, which all fold like `options`, and of
    /// every list of allowed phrases. Reports what is wrong with them to `problems`.
    pub fn build(
        options: &Options,
        lists: &[ListSpec],
        members: &[bool],
        problems: &mut Vec<CompileError>,
    ) -> Option<Group> {
        let table = FoldTable::build(options);
        let table = table.map_err(|wrong| {
            let blamed = lists.iter().zip(members).filter(|(_, member)| **member);
            problems.extend(blamed.flat_map(|(list, _)| {
                let errors = wrong.iter().cloned();
                errors.map(|what| CompileError::of_list(list, what))
            }));
        });
        let table = table.ok()?;
        let mut reader = Reader {
            table: &table,
            stream: Stream::default(),
            problems,
        };
        let (mut entries, mut phrases) = (Draft::default(), Draft::default());
        for (id, list) in lists.iter().enumerate() {
            match list.role {
                Role::Match if members[id] => reader.read(id, list, &mut entries),
                Role::Match => {}
                Role::Allow => reader.read(id, list, &mut phrases),
            }
        }
        Some(Group {
            entries: Matcher::build(entries),
            phrases: Matcher::build(phrases),
            table,
        })
    }

    /// A text as its entries are compared with it.
    pub fn folded(&self, text: &str) -> String {
        let mut stream = Stream::default();
        self.table.fold(text, &mut stream);
        let symbols = stream.symbols.iter().map(|symbol| symbol & SYMBOL);
        symbols.filter_map(char::from_u32).collect()
    }

    /// Appends what is reported to `reported`, list by list.
    pub fn find(&self, sought: &Sought, work: &mut Work, reported: &mut Vec<Hit>) {
        self.table.fold(sought.text, &mut work.stream);
        work.hits.clear();
        if sought.allow {
            self.find_unspared(sought, work);
        } else {
            self.find_hits(sought, &work.stream, &mut work.hits, |_| true);
        }
        if !work.hits.is_empty() {
            let mode = |list: u32| sought.modes[list as usize].0;
            work.hits.report(mode, reported);
        }
    }

    /// Finds hits and drops those that an allowed phrase spares. The phrases are looked for only
    /// if there is a hit, which is rare.
    fn find_unspared(&self, sought: &Sought, work: &mut Work) {
        let Work {
            stream,
            hits,
            allowed,
        } = work;
        let mut complete = true;
        self.entries.find(stream, sought.active, |candidate| {
            complete &= !hits.is_full();
            if complete {
                hits.push(located(sought.text, stream, &candidate));
            }
        });
        if hits.is_empty() {
            return;
        }
        self.find_allowed(sought, stream, allowed);
        let unspared = |hit: &Hit| !allowed.spares(hit, sought.modes[hit.list as usize].1);
        if complete {
            hits.retain(unspared);
        } else {
            // Too many to keep them all: look once more, now that the phrases are known.
            hits.clear();
            self.find_hits(sought, stream, hits, unspared);
        }
    }

    fn find_hits(
        &self,
        sought: &Sought,
        stream: &Stream,
        hits: &mut Hits,
        counts: impl Fn(&Hit) -> bool,
    ) {
        self.entries.find(stream, sought.active, |candidate| {
            let hit = located(sought.text, stream, &candidate);
            if counts(&hit) {
                hits.push(hit);
                if hits.is_full() {
                    hits.keep_longest();
                }
            }
        });
    }

    fn find_allowed(&self, sought: &Sought, stream: &Stream, allowed: &mut Allowed) {
        allowed.clear();
        self.phrases.find(stream, sought.active, |candidate| {
            let phrase = located(sought.text, stream, &candidate);
            allowed.push(phrase.start, phrase.end);
        });
        allowed.seal();
    }
}

/// Where a candidate stands in the original.
#[inline]
fn located(text: &str, stream: &Stream, candidate: &Candidate) -> Hit {
    let last = stream.origins[candidate.end - 1] as usize;
    let length = text[last..].chars().next().map_or(0, char::len_utf8);
    Hit {
        list: candidate.list,
        entry: candidate.entry,
        start: stream.origins[candidate.start],
        end: (last + length) as u32,
    }
}

/// Reads entries into a draft.
struct Reader<'a> {
    table: &'a FoldTable,
    stream: Stream,
    problems: &'a mut Vec<CompileError>,
}

impl Reader<'_> {
    fn read(&mut self, id: usize, list: &ListSpec, draft: &mut Draft) {
        for (number, entry) in list.entries.iter().enumerate() {
            if let Err(what) = self.read_entry((id, number), list, entry, draft) {
                self.problems.push(CompileError {
                    list: list.name.clone(),
                    line: entry.line,
                    what,
                });
            }
        }
    }

    fn read_entry(
        &mut self,
        (list, number): (usize, usize),
        spec: &ListSpec,
        entry: &Entry,
        draft: &mut Draft,
    ) -> Result<(), String> {
        let (text, mut ends) = without_wildcards(&entry.text);
        if spec.role == Role::Match {
            ends.whole_word = spec.options.whole_word;
        }
        let (list, number) = (list as u32, number as u32);
        self.table.fold(text, &mut self.stream);
        checked(&entry.text, &self.stream)?;
        draft.push(list, number, &self.stream.symbols, ends);
        // In a text of that script a lookalike stays itself, whatever it was in the entry alone.
        let settled = self.stream.symbols.clone();
        self.table.fold_keeping_scripts(text, &mut self.stream);
        if settled != self.stream.symbols {
            draft.push(list, number, &self.stream.symbols, ends);
        }
        Ok(())
    }
}

/// The entry without the `*` at either end, which says that the word may go on there.
fn without_wildcards(text: &str) -> (&str, Ends) {
    let mut ends = Ends {
        whole_word: WholeWord::Off,
        left_open: false,
        right_open: false,
    };
    let mut bare = text;
    if let Some(rest) = bare.strip_prefix('*') {
        (bare, ends.left_open) = (rest, true);
    }
    if let Some(rest) = bare.strip_suffix('*') {
        (bare, ends.right_open) = (rest, true);
    }
    if bare.chars().all(|c| c == '*') {
        // Nothing but stars: these are what is looked for.
        bare = text;
    }
    (bare, ends)
}

/// Refuses what can never match or would match everywhere.
fn checked(text: &str, folded: &Stream) -> Result<(), String> {
    if text.starts_with(PATTERN_PREFIX) {
        return Err(format!("`{text}`: patterns are not available yet"));
    }
    let blank = u32::from(' ');
    if folded.symbols.iter().all(|symbol| symbol & SYMBOL == blank) {
        return Err("the entry is nothing but blanks and what the options drop".to_owned());
    }
    let length = folded.symbols.len();
    if length > ENTRY_CHARS_MAX {
        return Err(format!(
            "the entry has {length} characters; {ENTRY_CHARS_MAX} are the most"
        ));
    }
    Ok(())
}
