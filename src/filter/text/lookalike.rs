//! Cyrillic and Greek letters that look like Latin ones.
//!
//! Curated by hand from what the letters look like in common fonts. *Close* letters cannot be
//! told apart; *loose* ones pass for a Latin letter only inside a Latin word, so a text that
//! holds one is a text in that script.

/// The Latin letter that another looks like.
#[derive(Clone, Copy)]
pub struct Lookalike {
    pub c: char,
    pub close: bool,
}

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

/// Every letter that looks Latin, and what it looks like.
pub fn lookalikes() -> impl Iterator<Item = (char, Lookalike)> {
    TABLE.into_iter().flat_map(|(close, pairs)| {
        let mut letters = pairs.chars();
        std::iter::from_fn(move || {
            let letter = letters.next()?;
            let c = letters.next()?;
            Some((letter, Lookalike { c, close }))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::character::{Script, script};
    use super::*;

    #[test]
    fn every_letter_stands_once_and_in_its_script() {
        let mut letters = BTreeSet::new();
        for (letter, latin) in lookalikes() {
            let script = script(letter);
            assert!(
                matches!(script, Some(Script::Cyrillic | Script::Greek)),
                "{letter}"
            );
            assert!(latin.c.is_ascii_alphabetic(), "{letter}");
            assert!(letters.insert(letter), "{letter} twice");
        }
        assert!(letters.len() > 100);
    }
}
