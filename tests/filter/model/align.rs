//! Every way to lay a form over a text, one letter after the other.

use callgate::filter::{Options, SkipClasses};

use super::character::{is_digit, is_han};
use super::fold::Symbol;
use super::form::{Form, Letter, syllable};

/// A symbol of the text that stands for a letter of the form.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub symbol: usize,
    pub letter: usize,
}

/// What characters are that may be letters or noise: in one reading all of them are letters, in
/// another they are noise, if they are skipped.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Signs that may stand for letters do.
    pub signs: bool,
    /// Flags are letters.
    pub flags: bool,
}

/// A form and the text that it is laid over.
pub struct Page<'a> {
    pub form: &'a Form,
    pub symbols: &'a [Symbol],
    pub options: &'a Options,
    reading: Reading,
    /// The equal letters that follow each other: the first of them, and how many.
    runs: Vec<(usize, usize)>,
}

impl<'a> Page<'a> {
    pub fn new(
        form: &'a Form,
        symbols: &'a [Symbol],
        options: &'a Options,
        reading: Reading,
    ) -> Page<'a> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (at, letter) in form.letters.iter().enumerate() {
            match runs.last_mut() {
                Some((first, count)) if same(&form.letters[*first], letter, options) => *count += 1,
                _ => runs.push((at, 1)),
            }
        }
        Page {
            form,
            symbols,
            options,
            reading,
            runs,
        }
    }

    pub fn letter(&self, step: Step) -> &Letter {
        &self.form.letters[step.letter]
    }

    /// The ways that begin at a symbol.
    pub fn alignments(&self, start: usize) -> Vec<Vec<Step>> {
        let mut all = Vec::new();
        self.take(start, 0, 0, &mut Vec::new(), &mut all);
        all
    }

    /// Takes the next symbol for a run of which `count` are taken, or goes on to the next run.
    fn take(
        &self,
        start: usize,
        run: usize,
        count: usize,
        taken: &mut Vec<Step>,
        all: &mut Vec<Vec<Step>>,
    ) {
        let Some((first, length)) = self.runs.get(run).copied() else {
            all.push(taken.clone());
            return;
        };
        if self.stands_for_run(count, length) {
            self.take(start, run + 1, 0, taken, all);
        }
        if count >= length && self.options.repeat == 0 {
            return;
        }
        let letter = first + count.min(length - 1);
        let next = match taken.last() {
            None => vec![start],
            Some(last) => self.after(
                last.symbol,
                letter > last.letter && self.form.letters[letter].joint,
            ),
        };
        for symbol in next {
            if self.stands_for(symbol, letter) {
                taken.push(Step { symbol, letter });
                self.take(start, run, count + 1, taken, all);
                taken.pop();
            }
        }
    }

    /// Whether so many equal symbols stand for a run of letters.
    fn stands_for_run(&self, count: usize, length: usize) -> bool {
        let repeat = self.options.repeat as usize;
        count == length || repeat > 0 && count > length
    }

    /// Whether one of the runs is long enough to prove that the others are stretched too.
    pub fn is_proved(&self, steps: &[Step]) -> bool {
        let repeat = self.options.repeat as usize;
        self.runs.iter().any(|(first, length)| {
            let of_run = |step: &&Step| (*first..first + length).contains(&step.letter);
            let count = steps.iter().filter(of_run).count();
            count > *length && count >= repeat
        })
    }

    pub fn stands_for(&self, symbol: usize, letter: usize) -> bool {
        let (c, letter) = (self.symbols[symbol].c, &self.form.letters[letter]);
        if self.is_flag_noise(symbol) {
            return false;
        }
        c == letter.c
            || self.is_leet(symbol) && leet(letter.c).contains(c)
            || self.options.homophone && same_sound(c, letter.c)
    }

    /// Whether a digit or a sign may stand for a letter: digits unless they are skipped, signs
    /// even then.
    fn is_leet(&self, symbol: usize) -> bool {
        let is_digit = is_digit(self.symbols[symbol].c);
        let skipped = self.symbols[symbol].noise();
        let skipped = skipped.is_some_and(|class| self.options.skip.contains(class));
        self.options.leet && (self.form.literal || !skipped || !is_digit && self.reading.signs)
    }

    /// Whether a symbol beside a longer run is a part of it. A sign may be just a sign.
    pub fn continues(&self, symbol: usize, letter: usize) -> bool {
        let c = self.symbols[symbol].c;
        self.stands_for(symbol, letter) && (c == self.form.letters[letter].c || !is_sign(c))
    }

    /// The symbols that may stand for the letter after the one at `last`: the next symbol, and
    /// those behind noise that is skipped.
    fn after(&self, last: usize, joint: bool) -> Vec<usize> {
        let mut reachable = Vec::new();
        let mut skipped = 0;
        if joint {
            let is_blank = |at: &usize| {
                self.is_skipped(*at) || self.symbols[*at].noise() == Some(SkipClasses::SPACE)
            };
            let blanks = (last + 1..self.symbols.len())
                .take_while(is_blank)
                .take(256);
            return (last + 2..=last + 1 + blanks.count())
                .filter(|at| *at < self.symbols.len())
                .collect();
        }
        for at in last + 1..self.symbols.len() {
            reachable.push(at);
            skipped += 1;
            if !self.is_skipped(at) || skipped > self.options.max_gap {
                break;
            }
        }
        reachable
    }

    fn is_skipped(&self, symbol: usize) -> bool {
        if self.is_flag_noise(symbol) {
            return true;
        }
        let class = self.symbols[symbol].noise();
        let letter = self.is_leet(symbol) && is_sign(self.symbols[symbol].c);
        !self.form.literal
            && !letter
            && class.is_some_and(|class| self.options.skip.contains(class))
    }

    /// A flag is noise like any emoji, though its letters are letters.
    fn is_flag_noise(&self, symbol: usize) -> bool {
        let skip = self.options.skip.contains(SkipClasses::SYMBOL);
        skip && !self.form.literal && self.symbols[symbol].regional && !self.reading.flags
    }

    /// Whether a blank stands between two symbols.
    pub fn blank_between(&self, one: usize, next: usize) -> bool {
        let between = &self.symbols[one + 1..next];
        let blanks = [Some(SkipClasses::SPACE), Some(SkipClasses::NEWLINE)];
        between
            .iter()
            .any(|symbol| blanks.contains(&symbol.noise()))
    }
}

fn same(one: &Letter, other: &Letter, options: &Options) -> bool {
    one.c == other.c || options.homophone && same_sound(one.c, other.c)
}

fn same_sound(one: char, other: char) -> bool {
    is_han(one) && is_han(other) && syllable(one).is_some() && syllable(one) == syllable(other)
}

/// Whether a sign, no digit, may stand for a letter.
pub fn has_sign(letter: char) -> bool {
    leet(letter).contains(|c| !is_digit(c))
}

/// A sign, no digit, that may stand for a letter.
fn is_sign(c: char) -> bool {
    ('a'..='z').any(|letter| leet(letter).contains(c)) && !is_digit(c)
}

/// The digits and signs that may stand for a letter.
pub fn leet(letter: char) -> &'static str {
    match letter {
        'a' => "4@",
        'b' => "8",
        'e' => "3",
        'g' => "69",
        'i' => "1!|",
        'l' => "1|",
        'o' => "0",
        's' => "5$",
        't' => "7+",
        'z' => "2",
        'c' => "¢",
        _ => "",
    }
}
