//! Puts a word into a disguise.
//!
//! The tables here are written apart from those that the filter folds with, so that a gap in
//! those is found; only what Han characters turn into comes from the same data.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::kind::{Kind, REPEAT_ADVISED};
use crate::filter::Variants;

const INVISIBLE: [char; 9] = [
    '\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}', '\u{AD}', '\u{34F}', '\u{3164}',
    '\u{2800}',
];
const STROKES: [char; 4] = ['\u{336}', '\u{335}', '\u{332}', '\u{20DD}'];
const PILE: [char; 8] = [
    '\u{30D}', '\u{337}', '\u{356}', '\u{35C}', '\u{362}', '\u{34E}', '\u{353}', '\u{33F}',
];
const ACCENTED: &str = "aáàâäãåeéèêëiíìîïoóòôöõuúùûünñcçyýzż";
/// The first letter of the alphabet in each decoration.
const ALPHABETS: [char; 7] = ['ⓐ', '𝐚', '𝓪', '𝖆', '𝚊', '⒜', '𝔞'];
const CAPITALS: [char; 4] = ['🅐', '🅰', '🄰', 'Ⓐ'];
const NUMERALS: [&str; 3] = [
    "〇一二三四五六七八九",
    "零壹贰叁肆伍陆柒捌玖",
    "〇㊀㊁㊂㊃㊄㊅㊆㊇㊈",
];
const LOOKALIKES: &str = "aаeеoоpрcсyуxхiіsѕjјhһdԁoοpρvνiι";
const LEET: &str = "a4a@b8e3g6g9i1i!l1o0s5s$t7t+z2";
const CONTROLS: [char; 6] = ['\u{1}', '\u{2}', '\u{F}', '\u{1F}', '\u{7F}', '\u{9F}'];
const CODES: [&str; 5] = ["§a", "§l", "\u{3}04", "\u{3}4,12", "\u{2}"];
const BLANKS: [&str; 5] = ["  ", "\t", "\u{A0}", "\u{3000}", " \u{2009} "];
const MASKS: [char; 4] = ['*', '#', '●', '_'];

/// Makes disguises; the same ones for the same seed and order of calls.
pub(super) struct Mutator {
    variants: Variants,
    aliases: BTreeMap<String, String>,
    /// From how many equal characters on a run may stand for fewer.
    repeat: u32,
    rng: Rng,
}

impl Mutator {
    pub(super) fn new(aliases: &BTreeMap<String, String>, repeat: u32, seed: u64) -> Mutator {
        Mutator {
            variants: Variants::load(),
            aliases: aliases.clone(),
            repeat: match repeat {
                0 => REPEAT_ADVISED,
                repeat => repeat,
            },
            rng: Rng::with_seed(seed),
        }
    }

