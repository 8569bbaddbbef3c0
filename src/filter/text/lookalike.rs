//! Letters that look like Latin ones.
//!
//! Those of Cyrillic and Greek are curated by hand from what they look like in common fonts.
//! *Close* letters cannot be told apart; *loose* ones pass for a Latin letter only inside a Latin
//! word, so a text that holds one is a text in that script. Those of Armenian, Cherokee, Coptic
//! and Lisu, and Latin letters with a hook or a tail, come from the skeletons of UTS #39.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::character::{self, Script};

/// The Latin letter that another looks like.
#[derive(Clone, Copy)]
pub(super) struct Lookalike {
    pub c: char,
    pub close: bool,
    pub kind: Kind,
}

/// What a letter that looks Latin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A letter of another script.
    Foreign,
    /// A Latin letter with a hook or a tail, which fancy alphabets are made of.
    Fancy,
    /// `ı`, a letter of its own that is an `i` among fancy ones.
    Dotless,
}

/// Where letters are that UTS #39 knows to look Latin; other blocks hold decorations or digits.
const SKELETONS: [RangeInclusive<char>; 10] = [
    '\u{180}'..='\u{2AF}',
    '\u{530}'..='\u{58F}',
    '\u{13A0}'..='\u{13FF}',
    '\u{1D6B}'..='\u{1D9A}',
    '\u{1EFA}'..='\u{1EFF}',
    '\u{2C60}'..='\u{2CFF}',
    '\u{A4D0}'..='\u{A4FF}',
    '\u{A720}'..='\u{A7FF}',
    '\u{AB30}'..='\u{AB64}',
    '\u{AB70}'..='\u{ABBF}',
];

/// Letters that are no decorated ones, though their skeleton is a plain letter: those of living
/// alphabets that nobody takes for it, clicks, and tones.
const THEMSELVES: &str = "ƍƽƅƿǀꝡꞁꟾƆɔ";

/// Fancy letters without a skeleton, each before the plain one.
const FANCY: &str = "ƈcʈtɱmɛeɐaʌvɥhʍwɹrʞkʇtŋn";

/// Pairs of a letter and the Latin one; whether they are close.
const TABLE: [(bool, &str); 4] = [
    (
        true,
        "АAВBЕEЅSІIЈJКKМMНHОOРPСCТTУYХXҮYҺHѴVԚQԜWӀIԌG\
         аaеeѕsіiјjкkоoрpсcуyхxүyһhѵvԁdԛqԝwӏlԀd",
    ),
    (
        false,
        "вbгrзzиuмmнhпnтtшwьbЬbъbбbяrЯRИNПNГrЗZШWБBӨOөoәeӘEҒFғfҚKқkҢHңhҲXҳxҪCҫcѠWѡwєeЄEѲOѳoґrԒL",
    ),
    (
        true,
        "ΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXϹCͿJϜFαaιiκkνvοoρpυuϲcϳjγy",
    ),
    (false, "βbεeηnτtχxωwσoςcμuθoΘOπnϕoφoδdζzϝfϱpϑoϐbϰkϵeΣEΛA"),
];

/// Every letter that looks Latin, and what it looks like. Of a fancy letter the small one stands
/// for both.
pub(super) fn lookalikes() -> impl Iterator<Item = (char, Lookalike)> {
    let table = TABLE.into_iter().flat_map(|(close, pairs)| {
        pairs_of(pairs).map(move |(letter, c)| (letter, looks(c, close, Kind::Foreign)))
    });
    let fancy = pairs_of(FANCY).map(|(letter, c)| (letter, looks(c, true, Kind::Fancy)));
    let skeletons = SKELETONS.into_iter().flatten().filter_map(from_skeleton);
    let dotless = ('ı', looks('i', true, Kind::Dotless));
    skeletons.chain(fancy).chain([dotless]).chain(table)
}

fn looks(c: char, close: bool, kind: Kind) -> Lookalike {
    Lookalike { c, close, kind }
}

fn pairs_of(pairs: &str) -> impl Iterator<Item = (char, char)> {
    let mut letters = pairs.chars();
    std::iter::from_fn(move || Some((letters.next()?, letters.next()?)))
}

fn from_skeleton(letter: char) -> Option<(char, Lookalike)> {
    if !letter.is_alphabetic() || THEMSELVES.contains(letter) {
        return None;
    }
    let latin = character::script(letter) == Some(Script::Latin);
    let decorated = std::iter::once(letter).nfkd().next() != Some(letter);
    if latin && (decorated || letter.is_uppercase()) {
        return None;
    }
    let skeleton = unicode_security::skeleton(letter.encode_utf8(&mut [0; 4])).collect::<String>();
    let mut bare = skeleton.nfd().filter(|c| !is_combining_mark(*c));
    let c = bare.next().filter(char::is_ascii_alphabetic)?;
    let kind = if latin { Kind::Fancy } else { Kind::Foreign };
    bare.next()
        .is_none()
        .then(|| (letter, looks(c, true, kind)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_letter_stands_once_and_in_its_script() {
        let mut letters = BTreeSet::new();
        for (letter, looks) in lookalikes() {
            let latin = character::script(letter) == Some(Script::Latin);
            assert_eq!(latin, looks.kind != Kind::Foreign, "{letter}");
            assert!(looks.c.is_ascii_alphabetic(), "{letter}");
            assert!(letters.insert(letter), "{letter} twice");
        }
        assert!(letters.len() > 250);
        assert!(letters.contains(&'օ') && letters.contains(&'ƒ') && letters.contains(&'ʂ'));
    }
}
