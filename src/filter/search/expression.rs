//! One regular expression: what it costs, and where it matches.
//!
//! A lazily built automaton is walked byte by byte, so that every step is counted. Where a match
//! begins with one of a few literals it is tried only where one of them stands; [`Gate`] finds
//! them for all expressions in one pass.
//!
//! [`Gate`]: super::gate::Gate

use std::sync::Mutex;

use regex::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::{Input, MatchKind};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{Extractor, Seq};

/// Characters of one, at most.
const CHARS_MAX: usize = 1_024;
/// Bytes of one once compiled, at most.
const SIZE_MAX: usize = 1 << 20;
/// Bytes that the automaton of one may take beside that; what does not fit is built again.
const CACHE_BYTES: usize = 1 << 19;
/// Steps that each byte of a text may cost, at most. Most expressions cost one.
const PRICE_MAX: usize = 64;
/// Literals of one expression, and bytes of each, that it is sought by.
const LITERALS_MAX: usize = 64;
const LITERAL_BYTES_MAX: usize = 8;
/// Bytes of the texts that an expression is measured on, one after the other, until it makes few
/// new states, or so many in each that it is clear that it never stops; the last one counts.
const MEASURED_BYTES: usize = 4 << 10;
const MEASURED_MAX: usize = 8;
/// Letters that are tried for one that goes on matching.
const LETTERS_TRIED: usize = 4;
/// Bytes of the states that are made meanwhile, at most.
const MEASURED_CACHE_BYTES: usize = 1 << 25;

/// The literals of which one begins every match; `None` if it may begin with anything.
pub(super) type Literals = Option<Vec<Vec<u8>>>;

/// A compiled regular expression.
pub(super) struct Expression {
    pub(super) forward: DFA,
    pub(super) reverse: DFA,
    /// For texts that the automaton cannot read: a word boundary beside a letter that is not
    /// ASCII.
    pub(super) fallback: Option<Regex>,
    /// How many steps a byte costs: 1, or more for one that makes a new state at many a byte.
    pub(super) price: usize,
    /// The same in the fallback.
    pub(super) fallback_price: usize,
    pub(super) caches: Mutex<Vec<Caches>>,
}

pub(super) struct Caches {
    pub(super) forward: Cache,
    pub(super) reverse: Cache,
}

impl Expression {
    /// Compiles an expression, and tells the literals of which one begins every match, if it is
    /// known. Errors: what is wrong with it, in words.
    pub(super) fn compile(written: &str, case: bool) -> Result<(Expression, Literals), String> {
        let regex = checked(written, case)?;
        let too_big = || {
            format!("the regular expression needs more than {SIZE_MAX} bytes; write a simpler one")
        };
        let mut parser = ParserBuilder::new().case_insensitive(!case).build();
        let hir = parser.parse(written).map_err(|error| error.to_string())?;
        let automaton = |reverse: bool| {
            let config = thompson::Config::new()
                .reverse(reverse)
                .which_captures(WhichCaptures::None)
                .nfa_size_limit(Some(SIZE_MAX));
            let nfa = NFA::compiler().configure(config).build_from_hir(&hir);
            let kind = match reverse {
                true => MatchKind::All,
                false => MatchKind::LeftmostFirst,
            };
            let config = DFA::config()
                .match_kind(kind)
                .unicode_word_boundary(true)
                .cache_capacity(CACHE_BYTES)
                .skip_cache_capacity_check(true);
            let dfa = DFA::builder()
                .configure(config)
                .build_from_nfa(nfa.map_err(|_| too_big())?);
            dfa.map_err(|_| too_big())
        };
        let (forward, reverse) = (automaton(false)?, automaton(true)?);
        let looks = hir.properties().look_set();
        let may_be_unreadable = looks.contains_word_unicode();
        let states = forward.get_nfa().states().len();
        let mut expression = Expression {
            price: 1,
            fallback_price: 1 + states / 2,
            fallback: may_be_unreadable.then_some(regex),
            caches: Mutex::default(),
            forward,
            reverse,
        };
        expression.price = expression.measured_price();
        if expression.price() > PRICE_MAX {
            return Err(format!(
                "`re:{written}` takes {} steps for each byte of a text, and {PRICE_MAX} are the most: too many places of it are possible at once; write a shorter one, with fewer repetitions in it",
                expression.price()
            ));
        }
        Ok((expression, literals(&hir)))
    }