    pub(super) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The word in a disguise of this kind; `None` when the kind does not fit the word.
    pub(super) fn mutate(&mut self, kind: Kind, word: &str) -> Option<String> {
        let dressed = match kind {
            Kind::Plain => return Some(word.to_owned()),
            Kind::Beside => return beside(word, &mut self.rng),
            Kind::Case => self.each(word, |rng, c| {
                let flipped = match c.is_ascii_lowercase() {
                    true => c.to_ascii_uppercase(),
                    false => c.to_ascii_lowercase(),
                };
                (flipped != c && rng.u8(..4) > 0).then(|| flipped.to_string())
            }),
            Kind::Width => self.each(word, |_, c| {
                let wide = matches!(c, '!'..='~').then(|| u32::from(c) + 0xFEE0)?;
                char::from_u32(wide).map(String::from)
            }),
            Kind::Style => self.styled(word),
            Kind::NumStyle => {
                let numerals: Vec<char> = self.rng.choice(NUMERALS)?.chars().collect();
                self.each(word, |_, c| {
                    Some(numerals[c.to_digit(10)? as usize].to_string())
                })
            }
            Kind::Trad => self.by_variants(word, |variants, c| {
                variants
                    .traditional(c)
                    .iter()
                    .map(char::to_string)
                    .collect()
            }),
            Kind::Invisible => self.between(word, |rng| rng.choice(INVISIBLE).map(String::from)),
            Kind::Accents => self.accented(word),
            Kind::Zalgo => self.each(word, |rng, c| {
                let count = rng.usize(2..6);
                let marks = std::iter::repeat_with(|| rng.choice(PILE))
                    .flatten()
                    .take(count);
                Some(std::iter::once(c).chain(marks).collect())
            }),
            Kind::Confusables => self.swapped(word, LOOKALIKES, usize::MAX),
            Kind::Leet => {
                let letters = word.chars().filter(char::is_ascii_alphabetic).count();
                self.swapped(word, LEET, letters / 2)
            }
            Kind::Repeat => {
                let repeat = self.repeat as usize;
                let chars = word.chars().count();
                let at = self.rng.usize(0..chars.max(1));
                let count = repeat.max(2) + self.rng.usize(0..4);
                let mut nth = 0;
                // A run that is in the word already may only grow.
                self.each(word, |_, c| {
                    nth += 1;
                    (nth == at + 1 && c.is_alphabetic()).then(|| c.to_string().repeat(count))
                })
            }
            Kind::Space => self.noise(word, &[" ", "  ", "\u{3000}"]),
            Kind::Punct => self.noise(word, &["-", ".", "、", "_", "，", "*"]),
            Kind::Symbol => self.noise(word, &["😂", "★", "~", "❤\u{FE0F}", "^", "$"]),
            Kind::Stop => self.noise(word, &["。", "！", "?", "!"]),
            Kind::Newline => self.noise(word, &["\n", "\r\n"]),
            Kind::Digit if is_han(word) => self.noise(word, &["1", "23", "9"]),
            Kind::Latin if is_han(word) => self.noise(word, &["x", "ab", "Q"]),
            Kind::Digit | Kind::Latin => return None,
            Kind::Pinyin => {
                self.by_variants(word, |variants, c| variants.pinyin(c).into_iter().collect())
            }
            Kind::Initials => {
                if word.chars().count() < 3 || !is_han(word) {
                    return None;
                }
                let initial = |c| self.variants.pinyin(c)?.chars().next();
                word.chars().map(initial).collect::<Option<String>>()
            }
            Kind::Homophone => self.by_variants(word, |variants, c| {
                let alike = variants.of_its_sound(c).iter();
                let others = alike.filter(|other| **other != c);
                others.map(char::to_string).collect()
            }),
            Kind::Split if word.chars().count() < 2 => return None,
            Kind::Split => self.by_variants(word, |variants, c| {
                variants.parts(c).iter().map(ToString::to_string).collect()
            }),
            Kind::Alias => self.aliased(word),
            Kind::Selfmask => self.hidden(word),
            Kind::Bidi => Some(format!(
                "\u{202E}{}\u{202C}",
                word.chars().rev().collect::<String>()
            )),
            Kind::Layers => self.layered(word),
            Kind::Control => self.between(word, |rng| rng.choice(CONTROLS).map(String::from)),
            Kind::Jamo => self.each(word, |_, c| spelled_out(c)),
            Kind::Tatweel if !word.chars().all(is_arabic) => return None,
            Kind::Tatweel => self.between(word, |rng| Some("\u{640}".repeat(rng.usize(1..4)))),
            Kind::Hamza => self.each(word, |_, c| without_hamza(c).map(String::from)),
            Kind::Kana => self.each(word, |_, c| match c {
                'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60).map(String::from),
                _ => None,
            }),
            Kind::Codes => self.between(word, |rng| rng.choice(CODES).map(ToString::to_string)),
            Kind::Blanks => self.each(word, |rng, c| {
                let blank = rng.choice(BLANKS).filter(|_| c == ' ');
                blank.map(ToString::to_string)
            }),
        };
        dressed.filter(|dressed| dressed != word)
    }

