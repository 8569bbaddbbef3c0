//! Word list files: one entry a line.
//!
//! Shape: `entry`, or behind it, each after a TAB, `tag,tag` and what the entry says for itself:
//! `entry<TAB>tag<TAB>{action: flag, leet: true}`, with the keys of a list's options. Blanks around an entry are dropped, inside they
//! count. A line that begins with `#` is a comment; an entry that begins with `#` is written
//! `\#…`, one that begins with a backslash `\\…`. UTF-8, with or without byte-order mark, lines
//! end with LF or CRLF.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::list_line::ListLine;
use super::spec::{ListLimits, OwnSettings, read_own};
use crate::decision::ListAction;
use crate::filter::{EntryRef, EntryTable, Options};
use crate::settings::{
    At, Place, Problem, Problems, Section, Severity, Value, parse, place_of_byte,
};

/// Beyond this many problems of one file only their number is told.
const PROBLEMS_MAX: usize = 20;

/// What the list itself says, which its entries add to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults<'a> {
    /// They come before the tags of each entry.
    pub tags: &'a [String],
    pub options: &'a Options,
}

/// The entries of a list.
#[derive(Debug, Default)]
pub struct Entries {
    pub entries: EntryTable,
    /// What entries lead to by their own word, by their number.
    pub actions: BTreeMap<u32, ListAction>,
}

/// Reads a list that no policy names: default options, no tags, no limits.
pub fn read_list(file: &str, bytes: &[u8], problems: &Problems) -> Entries {
    let limits = ListLimits {
        entries_max: usize::MAX,
        list_bytes_max: u64::MAX,
        entry_chars_max: usize::MAX,
    };
    let list = Defaults {
        tags: &[],
        options: &Options::default(),
    };
    read(&file.into(), bytes, list, &limits, problems)
}

/// Reads a list file.
pub(super) fn read(
    file: &Arc<str>,
    bytes: &[u8],
    list: Defaults<'_>,
    limits: &ListLimits,
    problems: &Problems,
) -> Entries {
    if bytes.len() as u64 > limits.list_bytes_max {
        problems.error(
            &At::file(file),
            format!("the list has {} bytes", bytes.len()),
            format!("`filters.list_bytes_max` is {}", limits.list_bytes_max),
        );
        return Entries::default();
    }
    let mut reading = Reading {
        file,
        list_tags: list.tags.into(),
        list_options: list.options,
        limits,
        problems,
        faults: 0,
        own: HashMap::new(),
        read: Entries::default(),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (line, raw) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        reading.line(line, raw);
    }
    reading.end()
}

struct Reading<'a> {
    file: &'a Arc<str>,
    /// Shared by all entries that have no tags of their own.
    list_tags: Arc<[String]>,
    list_options: &'a Options,
    limits: &'a ListLimits,
    problems: &'a Problems,
    faults: usize,
    /// Own settings of entries as they are written; many entries say the same.
    own: HashMap<String, Own>,
    read: Entries,
}

/// What an entry says for itself.
#[derive(Clone, Default)]
struct Own {
    options: Option<Arc<Options>>,
    action: Option<ListAction>,
}

impl Reading<'_> {
    fn line(&mut self, line: u32, raw: &[u8]) {
        let text = match std::str::from_utf8(raw) {
            Ok(text) => text.trim(),
            Err(error) => {
                let column = place_of_byte(self.file, raw, error.valid_up_to()).column;
                return self.fault(line, column, "this is not UTF-8", "save the file as UTF-8");
            }
        };
        let ListLine::Entry(read) = ListLine::read(text) else {
            return;
        };
        let (entry, tags, own) = (read.text(), read.tags(), read.own());
        let chars = entry.chars().count();
        if chars > self.limits.entry_chars_max {
            let hint = format!(
                "`filters.entry_chars_max` is {}",
                self.limits.entry_chars_max
            );
            return self.fault(line, 1, &format!("an entry of {chars} characters"), &hint);
        }
        if self.read.entries.len() >= self.limits.entries_max {
            let hint = format!("`filters.entries_max` is {}", self.limits.entries_max);
            return self.fault(line, 1, "one entry too many", &hint);
        }
        let own = match own {
            "" => Own::default(),
            own => self.own(line, (text.len() - own.len(), text), own),
        };
        let tags = self.tags(tags);
        let number = self.read.entries.len() as u32;
        self.read
            .actions
            .extend(own.action.map(|action| (number, action)));
        self.read.entries.push(EntryRef {
            text: entry,
            line,
            tags: &tags,
            options: own.options.as_ref(),
        });
    }

    /// Reads the settings that stand `at` bytes into a line.
    fn own(&mut self, line: u32, (at, text): (usize, &str), written: &str) -> Own {
        if let Some(known) = self.own.get(written) {
            return known.clone();
        }
        let problems = Problems::default();
        let own = self.read_own(written, &problems);
        let columns = text[..at].chars().count() as u32;
        for problem in problems.into_sorted() {
            self.own_fault(line, columns, problem);
        }
        self.own.insert(written.to_owned(), own.clone());
        own
    }

    fn read_own(&self, written: &str, problems: &Problems) -> Own {
        let Ok(Some(node)) = parse(self.file, written.as_bytes(), problems) else {
            return Own::default();
        };
        let Value::Map(map) = &node.value else {
            return Own::default();
        };
        let section = Section::root(map, At::file(self.file), problems);
        let OwnSettings { options, action } = read_own(&section, self.list_options);
        Own {
            options: options.map(Arc::new),
            action,
        }
    }

    /// Reports what is wrong inside the settings of an entry, where it is in the file.
    fn own_fault(&mut self, line: u32, columns: u32, problem: Problem) {
        let at = At {
            place: Place {
                file: Arc::clone(self.file),
                line,
                column: columns + problem.column.max(1),
            },
            path: problem.path,
        };
        match problem.severity {
            Severity::Error => self.fault_at(&at, &problem.what, &problem.hint),
            Severity::Warning | Severity::Note => {
                self.problems.warning(&at, problem.what, problem.hint)
            }
        }
    }

    fn tags<'t>(&self, written: impl Iterator<Item = &'t str>) -> Arc<[String]> {
        let mut written = written.peekable();
        if written.peek().is_none() {
            return Arc::clone(&self.list_tags);
        }
        let list = self.list_tags.iter().map(String::as_str);
        let all = list.map(str::to_owned).chain(written.map(str::to_owned));
        all.collect()
    }

    fn fault(&mut self, line: u32, column: u32, what: &str, hint: &str) {
        let place = Place {
            file: Arc::clone(self.file),
            line,
            column,
        };
        let at = At {
            place,
            path: String::new(),
        };
        self.fault_at(&at, what, hint);
    }

    fn fault_at(&mut self, at: &At, what: &str, hint: &str) {
        self.faults += 1;
        if self.faults <= PROBLEMS_MAX {
            self.problems.error(at, what, hint);
        }
    }

    fn end(self) -> Entries {
        if self.faults > PROBLEMS_MAX {
            let what = format!("{} more lines have problems", self.faults - PROBLEMS_MAX);
            self.problems.error(&At::file(self.file), what, "");
        }
        self.read
    }
}

