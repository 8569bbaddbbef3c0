//! Folding: from text to a stream of symbols in which equal means "the same to a reader".
//!
//! One table maps every code point, built once per set of options; text and entries pass through
//! the same table, so an entry is always folded like the text. The text itself is never changed:
//! every symbol knows the byte that it came from.

use unicode_normalization::char::{canonical_combining_class, compose, is_combining_mark};

use super::character;
use super::flag;
use super::fold_table::{FoldTable, LOOKALIKE, SPECIAL, Special};
use super::jamo;
use super::lookalike::Kind;
use super::stream::{
    DIGIT, FOREIGN, KIND_SHIFT, LATIN, LETTER, MORE, PARTED, REGIONAL, SYMBOL, Stream, WORD,
};
use super::symbol::is_space;

const LOOKALIKES: u32 = 1;
const FLAGS: u32 = LETTER | DIGIT | REGIONAL;
/// A flag of a country counts as a sign.
const SIGN: u32 = (character::Noise::Symbol as u32 + 1) << KIND_SHIFT;

/// What is around a lookalike.
#[derive(Clone, Copy)]
struct Around {
    /// In its run of letters.
    latin: bool,
    fancy: bool,
}

impl FoldTable {
    /// Folds `text` into `stream`, whose content it replaces.
    pub(crate) fn fold(&self, text: &str, stream: &mut Stream) {
        let seen = self.fold_unsettled(text, stream);
        if seen & LOOKALIKES != 0 {
            self.settle_lookalikes(stream, |script, around| {
                around.latin || self.always_latin || seen & script == 0
            });
        }
        mark_parted(stream);
    }