    /// Changes the characters for which `change` gives something else.
    fn each(
        &mut self,
        word: &str,
        mut change: impl FnMut(&mut Rng, char) -> Option<String>,
    ) -> Option<String> {
        let rng = &mut self.rng;
        let changed = word.chars();
        Some(
            changed
                .map(|c| change(rng, c).unwrap_or_else(|| c.to_string()))
                .collect(),
        )
    }

    /// Changes one character at least, and others by chance, to one of its variants.
    fn by_variants(
        &mut self,
        word: &str,
        variants_of: impl Fn(&Variants, char) -> Vec<String>,
    ) -> Option<String> {
        let choices: Vec<Vec<String>> = word
            .chars()
            .map(|c| variants_of(&self.variants, c))
            .collect();
        let changeable: Vec<usize> = (0..choices.len())
            .filter(|at| !choices[*at].is_empty())
            .collect();
        let sure = *self.rng.choice(&changeable)?;
        let mut dressed = String::new();
        for (at, c) in word.chars().enumerate() {
            let changes = at == sure || self.rng.bool();
            match self.rng.choice(&choices[at]).filter(|_| changes) {
                Some(variant) => dressed.push_str(variant),
                None => dressed.push(c),
            }
        }
        Some(dressed)
    }

    /// Puts something into one gap at least, and into others by chance.
    fn between(
        &mut self,
        word: &str,
        mut filling: impl FnMut(&mut Rng) -> Option<String>,
    ) -> Option<String> {
        let chars: Vec<char> = word.chars().collect();
        if chars.len() < 2 {
            return None;
        }
        let sure = self.rng.usize(1..chars.len());
        let mut dressed = String::new();
        for (at, c) in chars.into_iter().enumerate() {
            if at == sure || at > 0 && self.rng.bool() {
                dressed.push_str(&filling(&mut self.rng)?);
            }
            dressed.push(c);
        }
        Some(dressed)
    }

