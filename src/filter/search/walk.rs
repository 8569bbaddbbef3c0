//! A regular expression on its way through a text, byte by byte, so that every step is counted.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, Input};

use super::expression::{Caches, Expression};
use crate::filter::budget::{Budget, Spent};

/// Caches that are kept for one.
const CACHES_MAX: usize = 16;
/// Matches of one expression in one text. Finding all could take time by the square of the
/// text's length; past this many the rest of the text is one match.
const MATCHES_MAX: usize = 256;

/// Why a walk ended without an answer.
enum Stopped {
    Spent,
    /// The automaton cannot read this text.
    Unreadable,
}

/// A place to begin, and the way to go on from there.
#[derive(Clone, Copy)]
struct Begin {
    at: usize,
    anchored: bool,
}

impl Expression {
    /// Reports every match, or, with `starts`, every one that begins at one of these, which
    /// ascend. False if the budget did not suffice.
    pub(super) fn find(
        &self,
        text: &str,
        starts: Option<&[u32]>,
        budget: &Budget,
        mut found: impl FnMut(usize, usize),
    ) -> bool {
        let mut caches = self.cached();
        let mut walk = Walk {
            expression: self,
            text,
            budget,
            caches: &mut caches,
            matches: 0,
        };
        let outcome = match starts {
            Some(starts) => walk.find_at(starts, &mut found),
            None => walk.find_from(0, &mut found),
        };
        self.give_back(caches);
        outcome.is_ok()
    }

    fn cached(&self) -> Caches {
        let known = self.caches.lock().ok().and_then(|mut caches| caches.pop());
        known.unwrap_or_else(|| Caches {
            forward: self.forward.create_cache(),
            reverse: self.reverse.create_cache(),
        })
    }

    fn give_back(&self, used: Caches) {
        if let Ok(mut caches) = self.caches.lock()
            && caches.len() < CACHES_MAX
        {
            caches.push(used);
        }
    }
}

/// One expression on its way through one text.
struct Walk<'a> {
    expression: &'a Expression,
    text: &'a str,
    budget: &'a Budget,
    caches: &'a mut Caches,
    matches: usize,
}

/// No more is to be found, for lack of steps or because the rest of the text is one match.
struct Ended;

impl Walk<'_> {
    /// Tries the places where a match may begin. Where so many begin that are none that it would
    /// be cheaper, it reads all that is left.
    fn find_at(&mut self, starts: &[u32], found: &mut impl FnMut(usize, usize)) -> Result<(), ()> {
        let (mut free, mut walked) = (0, 0);
        for start in starts {
            let at = *start as usize;
            if at < free {
                continue;
            }
            if walked > 2 * self.text.len() {
                return self.find_from(at, found);
            }
            let from = Begin { at, anchored: true };
            match self.one(from, &mut walked) {
                Ok(Some((start, end))) if end > start => {
                    free = end;
                    if self.tell(start, end, found).is_err() {
                        return Ok(());
                    }
                }
                Ok(_) => {}
                Err(Stopped::Spent) => return Err(()),
                Err(Stopped::Unreadable) => return self.fall_back(at, found),
            }
        }
        Ok(())
    }

    fn find_from(&mut self, mut at: usize, found: &mut impl FnMut(usize, usize)) -> Result<(), ()> {
        let mut walked = 0;
        while at < self.text.len() {
            let from = Begin {
                at,
                anchored: false,
            };
            match self.one(from, &mut walked) {
                Ok(Some((start, end))) if end > start => {
                    at = end;
                    if self.tell(start, end, found).is_err() {
                        return Ok(());
                    }
                }
                Ok(Some((_, end))) => {
                    let c = self.text[end..].chars().next();
                    at = end + c.map_or(1, char::len_utf8);
                }
                Ok(None) => return Ok(()),
                Err(Stopped::Spent) => return Err(()),
                Err(Stopped::Unreadable) => return self.fall_back(at, found),
            }
        }
        Ok(())
    }

    fn tell(
        &mut self,
        start: usize,
        end: usize,
        found: &mut impl FnMut(usize, usize),
    ) -> Result<(), Ended> {
        if self.matches == MATCHES_MAX {
            found(start, self.text.len());
            return Err(Ended);
        }
        self.matches += 1;
        found(start, end);
        Ok(())
    }

    /// The first match from there on.
    fn one(&mut self, from: Begin, walked: &mut usize) -> Result<Option<(usize, usize)>, Stopped> {
        let Expression {
            forward: ahead,
            reverse: back,
            price,
            ..
        } = self.expression;
        let bytes = self.text.as_bytes();
        let most = self.budget.regex_steps_left() / price;
        let mut steps = 0;
        let cache = &mut self.caches.forward;
        let end = forward(ahead, cache, bytes, from, most, &mut steps);
        let both = match end {
            Ok(Some(end)) if !from.anchored && end > from.at => {
                let cache = &mut self.caches.reverse;
                let start = backward(back, cache, bytes, from.at..end, &mut steps);
                start.map(|start| Some((start.unwrap_or(from.at), end)))
            }
            Ok(end) => Ok(end.map(|end| (from.at.min(end), end))),
            Err(stopped) => Err(stopped),
        };
        *walked += steps;
        match self.budget.take_for_regex((1 + steps) * price) {
            true => both,
            false => Err(Stopped::Spent),
        }
    }

    /// Reads all that is left by an engine that can read everything, at its price.
    fn fall_back(&mut self, at: usize, found: &mut impl FnMut(usize, usize)) -> Result<(), ()> {
        let Some(regex) = &self.expression.fallback else {
            // Nothing but a word boundary makes a text unreadable.
            self.budget.give_up(Spent::Regexes);
            return Err(());
        };
        let (mut at, price) = (at, self.expression.fallback_price);
        loop {
            let left = self.text.len() - at;
            if !self.budget.take_for_regex(left.saturating_mul(price)) {
                return Err(());
            }
            let Some(one) = regex.find_at(self.text, at) else {
                return Ok(());
            };
            if one.is_empty() {
                let c = self.text[one.end()..].chars().next();
                at = one.end() + c.map_or(1, char::len_utf8);
            } else {
                at = one.end();
                if self.tell(one.start(), one.end(), found).is_err() {
                    return Ok(());
                }
            }
            if at >= self.text.len() {
                return Ok(());
            }
            self.budget
                .give_back_for_regex((self.text.len() - at).saturating_mul(price));
        }
    }
}

