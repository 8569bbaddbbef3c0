//! A Markdown table of what the filter sees through, for documentation.

use std::fmt::Write;

use super::kind::Kind;
use super::report::{percent, shown};
use super::trial::{Effort, Tally, Trial, list_of};
use crate::filter::Options;

/// Mild words in several scripts, such that every kind fits some.
const WORDS: [&str; 20] = [
    "casino",
    "freemoney",
    "jackpot",
    "lottery",
    "vip888",
    "promo",
    "bestoffer",
    "qq12345",
    "赌博",
    "加微信",
    "代开发票",
    "刷单返利",
    "网上赌场",
    "加v信",
    "微信号",
    "办证",
    "free money",
    "أحمق",
    "도박",
    "ばか",
];

/// One row for each kind, tried with default options and with the option that is meant for it.
pub(super) fn markdown(kinds: &[Kind], effort: Effort) -> String {
    let mut table = String::from(
        "| written so | for example | seen through by | by default | found |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for kind in kinds {
        let mut options = Options::default();
        let on = kind.is_on(&options);
        kind.switch_on(&mut options);
        let (with, without) = (
            tried(*kind, &options, effort),
            tried(*kind, &Options::default(), effort),
        );
        let found = |tally: &Tally| tally.recall().map_or("-".to_owned(), percent);
        let by_default = match on {
            true => "yes".to_owned(),
            false if without.tried == 0 => "no".to_owned(),
            false => format!("no ({} found)", found(&without)),
        };
        let option = match kind.option() {
            Some(option) if *kind != Kind::Layers => format!("`{option}`"),
            Some(option) => option,
            None => "always".to_owned(),
        };
        let example = with.example.as_deref().map(shown).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {} | `{}` | {option} | {by_default} | {} of {} |",
            kind.about(),
            example.replace('|', "\\|"),
            found(&with),
            with.tried
        );
    }
    table
}

fn tried(kind: Kind, options: &Options, effort: Effort) -> Tally {
    let list = list_of(&WORDS, options.clone());
    let mut trial = Trial::new(&list).expect("the words of the table are good under all options");
    trial.recall(&[kind], effort).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EFFORT: Effort = Effort {
        seed: 1,
        entries_max: 1_000,
        variants: 3,
    };

    #[test]
    fn every_kind_is_tried_and_its_option_makes_the_difference() {
        for kind in Kind::ALL.iter().copied() {
            let mut options = Options::default();
            kind.switch_on(&mut options);
            let with = tried(kind, &options, EFFORT);
            assert!(with.tried >= 3, "{kind:?}: {with:?}");
            assert_eq!(with.recall(), Some(1.0), "{kind:?}: {:?}", with.misses);
            if !kind.is_on(&Options::default()) {
                let without = tried(kind, &Options::default(), EFFORT);
                assert!(without.recall() < Some(0.5), "{kind:?}: {without:?}");
            }
        }
    }

    #[test]
    fn there_is_a_row_for_each_kind() {
        let table = markdown(Kind::ALL, EFFORT);
        assert_eq!(table.lines().count(), Kind::ALL.len() + 2, "{table}");
        assert_eq!(table, markdown(Kind::ALL, EFFORT));
    }
}
