//! Lists that fold text the same way: one fold table, one pass, and a matcher for each lens that
//! their entries are looked for through.

use std::cell::OnceCell;
use std::sync::Arc;

use super::entries::{self, Components, Drafts};
use super::list::{CompileError, ListSpec, Role};
use super::options::{Options, SkipClasses};
use super::result::{self, Combos, Evasion};
use super::search::{self, EntryOf, Matcher, Patterns, Selfmask, Signs};
use super::text::{self, FoldTable, FoldTables, Lens, SYMBOL, Sounds, Stream};

pub(super) struct Group {
    pub(super) table: FoldTable,
    pub(super) sounds: Arc<Sounds>,
    pub(super) readings: Vec<Reading>,
    pub(super) selfmask: Selfmask,
    pub(super) signs: Signs,
    pub(super) patterns: Patterns,
    pub(super) combos: Combos,
    pub(super) phrases: Vec<Phrases>,
    /// In how many ways phrases are looked for.
    pub(super) ways: Vec<Way>,
    /// By list, ascending, which of them spares its matches.
    pub(super) way_of: Vec<(u32, usize)>,
    /// Patterns in lists of allowed phrases.
    pub(super) allowed: Arc<Patterns>,
    pub(super) bidi: bool,
}

/// What groups that are compiled together have in common.
pub(super) struct Shared {
    tables: FoldTables,
    components: Components,
    sounds: OnceCell<Arc<Sounds>>,
    allowed: Arc<Patterns>,
}

impl Shared {
    /// Of groups that fold like these options. Reports what is wrong with the patterns of allowed
    /// phrases.
    pub(super) fn of(
        lists: &[ListSpec],
        foldings: &[Options],
        problems: &mut Vec<CompileError>,
    ) -> Shared {
        let is_allow = |list: &ListSpec| list.role == Role::Allow;
        let allow_lists: Vec<bool> = lists.iter().map(is_allow).collect();
        Shared {
            tables: FoldTables::of(foldings),
            components: Components::default(),
            sounds: OnceCell::new(),
            allowed: Arc::new(Patterns::build(lists, &allow_lists, problems)),
        }
    }
}

/// Entries that are looked for through one lens.
pub(super) struct Reading {
    pub(super) lens: Lens,
    pub(super) plain: Matcher,
    pub(super) runs: Option<Matcher>,
    /// From how many equal symbols on a run may stand for a shorter one.
    pub(super) runs_from: u32,
}

/// Allowed phrases as lists that skip these read them.
pub(super) struct Phrases {
    pub(super) skip: SkipClasses,
    pub(super) readings: Vec<Reading>,
    pub(super) signs: Signs,
}

/// Allowed phrases as lists with the same gaps look for them.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Way {
    /// Which of the phrases.
    pub(super) phrases: usize,
    pub(super) max_gap: u32,
}

impl Group {
    /// Builds the group of the lists that are `members`, which all fold like `options`, and of
    /// every list of allowed phrases. Reports what is wrong with them to `problems`.
    pub(super) fn build(
        options: &Options,
        lists: &[ListSpec],
        members: &[bool],
        shared: &Shared,
        problems: &mut Vec<CompileError>,
    ) -> Option<Group> {
        let table = shared.tables.get(options);
        let table = table.map_err(|wrong| {
            let blamed = lists.iter().zip(members).filter(|(_, member)| **member);
            problems.extend(blamed.flat_map(|(list, _)| {
                let errors = wrong.iter().cloned();
                errors.map(|what| CompileError::of_list(list, what))
            }));
        });
        let table = table.ok()?;
        let members_of = || (0..).zip(lists).filter(|(id, _)| members[*id as usize]);
        let homophone = members_of().any(|(_, list)| list.options.homophone);
        let sounds = match homophone {
            true => Arc::clone(shared.sounds.get_or_init(|| Arc::new(Sounds::read()))),
            false => Arc::default(),
        };
        let mut read = entries::read(&table, lists, members, &shared.components, problems);
        let (mut phrases, mut ways, mut way_of) = (Vec::new(), Vec::new(), Vec::new());
        for (id, list) in members_of() {
            let skip = list.options.skip;
            let known = phrases
                .iter()
                .position(|known: &Phrases| known.skip == skip);
            let at = known.unwrap_or_else(|| {
                let (drafts, signs) = entries::read_phrases(&table, lists, skip, problems);
                phrases.push(Phrases {
                    skip,
                    readings: readings(drafts, &sounds),
                    signs,
                });
                phrases.len() - 1
            });
            let way = Way {
                phrases: at,
                max_gap: list.options.max_gap,
            };
            let known = ways.iter().position(|known| *known == way);
            way_of.push((id, known.unwrap_or(ways.len())));
            if known.is_none() {
                ways.push(way);
            }
        }
        Some(Group {
            readings: readings(std::mem::take(&mut read.drafts), &sounds),
            selfmask: read.selfmask,
            signs: read.signs,
            patterns: Patterns::build(lists, members, problems),
            combos: Combos::of(lists, members),
            phrases,
            ways,
            way_of,
            allowed: Arc::clone(&shared.allowed),
            bidi: members_of().any(|(_, list)| list.options.bidi),
            table,
            sounds,
        })
    }

    /// The steps that each byte of a text usually takes.
    pub(super) fn steps_per_byte(&self, active: &[bool]) -> u64 {
        let through = |reading: &Reading| match reading.lens.is_clear() {
            true => 1,
            false => 2,
        };
        let readings: u64 = self.readings.iter().map(through).sum();
        1 + readings + self.patterns.steps_per_byte(active)
    }

    /// What regular expressions take for each byte of a text.
    pub(super) fn prices(&self) -> impl Iterator<Item = (EntryOf, usize)> {
        self.patterns.prices()
    }

    /// A text as its entries are compared with it.
    pub(super) fn folded(&self, text: &str) -> String {
        let mut stream = Stream::default();
        self.table.fold(text, &mut stream);
        let symbols = stream.symbols.iter().map(|symbol| symbol & SYMBOL);
        let written = symbols.map(|symbol| match char::from_u32(symbol) {
            Some(c) => c.to_string(),
            None => text::flag_written(symbol).unwrap_or_default(),
        });
        written.collect()
    }

    /// An entry of these lists that is sought as the sign that it is.
    pub(super) fn is_sign(&self, entry: &str) -> bool {
        search::is_sign(entry.trim(), &self.table)
    }

    /// What an entry of these lists was seen through where it was found so.
    pub(super) fn evasions(&self, entry: &str, found: &str, options: &Options) -> Vec<Evasion> {
        let (entry, _) = entries::without_wildcards(entry);
        result::between(entry, found, options, &self.table, &self.sounds)
    }
}

fn readings(drafts: Drafts, sounds: &Sounds) -> Vec<Reading> {
    let build = |lens, draft, runs| Matcher::build(draft, lens, runs, sounds);
    drafts
        .into_iter()
        .map(|drafts| Reading {
            lens: drafts.lens,
            plain: build(drafts.lens, drafts.plain, false),
            runs: (drafts.runs.size().0 > 0).then(|| build(drafts.lens, drafts.runs, true)),
            runs_from: drafts.runs_from,
        })
        .collect()
}