/// Where the first match from there on ends.
fn forward(
    dfa: &DFA,
    cache: &mut Cache,
    text: &[u8],
    from: Begin,
    most: usize,
    steps: &mut usize,
) -> Result<Option<usize>, Stopped> {
    let anchored = match from.anchored {
        true => Anchored::Yes,
        false => Anchored::No,
    };
    let input = Input::new(text).range(from.at..).anchored(anchored);
    let start = dfa.start_state_forward(cache, &input);
    let mut state = start.map_err(|_| Stopped::Unreadable)?;
    let last = text.len().min(from.at.saturating_add(most));
    let mut end = None;
    for (nth, byte) in text[from.at..last].iter().enumerate() {
        let next = dfa.next_state(cache, state, *byte);
        state = next.map_err(|_| Stopped::Unreadable)?;
        if state.is_tagged() {
            // A match is known one byte behind its end.
            if state.is_match() {
                end = Some(from.at + nth);
            } else if state.is_dead() {
                *steps += nth;
                return Ok(end);
            } else if state.is_quit() {
                *steps += nth;
                return Err(Stopped::Unreadable);
            }
        }
    }
    *steps += last - from.at;
    if last < text.len() {
        return Err(Stopped::Spent);
    }
    let state = dfa.next_eoi_state(cache, state);
    match state.map_err(|_| Stopped::Unreadable)?.is_match() {
        true => Ok(Some(text.len())),
        false => Ok(end),
    }
}

