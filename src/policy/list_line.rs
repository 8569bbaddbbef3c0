//! One line of a list file, in its parts as they stand there.

use std::ops::Range;

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListLine<'a> {
    Blank,
    /// From its `#` on.
    Comment(&'a str),
    Entry(EntryLine<'a>),
}

/// The line of an entry: where its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryLine<'a> {
    /// The whole line, without its end.
    pub line: &'a str,
    /// The entry, with its backslash if it has one.
    pub written: Range<usize>,
    /// All that stands between the TAB and the settings; may be empty.
    pub tags: Range<usize>,
    /// From the brace on; may be empty.
    pub own: Range<usize>,
}

impl<'a> ListLine<'a> {
    /// `line` is without its LF.
    pub fn read(line: &'a str) -> ListLine<'a> {
        let text = line.trim();
        if text.is_empty() {
            return ListLine::Blank;
        }
        if text.starts_with('#') {
            return ListLine::Comment(text);
        }
        let start = line.len() - line.trim_start().len();
        let end = start + text.len();
        let tab = text.find('\t').map_or(end, |at| start + at);
        let written = start..start + line[start..tab].trim_end().len();
        let columns = end.min(tab + 1)..end;
        let brace = line[columns.clone()].find('{');
        let own = brace.map_or(end, |at| columns.start + at);
        ListLine::Entry(EntryLine {
            line,
            written,
            tags: columns.start..own,
            own: own..end,
        })
    }
}

impl<'a> EntryLine<'a> {
    /// The entry as it is meant.
    pub fn text(&self) -> &'a str {
        let written = &self.line[self.written.clone()];
        match written.strip_prefix('\\') {
            Some(rest) if rest.starts_with(['#', '\\']) => rest,
            _ => written,
        }
    }

    pub fn tags(&self) -> impl Iterator<Item = &'a str> {
        let tags = self.line[self.tags.clone()].split(',').map(str::trim);
        tags.filter(|tag| !tag.is_empty())
    }

    /// What it says for itself, in braces, or nothing.
    pub fn own(&self) -> &'a str {
        &self.line[self.own.clone()]
    }
}

/// An entry as it must be written for [`EntryLine::text`] to give it back.
pub fn written_entry(text: &str) -> String {
    let needs_escape = text.starts_with('#') || text.starts_with(r"\#") || text.starts_with(r"\\");
    match needs_escape {
        true => format!(r"\{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let read = match ListLine::read(line) {
            ListLine::Blank => "blank".to_owned(),
            ListLine::Comment(text) => format!("comment {text}"),
            ListLine::Entry(entry) => {
                let tags: Vec<&str> = entry.tags().collect();
                format!("{}|{}|{}", entry.text(), tags.join(","), entry.own())
            }
        };
        assert_eq!(read, expected, "{line:?}");
    }

    #[test]
    fn each_part_is_found_where_it_stands() {
        check("", "blank");
        check(" \t\r", "blank");
        check("  # a\tb \r", "comment # a\tb");
        check("  b c \r", "b c||");
        check("\tb", "b||");
        check("b\t", "b||");
        check("b \t x, y\t{leet: true} \r", "b|x,y|{leet: true}");
        check("b{c\t{leet: true}", "b{c||{leet: true}");
        check("\\#b", "#b||");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["a", "#a", r"\#a", r"\\a", r"\a", r"\", r"\\", "a#", r"#\"] {
            let line = written_entry(text);
            let ListLine::Entry(entry) = ListLine::read(&line) else {
                panic!("{text}");
            };
            assert_eq!(entry.text(), text);
        }
    }
}