    /// Noise between the characters of one word of letters, digits or Han characters: what holds
    /// noise of its own is looked for as it stands. Latin words are spelled out; in a phrase the noise
    /// stands for the blank.
    fn noise(&mut self, word: &str, noises: &[&str]) -> Option<String> {
        let mut words = word.split(' ');
        if !words.all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric)) {
            return None;
        }
        if word.contains(' ') {
            let noise = *self.rng.choice(noises)?;
            return Some(word.replace(' ', noise));
        }
        if is_han(word) {
            return self.between(word, |rng| rng.choice(noises).map(ToString::to_string));
        }
        let noise = *self.rng.choice(noises)?;
        let chars: Vec<String> = word.chars().map(String::from).collect();
        Some(chars.join(noise))
    }

    fn styled(&mut self, word: &str) -> Option<String> {
        let (small, capital) = (self.rng.choice(ALPHABETS)?, self.rng.choice(CAPITALS)?);
        let first = if self.rng.bool() { small } else { capital };
        self.each(word, |_, c| {
            let decorated = match c {
                'a'..='z' | 'A'..='Z' => {
                    u32::from(first) + u32::from(c.to_ascii_lowercase()) - u32::from('a')
                }
                '1'..='9' => u32::from('①') + u32::from(c) - u32::from('1'),
                _ => return None,
            };
            char::from_u32(decorated).map(String::from)
        })
    }

    fn accented(&mut self, word: &str) -> Option<String> {
        let stroke = self.rng.choice(STROKES)?;
        if self.rng.bool() {
            return self.each(word, |_, c| {
                (!c.is_whitespace()).then(|| format!("{c}{stroke}"))
            });
        }
        // Each plain letter stands before its accented ones.
        let accented = |c: char| -> Vec<char> {
            let at = ACCENTED.chars().position(|known| known == c);
            let behind = ACCENTED.chars().skip(at.map_or(usize::MAX, |at| at + 1));
            behind.take_while(|c| !c.is_ascii()).collect()
        };
        self.each(word, |rng, c| rng.choice(accented(c)).map(String::from))
    }

    /// Changes one character at least and `most` at most, by a table of pairs.
    fn swapped(&mut self, word: &str, table: &str, most: usize) -> Option<String> {
        let table: Vec<char> = table.chars().collect();
        let pairs: Vec<(char, char)> = table
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        let stands_for = |c: char| pairs.iter().filter(move |pair| pair.0 == c);
        let mut at: Vec<usize> = word
            .chars()
            .enumerate()
            .filter(|(_, c)| stands_for(c.to_ascii_lowercase()).next().is_some())
            .map(|(at, _)| at)
            .collect();
        self.rng.shuffle(&mut at);
        let most = most.min(at.len());
        if most == 0 {
            return None;
        }
        at.truncate(self.rng.usize(1..=most));
        let mut nth = 0;
        self.each(word, |rng, c| {
            nth += 1;
            let changes = at.contains(&(nth - 1));
            let choices = stands_for(c.to_ascii_lowercase()).filter(|_| changes);
            let choices: Vec<char> = choices.map(|pair| pair.1).collect();
            rng.choice(choices).map(String::from)
        })
    }

    fn aliased(&mut self, word: &str) -> Option<String> {
        let aliases = self.aliases.iter();
        let fitting: Vec<(&String, &String)> = aliases
            .filter(|(_, meant)| !meant.is_empty() && word.contains(meant.as_str()))
            .collect();
        let (written, meant) = *self.rng.choice(&fitting)?;
        Some(word.replacen(meant.as_str(), written, 1))
    }

    /// Hides inner letters, at most a third of all.
    fn hidden(&mut self, word: &str) -> Option<String> {
        let chars: Vec<char> = word.chars().collect();
        let ends = (chars.first()?, chars.last()?);
        let is_word = chars.iter().all(char::is_ascii_alphanumeric)
            && ends.0.is_ascii_alphabetic()
            && ends.1.is_ascii_alphabetic();
        if chars.len() < 4 || !is_word {
            return None;
        }
        let mut inner: Vec<usize> = (1..chars.len() - 1).collect();
        self.rng.shuffle(&mut inner);
        inner.truncate(self.rng.usize(1..=chars.len() / 3));
        let mask = self.rng.choice(MASKS)?;
        let hidden = chars.iter().enumerate();
        Some(
            hidden
                .map(|(at, c)| if inner.contains(&at) { mask } else { *c })
                .collect(),
        )
    }

    /// Two layers or more of those that are on by default, none of which undoes another.
    fn layered(&mut self, word: &str) -> Option<String> {
        let mut dressed = word.to_owned();
        let mut layers = 0;
        let kinds = Kind::LAYERED.into_iter();
        // Decorated letters have no width.
        let decorates = self.rng.bool();
        for kind in kinds.filter(|kind| *kind != if decorates { Kind::Width } else { Kind::Style })
        {
            if let Some(next) = self.mutate(kind, &dressed) {
                dressed = next;
                layers += 1;
            }
        }
        (layers >= 2).then_some(dressed)
    }
}

/// A Latin or digit end directly beside what is a boundary without a blank.
fn beside(word: &str, rng: &mut Rng) -> Option<String> {
    let is_plain = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if !is_plain(word.chars().next()) || !is_plain(word.chars().next_back()) {
        return None;
    }
    let (left, right) = rng.choice([("看", "吧"), ("_", "_"), ("こ", "の"), ("(", ")")])?;
    Some(format!("{left}{word}{right}"))
}

fn is_arabic(c: char) -> bool {
    ('\u{620}'..='\u{6FF}').contains(&c)
}

fn without_hamza(c: char) -> Option<char> {
    match c {
        'أ' | 'إ' | 'آ' => Some('ا'),
        'ؤ' => Some('و'),
        'ئ' => Some('ي'),
        'ة' => Some('ه'),
        _ => None,
    }
}