    /// Folds `text` as [`Self::fold`] does, but leaves every letter in its own script, unless it
    /// is always Latin.
    pub(crate) fn fold_keeping_scripts(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| self.always_latin);
        mark_parted(stream);
    }

    /// Folds `text` as if every run of letters held a Latin one.
    pub(crate) fn fold_among_latin(&self, text: &str, stream: &mut Stream) {
        self.fold_unsettled(text, stream);
        self.settle_lookalikes(stream, |_, _| true);
        mark_parted(stream);
    }

    /// Gives back the flags that were seen, and [`LOOKALIKES`].
    fn fold_unsettled(&self, text: &str, stream: &mut Stream) -> u32 {
        stream.clear();
        let (mut seen, mut blank) = (0, false);
        for (at, c) in text.char_indices() {
            let entry = self.entry(c);
            if entry >= SPECIAL {
                seen |= self.push_special(entry, c, at as u32, text, stream);
                blank = is_space(stream.symbols.last());
            } else if (at as u32) >= stream.read_to {
                // Several blanks are one.
                let was_blank = std::mem::replace(&mut blank, is_space(Some(&entry)));
                if !(blank && was_blank) {
                    seen |= entry & FLAGS | u32::from(entry >= LOOKALIKE);
                    stream.push(entry, at as u32);
                }
            }
        }
        seen
    }

    fn push_special(
        &self,
        entry: u32,
        c: char,
        origin: u32,
        text: &str,
        stream: &mut Stream,
    ) -> u32 {
        if origin < stream.read_to {
            return 0;
        }
        let end = origin + c.len_utf8() as u32;
        let special = self.special(entry);
        match special.expect("the entry of a special case") {
            Special::Drop => 0,
            Special::Parting => {
                stream.parted.push(stream.symbols.len() as u32);
                0
            }
            Special::Unfold(symbols) => symbols.iter().fold(0, |seen, symbol| {
                stream.push(*symbol, origin);
                seen | symbol & FLAGS | u32::from(*symbol >= LOOKALIKE)
            }),
            Special::Signs(symbols) => {
                let count = stream.symbols.len();
                let sign = Special::Sign(symbols[0]);
                let seen = self.push_mark(&sign, origin, end, stream);
                let more = u32::from(stream.symbols.len() > count) * MORE;
                symbols[1..].iter().fold(seen, |seen, symbol| {
                    stream.push(symbol | more, origin);
                    seen | symbol & FLAGS
                })
            }
            Special::Join { .. } | Special::Sign(_) if origin >= stream.marks_to => {
                self.push_marks(origin, text, stream)
            }
            mark @ (Special::Join { .. } | Special::Sign(_)) => {
                self.push_mark(mark, origin, end, stream)
            }
            Special::Jamo(letter) => {
                jamo::push(*letter, origin, end, stream);
                0
            }
            Special::Regional(letter) => {
                let rest = &text[origin as usize..];
                let run = rest.chars().take_while(|c| character::is_regional(*c));
                let count = run.clone().count() as u32;
                stream.read_to = origin + count * 4;
                if flag::are_flags(run.clone()) {
                    for (nth, flag) in flag::flags(run).enumerate() {
                        let start = origin + nth as u32 * 8;
                        stream.push(flag | SIGN, start);
                        stream.join(start + 8);
                    }
                    return 0;
                }
                let first = u32::from('\u{1F1E6}');
                run.zip(0..).fold(0, |seen, (c, nth)| {
                    let entry = self.entry(c);
                    let letter = match self.special(entry) {
                        Some(Special::Regional(letter)) => *letter,
                        _ => *letter - first + u32::from(c),
                    };
                    stream.push(letter, origin + nth * 4);
                    seen | letter & FLAGS
                })
            }
            Special::BlackFlag(sign) => {
                let rest = &text[end as usize..];
                match flag::of_a_part(rest) {
                    Some((flag, length)) => {
                        stream.push(flag | SIGN, origin);
                        stream.read_to = end + length;
                        stream.join(stream.read_to);
                    }
                    None => stream.push(*sign, origin),
                }
                0
            }
            Special::Code => {
                stream.read_to = end + code_length(c, &text[end as usize..]);
                0
            }
        }
    }

    /// Marks, of which the first stands there, in their canonical order: those of one script that
    /// do not touch each other may be written in any. Signs of several scripts upon each other
    /// spell nothing, and those of each stand where they are.
    fn push_marks(&self, origin: u32, text: &str, stream: &mut Stream) -> u32 {
        let class = |c: char| canonical_combining_class(c);
        let rest = &text[origin as usize..];
        let mut marks = rest.chars();
        let first = marks.next().expect("a mark stands there");
        let script = character::sign_script(first);
        let goes_on = |c: &char| class(*c) != 0 && character::sign_script(*c) == script;
        let (mut length, mut last, mut sorted) = (first.len_utf8(), class(first), true);
        // A mark of no class stays where it is, and so does what follows it.
        if last != 0 {
            for c in marks.take_while(goes_on) {
                sorted &= last <= class(c);
                last = class(c);
                length += c.len_utf8();
            }
        }
        let end = origin + length as u32;
        stream.marks_to = end;
        if sorted {
            return self.push_special(self.entry(first), first, origin, text, stream);
        }
        stream.read_to = end;
        let run = &rest[..length];
        let mut ordered: Vec<char> = run.chars().collect();
        ordered.sort_by_key(|c| class(*c));
        let places = run.char_indices().map(|(at, c)| {
            let start = origin + at as u32;
            (start, start + c.len_utf8() as u32)
        });
        ordered
            .into_iter()
            .zip(places)
            .fold(0, |seen, (c, (start, end))| {
                let entry = self.entry(c);
                match self.special(entry) {
                    Some(mark @ (Special::Join { .. } | Special::Sign(_))) => {
                        seen | self.push_mark(mark, start, end, stream)
                    }
                    _ => seen,
                }
            })
    }

    fn push_mark(&self, mark: &Special, origin: u32, end: u32, stream: &mut Stream) -> u32 {
        match mark {
            Special::Join { mark, alone } => {
                if let Some(last) = stream.symbols.last_mut()
                    && let Some(joined) = self.join(*last, *mark)
                {
                    // A letter of a flag with a mark stays one.
                    *last = joined | *last & (MORE | REGIONAL);
                    stream.join(end);
                    return joined & FLAGS | u32::from(joined >= LOOKALIKE);
                }
                alone.map_or(0, |alone| {
                    stream.push(alone, origin);
                    alone & FLAGS
                })
            }
            Special::Sign(sign) => {
                let sign_char = char::from_u32(sign & SYMBOL);
                let last = stream.symbols.last().copied().unwrap_or(SPECIAL);
                let letter = char::from_u32(last & SYMBOL).filter(|_| last < LOOKALIKE);
                let script = letter.and_then(character::sign_script);
                let fits = script.is_some()
                    && letter != sign_char
                    && script == sign_char.and_then(character::sign_script)
                    && letter.is_some_and(character::bears_signs);
                if !fits {
                    return 0;
                }
                stream.push(*sign, origin);
                sign & FLAGS
            }
            _ => 0,
        }
    }

    /// The symbol of a character and the mark that follows it, if there is one for both.
    fn join(&self, symbol: u32, mark: char) -> Option<u32> {
        let point = match symbol {
            ..LOOKALIKE => symbol & SYMBOL,
            _ => self.lookalike(symbol).itself & SYMBOL,
        };
        let joined = match (point, mark) {
            // The heh that joins it was folded to the other one.
            (0x647, '\u{654}') => 'ۀ',
            // So does the dot of `İ`, of which case has left an `i`.
            (0x69, '\u{307}') => 'i',
            _ => compose(char::from_u32(point)?, mark)?,
        };
        let entry = self.entry(joined);
        (entry < SPECIAL).then_some(entry)
    }

    /// Decides for every lookalike whether it is Latin.
    ///
    /// `is_latin` is asked about letters of other scripts, with the script as a flag and what is
    /// around them.
    fn settle_lookalikes(&self, stream: &mut Stream, is_latin: impl Fn(u32, Around) -> bool) {
        let symbols = &mut stream.symbols[..];
        let mut start = 0;
        while start < symbols.len() {
            let run = symbols[start..].iter();
            let run = run
                .take_while(|symbol| **symbol >= LOOKALIKE || **symbol & LETTER != 0)
                .count();
            let end = start + run;
            let run = &mut symbols[start..end];
            if run.iter().any(|symbol| *symbol >= LOOKALIKE) {
                let mut around = Around {
                    latin: false,
                    fancy: false,
                };
                for symbol in run.iter() {
                    around.latin |= symbol & LATIN != 0;
                    around.fancy |=
                        *symbol >= LOOKALIKE && self.lookalike(*symbol).kind == Kind::Fancy;
                }
                for symbol in run.iter_mut().filter(|symbol| **symbol >= LOOKALIKE) {
                    let settled = self.lookalike(*symbol);
                    let latin = match settled.kind {
                        Kind::Fancy => true,
                        Kind::Dotless => around.fancy || self.always_latin,
                        Kind::Foreign => is_latin(settled.itself & LETTER, around),
                    };
                    let foreign = u32::from(settled.kind == Kind::Foreign) * FOREIGN;
                    let now = if latin {
                        settled.latin | foreign
                    } else {
                        settled.itself
                    };
                    *symbol = now | *symbol & MORE;
                }
            }
            start = end + 1;
        }
    }
}