/// A line of a list.
pub(super) fn line_of(file: &Arc<str>, line: u32) -> At {
    At {
        place: Place {
            file: Arc::clone(file),
            line,
            column: 1,
        },
        path: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let problems = Problems::default();
        let limits = ListLimits {
            entries_max: 3,
            list_bytes_max: 1_000,
            entry_chars_max: 12,
        };
        let tags = ["all".to_owned()];
        let options = Options::default();
        let list = Defaults {
            tags: &tags,
            options: &options,
        };
        let read = read(&"l".into(), bytes, list, &limits, &problems);
        let own = |number: u32, entry: EntryRef<'_>| {
            let action = read.actions.get(&number).map(|action| action.name());
            let leet = entry.options.as_ref().map(|options| options.leet);
            match (action, leet) {
                (None, None) => String::new(),
                own => format!(" {own:?}"),
            }
        };
        let mut lines: Vec<String> = (0..)
            .zip(read.entries.iter())
            .map(|(number, entry)| {
                let own = own(number, entry);
                format!(
                    "{}:{} {}{own}",
                    entry.line,
                    entry.text,
                    entry.tags.join(",")
                )
            })
            .collect();
        lines.extend(problems.into_sorted().iter().map(ToString::to_string));
        assert_eq!(lines.join(" | "), expected);
    }

    #[test]
    fn one_entry_a_line_with_comments_and_blanks() {
        check(b"a\n\n# no\n  b c \n", "1:a all | 4:b c all");
        check(
            "\u{feff}赌博\r\n代 开\r\n".as_bytes(),
            "1:赌博 all | 2:代 开 all",
        );
        check(b"", "");
    }

    #[test]
    fn tags_follow_a_tab() {
        check(b"a b\tx, y\nc \t\n", "1:a b all,x,y | 2:c all");
    }

    #[test]
    fn settings_follow_in_braces() {
        check(
            b"a\tx\t{action: flag}\nb\t{leet: true}\nc\ty {leet: false}",
            r#"1:a all,x (Some("flag"), None) | 2:b all (None, Some(true)) | 3:c all,y"#,
        );
        check(
            b"# no\na b\tx\t{leet: maybe}",
            "2:a b all,x | l:2:14: leet: `maybe` is not possible here; known are `true`, `false`",
        );
        check(
            b"a\t{leat: true}",
            "1:a all | l:1:4: there is no setting `leat`; did you mean `leet`?",
        );
    }

    #[test]
    fn a_backslash_keeps_a_leading_hash() {
        check(br"\#tag", "1:#tag all");
        check(br"\\#tag", r"1:\#tag all");
        check(br"\n", r"1:\n all");
        check(b"c#", "1:c# all");
    }

    #[test]
    fn limits_and_bad_bytes_have_a_line() {
        check(
            b"a\n\xe4\xb8\xad\xff\n",
            "1:a all | l:2:2: this is not UTF-8; save the file as UTF-8",
        );
        check(
            b"1234567890123",
            "l:1:1: an entry of 13 characters; `filters.entry_chars_max` is 12",
        );
        check(
            b"a\nb\nc\nd",
            "1:a all | 2:b all | 3:c all | l:4:1: one entry too many; `filters.entries_max` is 3",
        );
        check(
            &[b'a'; 1001],
            "l: the list has 1001 bytes; `filters.list_bytes_max` is 1000",
        );
        let problems = Problems::default();
        let limits = ListLimits {
            entries_max: 9,
            list_bytes_max: 1_000,
            entry_chars_max: 9,
        };
        let options = Options::default();
        let list = Defaults {
            tags: &[],
            options: &options,
        };
        read(&"l".into(), &b"\xff\n".repeat(30), list, &limits, &problems);
        let problems = problems.into_sorted();
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(problems[0].to_string(), "l: 10 more lines have problems");
    }
}