/// A Korean syllable as the letters that a keyboard has for it.
fn spelled_out(c: char) -> Option<String> {
    const FIRST: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
    const LAST: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";
    let number = u32::from(c).checked_sub(0xAC00).filter(|n| *n < 11_172)? as usize;
    let (first, vowel, last) = (number / 588, number % 588 / 28, number % 28);
    let mut letters = String::new();
    letters.extend(FIRST.chars().nth(first));
    letters.extend(char::from_u32(0x314F + vowel as u32));
    letters.extend(last.checked_sub(1).and_then(|last| LAST.chars().nth(last)));
    Some(letters)
}

fn is_han(word: &str) -> bool {
    word.chars().all(|c| ('\u{3400}'..='\u{9FFF}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(kind: Kind, word: &str, count: usize) -> Vec<Option<String>> {
        let aliases = [("薇".to_owned(), "微".to_owned())].into();
        let mut mutator = Mutator::new(&aliases, 0, 7);
        (0..count).map(|_| mutator.mutate(kind, word)).collect()
    }

    #[test]
    fn a_seed_makes_the_same_disguises_again() {
        for kind in Kind::ALL.iter().copied() {
            assert_eq!(dressed(kind, "代开发票", 9), dressed(kind, "代开发票", 9));
        }
    }

    #[test]
    fn every_kind_fits_some_word_and_changes_it() {
        for kind in Kind::ALL.iter().copied().skip(1) {
            let words = [
                "casino",
                "赌博网站",
                "加微信",
                "vip88",
                "free money",
                "أحمق",
                "시발",
                "ばか",
            ];
            let all = words.iter().flat_map(|word| {
                let all = dressed(kind, word, 20).into_iter().flatten();
                all.inspect(move |dressed| assert_ne!(dressed, word, "{kind:?}"))
            });
            assert!(all.count() > 0, "{kind:?}");
        }
    }

    fn check_some(kind: Kind, word: &str, expected: &str) {
        let all = dressed(kind, word, 400);
        assert!(
            all.contains(&Some(expected.to_owned())),
            "{kind:?}: {all:?}"
        );
    }

    #[test]
    fn disguises_are_those_that_people_use() {
        check_some(Kind::Case, "vip", "VIP");
        check_some(Kind::Width, "vip", "ｖｉｐ");
        check_some(Kind::Style, "vip1", "ⓥⓘⓟ①");
        check_some(Kind::NumStyle, "v1", "v壹");
        check_some(Kind::Trad, "赌博", "賭博");
        check_some(Kind::Accents, "a", "á");
        check_some(Kind::Confusables, "coco", "сосо");
        check_some(Kind::Leet, "bad", "b4d");
        check_some(Kind::Repeat, "bad", "baaad");
        check_some(Kind::Space, "bad", "b a d");
        check_some(Kind::Punct, "赌博", "赌-博");
        check_some(Kind::Pinyin, "赌博", "du博");
        check_some(Kind::Initials, "加微信", "jwx");
        check_some(Kind::Homophone, "赌博", "读博");
        check_some(Kind::Split, "赌博", "贝者博");
        check_some(Kind::Alias, "加微信", "加薇信");
        check_some(Kind::Selfmask, "badword", "b*dword");
        check_some(Kind::Bidi, "bad", "\u{202E}dab\u{202C}");
    }

    #[test]
    fn a_kind_that_does_not_fit_makes_nothing() {
        for (kind, word) in [
            (Kind::Case, "赌博"),
            (Kind::Trad, "casino"),
            (Kind::Space, "c++"),
            (Kind::Leet, "xy"),
            (Kind::Digit, "casino"),
            (Kind::Initials, "赌博"),
            (Kind::Split, "赌"),
            (Kind::Alias, "赌博"),
            (Kind::Selfmask, "赌博"),
            (Kind::Invisible, "a"),
        ] {
            assert_eq!(dressed(kind, word, 20), vec![None; 20], "{kind:?} {word}");
        }
    }
}