/// Where the match in `range` that ends with it begins.
fn backward(
    dfa: &DFA,
    cache: &mut Cache,
    text: &[u8],
    range: std::ops::Range<usize>,
    steps: &mut usize,
) -> Result<Option<usize>, Stopped> {
    let input = Input::new(text)
        .range(range.clone())
        .anchored(Anchored::Yes);
    let start = dfa.start_state_reverse(cache, &input);
    let mut state = start.map_err(|_| Stopped::Unreadable)?;
    let mut first = None;
    for at in range.clone().rev() {
        let next = dfa.next_state(cache, state, text[at]);
        state = next.map_err(|_| Stopped::Unreadable)?;
        *steps += 1;
        if state.is_tagged() {
            if state.is_match() {
                first = Some(at + 1);
            } else if state.is_dead() {
                return Ok(first);
            } else if state.is_quit() {
                return Err(Stopped::Unreadable);
            }
        }
    }
    let last = match range.start.checked_sub(1) {
        Some(before) => dfa.next_state(cache, state, text[before]),
        None => dfa.next_eoi_state(cache, state),
    };
    let last = last.map_err(|_| Stopped::Unreadable)?;
    match (last.is_match(), last.is_quit()) {
        (true, _) => Ok(Some(range.start)),
        (_, true) => Err(Stopped::Unreadable),
        _ => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Everything kind of expression that decides by what stands around.
    const EXPRESSIONS: [&str; 24] = [
        "a",
        "ab|a",
        "a+",
        "a+b",
        ".*b",
        "a.*?b",
        "[ab]+",
        "(?:ab)*b",
        "^a",
        "b$",
        "(?m)^a$",
        r"\ba\b",
        r"a\B",
        r"\b",
        "x*",
        "赌.?博",
        "[赌博]{2}",
        "(?i)ab",
        "a|赌博|b{2}",
        r"\w+",
        "[^a]b",
        "a{2,3}",
        "(?:a|b|赌)+?博",
        "(?-u:\\b)a",
    ];

    fn found(expression: &Expression, literals: Option<&[Vec<u8>]>, text: &str) -> Vec<[usize; 2]> {
        let starts = literals.map(|literals| {
            let places = (0..text.len()).filter(|at| {
                let mut literals = literals.iter();
                literals.any(|literal| text.as_bytes()[*at..].starts_with(literal))
            });
            places.map(|at| at as u32).collect::<Vec<u32>>()
        });
        let mut found = Vec::new();
        let budget = Budget::unlimited();
        let complete = expression.find(text, starts.as_deref(), &budget, |start, end| {
            found.push([start, end]);
        });
        assert!(complete);
        found
    }

    #[test]
    fn it_finds_what_the_crate_finds() {
        let mut random = fastrand::Rng::with_seed(1);
        let letters: Vec<char> = "aabb B赌博x-\n\u{e9}".chars().collect();
        for written in EXPRESSIONS {
            // Those that match where nothing is are refused, and read here all the same.
            let Ok((expression, literals)) = Expression::compile(written, true) else {
                continue;
            };
            let regex = Regex::new(written).unwrap();
            for _ in 0..200 {
                let length = random.usize(0..14);
                let text: String = (0..length)
                    .map(|_| letters[random.usize(0..letters.len())])
                    .collect();
                let expected = regex.find_iter(&text).filter(|found| !found.is_empty());
                let expected: Vec<[usize; 2]> =
                    expected.map(|found| [found.start(), found.end()]).collect();
                assert_eq!(
                    found(&expression, None, &text),
                    expected,
                    "{written} {text:?}"
                );
                let tried = found(&expression, literals.as_deref(), &text);
                assert_eq!(tried, expected, "{written} {text:?} at its literals");
            }
        }
    }

    #[test]
    fn so_many_matches_are_found_and_the_rest_is_one() {
        let (expression, _) = Expression::compile("a", true).unwrap();
        let text = "a".repeat(1_000);
        let found = found(&expression, None, &text);
        assert_eq!(found.len(), MATCHES_MAX + 1);
        assert_eq!(found[MATCHES_MAX], [MATCHES_MAX, text.len()]);
    }

    #[test]
    fn what_makes_many_states_costs_more_or_is_refused() {
        let price = |written: &str| Expression::compile(written, true).map(|one| one.0.price());
        for usual in [
            "cas[i1]no",
            "加.{0,3}微",
            "1[3-9][0-9]{9}",
            r"\w+@\w+",
            "[a-z]+",
        ] {
            assert!(price(usual).unwrap() <= 4, "{usual}");
        }
        let costly = price("[ab]*a[ab]{20}c").unwrap();
        assert!(costly > 8, "{costly}");
        let refused = price("[ab]*a[ab]{900}c").unwrap_err();
        assert!(refused.contains("steps for each byte"), "{refused}");
    }

    #[test]
    fn the_budget_ends_a_walk() {
        let (expression, _) = Expression::compile("a.*b", true).unwrap();
        let text = "a".repeat(10_000);
        let budget = Budget::new(0, 0, 5_000);
        assert!(!expression.find(&text, None, &budget, |_, _| {}));
        assert_eq!(budget.spent(), Some(Spent::Regexes));
    }
}