    /// Steps for each byte of a text that it is walked over.
    pub(super) fn price(&self) -> usize {
        self.price
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.forward.get_nfa().memory_usage() + self.reverse.get_nfa().memory_usage()
    }

    /// Walks over a text of the expression's own letters that goes on matching where it can, and
    /// counts how often the automaton goes where it never was: building a state takes far longer
    /// than a step.
    fn measured_price(&self) -> usize {
        let nfa = self.forward.get_nfa();
        let config = self.forward.get_config().clone();
        let config = config.cache_capacity(MEASURED_CACHE_BYTES);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa.clone());
        let most = STEPS_FOR_STATE + nfa.states().len();
        let states = dfa.ok().and_then(|dfa| new_states(&dfa));
        1 + states.unwrap_or(MEASURED_BYTES) * most / MEASURED_BYTES
    }
}

/// What building a state costs beside looking at the states that it is made of.
const STEPS_FOR_STATE: usize = 100;

/// How many states the automaton makes in the last of some texts; `None` if it makes more than can
/// be kept.
fn new_states(dfa: &DFA) -> Option<usize> {
    let classes = dfa.byte_classes();
    let letters: Vec<u8> = classes
        .representatives(0..=u8::MAX)
        .filter_map(|unit| unit.as_u8())
        .collect();
    let mut random = fastrand::Rng::with_seed(0);
    let mut cache = dfa.create_cache();
    // Each state has a row of the width of the alphabet, and itself beside it.
    let row = (4 << classes.stride2()) + 64;
    let start = dfa.start_state_forward(&mut cache, &Input::new("")).ok()?;
    let (mut state, mut states) = (start, 0);
    for nth in 0..MEASURED_MAX {
        let before = cache.memory_usage();
        for _ in 0..MEASURED_BYTES {
            let mut next = start;
            for _ in 0..LETTERS_TRIED {
                let letter = letters[random.usize(0..letters.len())];
                next = dfa.next_state(&mut cache, state, letter).ok()?;
                if cache.clear_count() > 0 {
                    return None;
                }
                if next != start && !next.is_dead() && !next.is_quit() && !next.is_match() {
                    break;
                }
            }
            let is_over = next.is_dead() || next.is_quit() || next.is_match();
            state = if is_over { start } else { next };
        }
        states = ((cache.memory_usage() - before) / row).min(MEASURED_BYTES);
        if states < MEASURED_BYTES / 256 || nth > 0 && states > MEASURED_BYTES / 2 {
            break;
        }
    }
    Some(states)
}

/// The literals of which one begins every match; `None` if there are too many, or if it may begin
/// with anything.
fn literals(hir: &Hir) -> Literals {
    let mut seq: Seq = Extractor::new().limit_total(LITERALS_MAX).extract(hir);
    seq.keep_first_bytes(LITERAL_BYTES_MAX);
    seq.dedup();
    let literals = seq.literals()?;
    let all = literals.iter().map(|literal| literal.as_bytes().to_vec());
    let all: Vec<Vec<u8>> = all.collect();
    (!all.is_empty() && all.iter().all(|literal| !literal.is_empty())).then_some(all)
}

fn checked(written: &str, case: bool) -> Result<Regex, String> {
    let length = written.chars().count();
    if length > CHARS_MAX {
        return Err(format!(
            "the regular expression has {length} characters; {CHARS_MAX} are the most"
        ));
    }
    let built = RegexBuilder::new(written)
        .case_insensitive(!case)
        .size_limit(SIZE_MAX)
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
                "`re:{written}` is no regular expression: {}",
                reason.trim_start_matches("error: ")
            )
        }
    })?;
    match built.is_match("") {
        true => Err(format!(
            "`re:{written}` matches where nothing is, so everywhere"
        )),
        false => Ok(built),
    }
}
