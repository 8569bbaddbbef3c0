//! Word list files: one entry a line.
//!
//! Shape: `entry`, or `entry<TAB>tag,tag`. Blanks around an entry are dropped, inside they
//! count. A line that begins with `#` is a comment; an entry that begins with `#` is written
//! `\#…`, one that begins with a backslash `\\…`. UTF-8, with or without byte-order mark, lines
//! end with LF or CRLF.

use std::sync::Arc;

use super::document::place_of_byte;
use super::problem::{At, Place, Problems};
use super::spec::ListLimits;
use crate::filter::Entry;

/// Beyond this many problems of one file only their number is told.
const PROBLEMS_MAX: usize = 20;

/// Reads a list file; the tags of the list itself come before those of each entry.
pub fn read(
    file: &Arc<str>,
    bytes: &[u8],
    list_tags: &[String],
    limits: &ListLimits,
    problems: &Problems,
) -> Vec<Entry> {
    if bytes.len() as u64 > limits.list_bytes_max {
        problems.error(
            &At::file(file),
            format!("the list has {} bytes", bytes.len()),
            format!("`filters.list_bytes_max` is {}", limits.list_bytes_max),
        );
        return Vec::new();
    }
    let mut reading = Reading {
        file,
        list_tags: list_tags.into(),
        limits,
        problems,
        faults: 0,
        entries: Vec::new(),
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
    limits: &'a ListLimits,
    problems: &'a Problems,
    faults: usize,
    entries: Vec<Entry>,
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
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        let (entry, tags) = text.split_once('\t').unwrap_or((text, ""));
        let entry = unescape(entry.trim_end());
        let chars = entry.chars().count();
        if chars > self.limits.entry_chars_max {
            let way_out = format!(
                "`filters.entry_chars_max` is {}",
                self.limits.entry_chars_max
            );
            return self.fault(
                line,
                1,
                &format!("an entry of {chars} characters"),
                &way_out,
            );
        }
        if self.entries.len() >= self.limits.entries_max {
            let way_out = format!("`filters.entries_max` is {}", self.limits.entries_max);
            return self.fault(line, 1, "one entry too many", &way_out);
        }
        self.entries.push(Entry {
            text: entry.to_owned(),
            line,
            tags: self.tags(tags),
        });
    }

    fn tags(&self, written: &str) -> Arc<[String]> {
        let written = written.split(',').map(str::trim);
        let mut written = written.filter(|tag| !tag.is_empty()).peekable();
        if written.peek().is_none() {
            return Arc::clone(&self.list_tags);
        }
        let all = self.list_tags.iter().map(String::as_str).chain(written);
        all.map(str::to_owned).collect()
    }

    fn fault(&mut self, line: u32, column: u32, what: &str, way_out: &str) {
        self.faults += 1;
        if self.faults > PROBLEMS_MAX {
            return;
        }
        let place = Place {
            file: Arc::clone(self.file),
            line,
            column,
        };
        let at = At {
            place,
            path: String::new(),
        };
        self.problems.error(&at, what, way_out);
    }

    fn end(self) -> Vec<Entry> {
        if self.faults > PROBLEMS_MAX {
            let what = format!("{} more lines have problems", self.faults - PROBLEMS_MAX);
            self.problems.error(&At::file(self.file), what, "");
        }
        self.entries
    }
}

fn unescape(entry: &str) -> &str {
    match entry.strip_prefix('\\') {
        Some(rest) if rest.starts_with(['#', '\\']) => rest,
        _ => entry,
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
        let entries = read(&"l".into(), bytes, &tags, &limits, &problems);
        let mut lines: Vec<String> = entries
            .iter()
            .map(|entry| format!("{}:{} {}", entry.line, entry.text, entry.tags.join(",")))
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
        read(&"l".into(), &b"\xff\n".repeat(30), &[], &limits, &problems);
        let problems = problems.into_sorted();
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        assert_eq!(problems[0].to_string(), "l: 10 more lines have problems");
    }
}