/// Marks the letters behind what parts words of Arabic script; a mark begins no word.
fn mark_parted(stream: &mut Stream) {
    for at in stream.parted.drain(..) {
        if let Some(symbol) = stream.symbols.get_mut(at as usize)
            && character::is_arabic(*symbol & SYMBOL)
            && *symbol & WORD != 0
            && char::from_u32(*symbol & SYMBOL).is_some_and(|c| !is_combining_mark(c))
        {
            *symbol |= PARTED << KIND_SHIFT;
        }
    }
}

/// How many bytes of a formatting code follow its first character.
fn code_length(first: char, rest: &str) -> u32 {
    let digits = |text: &str| text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    match first {
        '\u{3}' => {
            let color = digits(rest);
            let ground = rest[color..].strip_prefix(',').map_or(0, digits);
            (color
                + if color > 0 && ground > 0 {
                    ground + 1
                } else {
                    0
                }) as u32
        }
        '\u{4}' => {
            let color = hex_color(rest);
            let ground = rest[color..].strip_prefix(',').map_or(0, hex_color);
            match (color, ground) {
                (0, _) | (_, 0) => color as u32,
                _ => (color + 1 + ground) as u32,
            }
        }
        _ => {
            let code = rest.bytes().next().map(|byte| byte.to_ascii_lowercase());
            u32::from(matches!(code, Some(b'0'..=b'9' | b'a'..=b'v' | b'x')))
        }
    }
}

/// The six digits of a colour that a text begins with, or none.
fn hex_color(text: &str) -> usize {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_hexdigit);
    match digits.count() {
        6 => 6,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::Options;

    fn folded(text: &str) -> String {
        let mut stream = Stream::default();
        let table = FoldTable::build(&Options::default()).unwrap();
        table.fold(text, &mut stream);
        let symbols = stream.symbols.iter();
        symbols
            .map(|symbol| char::from_u32(symbol & SYMBOL).unwrap())
            .collect()
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(folded(text), expected, "{text}");
    }

    #[test]
    fn each_step_of_folding() {
        check("AbÇ", "abc");
        check("ＡＢ　１", "ab 1");
        check("ⓐ⑴㎏", "a1kg");
        check("賭博發髮", "赌博发发");
        check("a\u{200b}b\u{feff}", "ab");
        check("бёй", "беи");
        check("ｶﾞか\u{3099}", "ガが");
        check("раypаl", "paypal");
        check("ﷺ", "ﷺ");
    }
}
