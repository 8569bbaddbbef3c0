//! Entries that are no words: regular expressions (`re:…`) and ready-made detectors of contacts
//! (`contact:…`).

use super::contact::Contact;
use super::expression::Expression;
use super::folded::Folded;
use super::gate::Gate;
use super::word::EntryOf;
use crate::filter::budget::Budget;
use crate::filter::list::{CompileError, ListSpec};
use crate::filter::options::SkipClasses;
use crate::filter::result::Hit;
use crate::filter::text::Stream;

const REGEX: &str = "re:";
const CONTACT: &str = "contact:";
/// Regular expressions of all lists of one folding, at most.
const REGEXES_MAX: usize = 1_000;
/// Bytes of all of them together, once compiled, at most.
const BYTES_MAX: usize = 1 << 26;

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

/// The patterns of a group. Regular expressions run on the original text, detectors on the folded
/// one, where every digit is plain.
#[derive(Default)]
pub(crate) struct Patterns {
    /// Where those of `expressions` may match that have literals.
    gate: Gate,
    expressions: Vec<(EntryOf, Expression)>,
    /// Those that may match anywhere.
    ungated: Vec<usize>,
    /// Bytes of the expressions.
    bytes: usize,
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
        if !patterns.gate.seal() {
            patterns.ungated = (0..patterns.expressions.len()).collect();
        }
        patterns
    }

    fn add(&mut self, of: EntryOf, entry: &str, reads: Reads) -> Result<(), String> {
        if let Some(regex) = entry.strip_prefix(REGEX) {
            if self.expressions.len() == REGEXES_MAX {
                return Err(format!("more than {REGEXES_MAX} regular expressions"));
            }
            if self.bytes > BYTES_MAX {
                return Err(format!(
                    "this regular expression and those before it need more than {BYTES_MAX} bytes; write fewer or simpler ones"
                ));
            }
            let (expression, literals) = Expression::compile(regex, reads.case)?;
            self.bytes += expression.bytes();
            let number = self.expressions.len();
            match literals {
                Some(literals) => self.gate.add(number as u32, literals),
                None => self.ungated.push(number),
            }
            self.expressions.push((of, expression));
        } else if let Some(name) = entry.strip_prefix(CONTACT) {
            self.contacts.push((of, Contact::named(name, reads.skip)?));
        }
        Ok(())
    }

    /// The steps that each byte of a text usually takes: all expressions that begin with a literal
    /// are sought by it together.
    pub(crate) fn steps_per_byte(&self, active: &[bool]) -> u64 {
        let ungated = self
            .ungated
            .iter()
            .map(|number| &self.expressions[*number])
            .filter(|(of, _)| active[of.list as usize])
            .map(|(_, expression)| expression.price());
        let contacts = self.contacts.iter();
        let contacts = contacts.filter(|(of, _)| active[of.list as usize]);
        let steps = ungated.chain(contacts.map(|(_, contact)| contact.steps(1)));
        u64::from(!self.expressions.is_empty()) + steps.map(|steps| steps as u64).sum::<u64>()
    }

    /// What each regular expression takes for a byte of a text, in steps.
    pub(crate) fn prices(&self) -> impl Iterator<Item = (EntryOf, usize)> {
        let all = self.expressions.iter();
        all.map(|(of, expression)| (*of, expression.price()))
    }

    /// Reports every match of the active lists' patterns.
    pub(crate) fn find(
        &self,
        text: &str,
        active: &[bool],
        stream: &Stream,
        budget: &Budget,
        found: &mut impl FnMut(Hit),
    ) {
        if !self.expressions.is_empty() {
            self.find_expressions(text, active, budget, found);
        }
        let contacts = self.contacts.iter();
        let mut contacts = contacts
            .filter(|(of, _)| active[of.list as usize])
            .peekable();
        if contacts.peek().is_some() {
            let folded = Folded::new(text, stream);
            for (of, contact) in contacts {
                if !budget.take(contact.steps(text.len())) {
                    return;
                }
                contact.find(&folded, |start, end| found(hit(*of, start, end)));
            }
        }
    }

    fn find_expressions(
        &self,
        text: &str,
        active: &[bool],
        budget: &Budget,
        found: &mut impl FnMut(Hit),
    ) {
        let mut see = |number: usize, starts: Option<&[u32]>| {
            let (of, expression) = &self.expressions[number];
            !active[of.list as usize]
                || expression.find(text, starts, budget, |start, end| {
                    found(hit(*of, start, end))
                })
        };
        let Some(openings) = self.gate.openings(text, budget) else {
            return;
        };
        if openings.each(&mut see) {
            let _ = self.ungated.iter().all(|number| see(*number, None));
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
