//! Where a new entry goes.
//!
//! A section begins with a comment behind an empty line, or at the beginning of the file. A new
//! entry goes to the section that is named; else to the last one that holds an entry with the
//! same tags; else to the last that holds an entry. There it goes to its place in the alphabet if
//! the section is in one (three entries or more), and else behind the last entry.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::document::{Document, LineId, What};
use super::op::Said;

/// Fewer are in some order by chance.
const SORTED_FROM: usize = 3;

/// The sections of a document, kept while it is edited.
#[derive(Debug)]
pub(super) struct Layout {
    sections: Vec<Section>,
    /// The last section that holds entries with these tags.
    of_tags: HashMap<Vec<String>, usize>,
}

#[derive(Debug, Default)]
struct Section {
    heading: Option<String>,
    /// Behind which line its first entry goes, or goes before that one; `None` is the beginning of
    /// the file.
    head: Option<LineId>,
    entries: Vec<(Box<str>, LineId)>,
    order: Option<Order>,
}

/// How the entries of a section stand.
#[derive(Clone, Copy, Debug)]
enum Order {
    Bytes,
    LowerCase,
}

impl Order {
    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Order::Bytes => one.cmp(other),
            Order::LowerCase => one.to_lowercase().cmp(&other.to_lowercase()),
        }
    }

    fn of(entries: &[(Box<str>, LineId)]) -> Option<Order> {
        let orders = [Order::Bytes, Order::LowerCase].into_iter();
        let mut orders = orders.filter(|_| entries.len() >= SORTED_FROM);
        orders.find(|order| {
            entries.is_sorted_by(|(one, _), (other, _)| order.compare(one, other).is_le())
        })
    }
}

impl Layout {
    pub(super) fn of(document: &Document<'_>) -> Layout {
        let mut sections = vec![Section::default()];
        let mut of_tags = HashMap::new();
        for (row, id) in document.rows().zip(document.ids()) {
            let at = sections.len() - 1;
            match row.what {
                What::Heading(text) => sections.push(Section {
                    heading: Some(text.trim_start_matches('#').trim().to_owned()),
                    head: Some(id),
                    ..Section::default()
                }),
                What::Entry(entry) => {
                    let said = Said::of(&entry);
                    of_tags.insert(said.tags, at);
                    if sections[at].entries.is_empty() {
                        sections[at].head = id.checked_sub(1);
                    }
                    sections[at].entries.push((said.entry.into(), id));
                }
                // What is said right below a heading belongs to it.
                What::Comment(_) if sections[at].entries.is_empty() => sections[at].head = Some(id),
                What::Comment(_) | What::Blank | What::Broken => {}
            }
        }
        for section in &mut sections {
            section.order = Order::of(&section.entries);
        }
        Layout { sections, of_tags }
    }

    /// The section with this heading.
    pub(super) fn section(&self, heading: &str) -> Option<usize> {
        let heading = heading.trim_start_matches('#').trim();
        let mut sections = self.sections.iter();
        sections.position(|section| section.heading.as_deref() == Some(heading))
    }

    /// The section that this goes to where none is named.
    pub(super) fn section_for(&self, said: &Said) -> usize {
        let alike = self.of_tags.get(&said.tags).copied();
        let holds = |section: &Section| !section.entries.is_empty();
        let last = || self.sections.iter().rposition(holds);
        alike.or_else(last).unwrap_or(self.sections.len() - 1)
    }

    /// Behind which line an entry of a section goes, and its number among them.
    pub(super) fn place(&self, section: usize, entry: &str) -> (Option<LineId>, usize) {
        let Section {
            head,
            entries,
            order,
            ..
        } = &self.sections[section];
        let at = match order {
            Some(order) => entries.partition_point(|(one, _)| order.compare(one, entry).is_le()),
            None => entries.len(),
        };
        match at.checked_sub(1) {
            Some(before) => (Some(entries[before].1), at),
            None => (*head, at),
        }
    }

    pub(super) fn added(&mut self, section: usize, at: usize, said: &Said, id: LineId) {
        let entry = (said.entry.as_str().into(), id);
        self.sections[section].entries.insert(at, entry);
        self.of_tags.insert(said.tags.clone(), section);
    }
}
