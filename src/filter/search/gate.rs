//! One pass for all regular expressions: where the literals stand with which their matches begin.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;

use crate::filter::budget::Budget;

/// Places that are kept for one text, and how many bytes of it one more may be for.
const PLACES_AT_LEAST: usize = 1_024;
const BYTES_PER_PLACE: usize = 2;

/// The literals of all expressions that have some.
#[derive(Default)]
pub(super) struct Gate {
    /// The numbers of the expressions of which matches begin with a literal; emptied by
    /// [`Self::seal`].
    known: BTreeMap<Vec<u8>, Vec<u32>>,
    /// The same by the number of the literal.
    expressions: Vec<Vec<u32>>,
    all: Option<AhoCorasick>,
    /// The numbers of all expressions.
    gated: Vec<u32>,
}

/// Where matches may begin.
pub(super) struct Openings<'a> {
    gate: &'a Gate,
    /// Literals, and the bytes where they stand, ascending.
    places: Vec<(u32, u32)>,
    /// There are too many to keep them: every expression may match anywhere.
    anywhere: bool,
}

impl Gate {
    pub(super) fn add(&mut self, expression: u32, literals: Vec<Vec<u8>>) {
        self.gated.push(expression);
        for literal in literals {
            self.known.entry(literal).or_default().push(expression);
        }
    }

    /// Makes it ready for [`Self::openings`]; false if the literals are too many to be sought.
    pub(super) fn seal(&mut self) -> bool {
        if self.known.is_empty() {
            return true;
        }
        self.all = AhoCorasick::new(self.known.keys()).ok();
        self.expressions = std::mem::take(&mut self.known).into_values().collect();
        self.all.is_some()
    }

    /// Where matches may begin; `None` if the budget did not suffice.
    pub(super) fn openings(&self, text: &str, budget: &Budget) -> Option<Openings<'_>> {
        let mut openings = Openings {
            gate: self,
            places: Vec::new(),
            anywhere: false,
        };
        let Some(all) = &self.all else {
            return Some(openings);
        };
        if !budget.take_for_regex(text.len()) {
            return None;
        }
        let most = PLACES_AT_LEAST + text.len() / BYTES_PER_PLACE;
        for found in all.find_overlapping_iter(text) {
            if !budget.take_for_regex(1) {
                return None;
            }
            if openings.places.len() == most {
                openings.anywhere = true;
                return Some(openings);
            }
            let place = (found.pattern().as_u32(), found.start() as u32);
            openings.places.push(place);
        }
        openings.places.sort_unstable();
        Some(openings)
    }
}

impl Openings<'_> {
    /// Shows each expression that may match, with the places to try, which ascend, or `None` where
    /// that is everywhere, as long as `see` says to go on.
    pub(super) fn each(&self, mut see: impl FnMut(usize, Option<&[u32]>) -> bool) -> bool {
        if self.anywhere {
            let mut gated = self.gate.gated.iter();
            return gated.all(|number| see(*number as usize, None));
        }
        let by_literal: Vec<&[(u32, u32)]> = self
            .places
            .chunk_by(|one, other| one.0 == other.0)
            .collect();
        // Pairs of an expression and one of its literals that stand there.
        let pairs = by_literal.iter().enumerate().flat_map(|(nth, places)| {
            let expressions = &self.gate.expressions[places[0].0 as usize];
            expressions.iter().map(move |number| (*number, nth))
        });
        let mut pairs: Vec<(u32, usize)> = pairs.collect();
        pairs.sort_unstable();
        let mut starts: Vec<u32> = Vec::new();
        let mut by_expression = pairs.chunk_by(|one, other| one.0 == other.0);
        by_expression.all(|own| {
            starts.clear();
            for (_, nth) in own {
                starts.extend(by_literal[*nth].iter().map(|(_, start)| *start));
            }
            starts.sort_unstable();
            see(own[0].0 as usize, Some(&starts))
        })
    }
}
