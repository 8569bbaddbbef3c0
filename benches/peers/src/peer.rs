//! One way to look for words in a text, whoever wrote it.

use std::ops::Range;
use std::time::Duration;

use cpu_time::ThreadTime;

use crate::corpora::Corpus;

/// What a peer says about one text.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Where there are words, in characters.
    At(Vec<Range<usize>>),
    /// Whether there is one; the peer does not say where.
    Somewhere(bool),
}

impl Found {
    pub fn any(&self) -> bool {
        match self {
            Found::At(spans) => !spans.is_empty(),
            Found::Somewhere(any) => *any,
        }
    }

    /// Whether it holds what stands at `place`; without places any hit counts.
    pub fn covers(&self, place: &Range<usize>) -> bool {
        match self {
            Found::At(spans) => spans.iter().any(|span| overlap(span, place)),
            Found::Somewhere(any) => *any,
        }
    }
}

/// Whether two ranges have a character in common.
fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start.max(other.start) < one.end.min(other.end)
}

pub trait Peer {
    fn name(&self) -> &str;

    /// CPU time that it took to take its words in.
    fn built_in(&self) -> Duration;

    /// Nanoseconds of CPU time for a message of the corpus, over and over for about `limit`.
    fn time(&mut self, corpus: &Corpus, limit: Duration) -> f64;

    fn find(&mut self, corpus: &Corpus) -> Vec<Found>;
}

/// A peer in this process.
pub struct Linked<Look> {
    pub name: String,
    pub built_in: Duration,
    /// Appends spans in bytes, if the peer gives spans, and says whether there is a word.
    pub look: Look,
    pub gives_spans: bool,
}

/// Builds a peer by `build`, which returns how it looks at one text.
pub fn linked<'a, Look>(
    name: &str,
    gives_spans: bool,
    build: impl FnOnce() -> Look,
) -> Box<dyn Peer + 'a>
where
    Look: FnMut(&str, &mut Vec<Range<usize>>) -> bool + 'a,
{
    let started = ThreadTime::now();
    let look = build();
    Box::new(Linked {
        name: name.to_owned(),
        built_in: started.elapsed(),
        look,
        gives_spans,
    })
}

impl<Look: FnMut(&str, &mut Vec<Range<usize>>) -> bool> Peer for Linked<Look> {
    fn name(&self) -> &str {
        &self.name
    }

    fn built_in(&self) -> Duration {
        self.built_in
    }

    fn time(&mut self, corpus: &Corpus, limit: Duration) -> f64 {
        let (mut spans, mut hits) = (Vec::new(), 0_usize);
        let ns = ns_a_message(&corpus.lines, limit, |line| {
            spans.clear();
            hits += usize::from((self.look)(line, &mut spans));
        });
        std::hint::black_box(hits);
        ns
    }

    fn find(&mut self, corpus: &Corpus) -> Vec<Found> {
        let mut spans = Vec::new();
        let find = corpus.lines.iter().map(|line| {
            spans.clear();
            let any = (self.look)(line, &mut spans);
            if self.gives_spans {
                Found::At(spans.iter().map(|span| chars(line, span)).collect())
            } else {
                Found::Somewhere(any)
            }
        });
        find.collect()
    }
}

/// A range of bytes as one of characters.
fn chars(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let before = |at: usize| {
        text.char_indices()
            .take_while(|(byte, _)| *byte < at)
            .count()
    };
    before(bytes.start)..before(bytes.end)
}

/// Looks at lines, over and over, and reads the clock seldom enough not to be measured itself.
fn ns_a_message(lines: &[String], limit: Duration, mut look: impl FnMut(&str)) -> f64 {
    let started = ThreadTime::now();
    let (mut done, mut check) = (0_usize, 1);
    loop {
        for line in lines {
            look(line);
            done += 1;
            if done == check {
                let elapsed = started.elapsed();
                if elapsed > limit {
                    return elapsed.as_nanos() as f64 / done as f64;
                }
                check += done.min(256);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_only_touch_do_not_overlap() {
        assert!(
            overlap(&(0..3), &(2..4)) && overlap(&(0..9), &(4..5)) && overlap(&(4..5), &(0..9))
        );
        assert!(
            !overlap(&(0..2), &(2..4)) && !overlap(&(2..4), &(0..2)) && !overlap(&(3..3), &(0..9))
        );
    }

    #[test]
    fn bytes_become_characters() {
        assert_eq!(chars("去赌博a", &(3..9)), 1..3);
        assert_eq!(chars("去赌博a", &(9..10)), 3..4);
    }

    #[test]
    fn a_hit_elsewhere_covers_nothing() {
        let found = Found::At(vec![0..2, 7..9]);
        assert!(found.covers(&(8..12)) && !found.covers(&(2..7)));
        assert!(Found::Somewhere(true).covers(&(2..7)) && !Found::Somewhere(false).covers(&(2..7)));
    }

    #[test]
    fn every_line_has_its_turn() {
        let lines = ["a".to_owned(), "b".to_owned()];
        let mut seen = String::new();
        ns_a_message(&lines, Duration::from_micros(200), |line| {
            seen.push_str(line)
        });
        assert!(seen.starts_with("abab"), "{seen}");
    }
}
