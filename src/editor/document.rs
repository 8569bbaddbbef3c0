//! The lines of a file, each with all of its bytes.

use std::borrow::Cow;

use super::op::Said;
use crate::policy::{EntryLine, ListLine};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What stands between two lines; the number of a line in a [`Document`], which never changes.
pub(super) type LineId = usize;

/// A file in lines. What is removed leaves its place, so that others can go there.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    has_bom: bool,
    lines: Vec<Line<'a>>,
    /// In which order they stand: the line behind each, and behind the beginning of the file.
    next: Vec<Option<LineId>>,
    first: Option<LineId>,
    /// How many of the lines are of the file.
    written: usize,
}

#[derive(Clone, Debug)]
struct Line<'a> {
    /// With its end, if it has one; `None` once it is removed.
    bytes: Option<Cow<'a, [u8]>>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    Entry(EntryLine<'a>),
    /// The first comment of a section: behind an empty line, or at the beginning.
    Heading(&'a str),
    Comment(&'a str),
    Blank,
    /// It is not UTF-8.
    Broken,
}

/// A line with its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    pub line: u32,
    pub what: What<'a>,
}

impl<'a> Document<'a> {
    pub fn read(bytes: &'a [u8]) -> Document<'a> {
        let has_bom = bytes.starts_with(BOM);
        let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
        let lines: Vec<Line> = text
            .split_inclusive(|byte| *byte == b'\n')
            .map(|bytes| Line {
                bytes: Some(Cow::Borrowed(bytes)),
            })
            .collect();
        let count = lines.len();
        Document {
            has_bom,
            next: (1..=count).map(|id| (id < count).then_some(id)).collect(),
            first: (count > 0).then_some(0),
            lines,
            written: count,
        }
    }

    /// What the lines are, in their order; of a file that was just read.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut opens = true;
        (1..).zip(self.ids()).map(move |(line, id)| {
            let what = match self.what(id) {
                What::Comment(text) if opens => What::Heading(text),
                what => what,
            };
            opens = matches!(what, What::Blank);
            Row { line, what }
        })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in self.ids() {
            bytes.extend_from_slice(self.bytes(id).unwrap_or_default());
        }
        // A mark at the beginning that is a letter of the first line would be dropped.
        if self.has_bom || bytes.starts_with(BOM) {
            bytes.splice(0..0, BOM.iter().copied());
        }
        bytes
    }

    /// The lines that are left, in their order.
    pub(super) fn ids(&self) -> impl Iterator<Item = LineId> {
        let all = std::iter::successors(self.first, |id| self.next[*id]);
        all.filter(|id| self.lines[*id].bytes.is_some())
    }

    /// The line of the file with this number, from 1.
    pub(super) fn id_of(&self, line: u32) -> Option<LineId> {
        let id = (line as usize).checked_sub(1)?;
        (id < self.written).then_some(id)
    }

    /// The number in the file of a line, from 1; `None` of a new one.
    pub(super) fn line_of(&self, id: LineId) -> Option<u32> {
        (id < self.written).then_some(id as u32 + 1)
    }

    pub(super) fn what(&self, id: LineId) -> What<'_> {
        let Ok(text) = std::str::from_utf8(self.body(id)) else {
            return What::Broken;
        };
        match ListLine::read(text) {
            ListLine::Blank => What::Blank,
            ListLine::Comment(text) => What::Comment(text),
            ListLine::Entry(entry) => What::Entry(entry),
        }
    }

    pub(super) fn entry(&self, id: LineId) -> Option<EntryLine<'_>> {
        match self.what(id) {
            What::Entry(entry) => Some(entry),
            _ => None,
        }
    }

    pub(super) fn said(&self, id: LineId) -> Option<Said> {
        self.entry(id).map(|entry| Said::of(&entry))
    }

    pub(super) fn remove(&mut self, id: LineId) {
        self.lines[id].bytes = None;
    }

    /// Writes a line anew, but for its end.
    pub(super) fn replace(&mut self, id: LineId, body: &str) {
        let end = &self.bytes(id).unwrap_or_default()[self.body(id).len()..];
        let bytes = [body.as_bytes(), end].concat();
        self.lines[id].bytes = Some(Cow::Owned(bytes));
    }

    /// Adds a line behind another, removed or not, or at the beginning. It ends as the lines
    /// around it do; at the end of a file whose last line has no end, the new one has none.
    pub(super) fn insert(&mut self, after: Option<LineId>, body: &str) -> LineId {
        let end = self.end_near(after);
        let is_last = {
            let from = match after {
                Some(after) => self.next[after],
                None => self.first,
            };
            let mut behind = std::iter::successors(from, |id| self.next[*id]);
            behind.all(|id| self.lines[id].bytes.is_none())
        };
        let mut bytes = body.as_bytes().to_vec();
        let last = if is_last { self.ids().last() } else { None };
        let is_open =
            last.is_some_and(|last| !self.bytes(last).unwrap_or_default().ends_with(b"\n"));
        if let (true, Some(last)) = (is_open, last) {
            let mut closed = self.bytes(last).unwrap_or_default().to_vec();
            closed.extend_from_slice(end);
            self.lines[last].bytes = Some(Cow::Owned(closed));
        } else {
            bytes.extend_from_slice(end);
        }
        let id = self.lines.len();
        self.lines.push(Line {
            bytes: Some(Cow::Owned(bytes)),
        });
        let place = match after {
            Some(after) => &mut self.next[after],
            None => &mut self.first,
        };
        let behind = place.replace(id);
        self.next.push(behind);
        id
    }

    fn bytes(&self, id: LineId) -> Option<&[u8]> {
        self.lines[id].bytes.as_deref()
    }

    /// A line without its LF, and without the CR before that.
    fn body(&self, id: LineId) -> &[u8] {
        let bytes = self.bytes(id).unwrap_or_default();
        match bytes.strip_suffix(b"\n") {
            Some(body) => body.strip_suffix(b"\r").unwrap_or(body),
            None => bytes,
        }
    }

    /// How lines end here: as the one before, else as the first that has an end.
    fn end_near(&self, before: Option<LineId>) -> &'static [u8] {
        let end = |id: LineId| match self.bytes(id)? {
            bytes if bytes.ends_with(b"\r\n") => Some(&b"\r\n"[..]),
            bytes if bytes.ends_with(b"\n") => Some(&b"\n"[..]),
            _ => None,
        };
        let near = before.and_then(end);
        near.or_else(|| self.ids().find_map(end)).unwrap_or(b"\n")
    }
}
