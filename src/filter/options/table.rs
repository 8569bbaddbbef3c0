//! Every option: what it is called, what its values are, what it does, and how it is tried.
//!
//! Whoever reads, documents or fuzzes options reads this table, so a new option is a field of
//! [`Options`] with its default, a row here, and the code that obeys it.

use std::collections::BTreeMap;

use super::settings::Options;
use super::values::{Choice, Combo, Mask, SkipClasses};

/// One option.
pub struct OptionDef {
    /// As it is written below `options:`.
    pub name: &'static str,
    /// What it does, for the comment in `policy.yaml`.
    pub doc: &'static str,
    /// Text and entries are folded by it.
    pub(super) folds: bool,
    /// The disguises that it sees through.
    pub disguises: &'static [Disguised],
    pub(super) slot: fn(&mut Options) -> Slot<'_>,
}

/// A kind of disguise, and the value that sees through it.
#[derive(Clone, Copy)]
pub struct Disguised {
    /// As `fuzz` calls it.
    pub kind: &'static str,
    pub value: &'static str,
    /// In a few words, for people.
    pub about: &'static str,
}

/// Where an option's value is kept, by what it may be.
pub enum Slot<'a> {
    Switch(&'a mut bool),
    /// From 0 to 1,000.
    Number(&'a mut u32),
    Choice(&'a mut dyn Choose),
    Classes(&'a mut SkipClasses),
    Aliases(&'a mut BTreeMap<String, String>),
    Combos(&'a mut Vec<Combo>),
    Mask(&'a mut Mask),
}

/// One of several values, by name.
pub trait Choose {
    /// Every name, and whether it is another name for the value before it.
    fn names(&self) -> Vec<&'static str>;
    fn name(&self) -> &'static str;
    /// False if there is no such value.
    fn choose(&mut self, name: &str) -> bool;
    /// The value, or one that does more.
    fn is_at_least(&self, name: &str) -> bool;
}

impl<T: Choice> Choose for T {
    fn names(&self) -> Vec<&'static str> {
        T::NAMED.iter().map(|(name, _)| *name).collect()
    }

    fn name(&self) -> &'static str {
        let named = T::NAMED.iter().find(|(_, value)| value == self);
        named.map_or("", |(name, _)| name)
    }

    fn choose(&mut self, name: &str) -> bool {
        let named = T::NAMED.iter().find(|(known, _)| *known == name);
        named.inspect(|(_, value)| *self = *value).is_some()
    }

    fn is_at_least(&self, name: &str) -> bool {
        let place = |name: &str| T::NAMED.iter().position(|(known, _)| *known == name);
        place(self.name()) >= place(name)
    }
}

const fn option(
    name: &'static str,
    doc: &'static str,
    slot: fn(&mut Options) -> Slot<'_>,
    disguises: &'static [Disguised],
) -> OptionDef {
    OptionDef {
        name,
        doc,
        folds: false,
        disguises,
        slot,
    }
}

const fn folds(def: OptionDef) -> OptionDef {
    OptionDef { folds: true, ..def }
}

const fn seen(kind: &'static str, value: &'static str, about: &'static str) -> Disguised {
    Disguised { kind, value, about }
}

/// In the order of the documentation.
pub static OPTIONS: [OptionDef; 29] = [
    folds(option(
        "case",
        "upper and lower case are equal",
        |of| Slot::Switch(&mut of.case),
        &[seen("case", "true", "upper and lower case")],
    )),
    folds(option(
        "locale",
        "whose upper and lower case; tr: `I` is the capital of `ı`",
        |of| Slot::Choice(&mut of.locale),
        &[],
    )),
    folds(option(
        "width",
        "full-width and half-width forms are equal",
        |of| Slot::Switch(&mut of.width),
        &[seen("width", "true", "full-width forms")],
    )),
    folds(option(
        "style",
        "decorated letters and digits are plain ones",
        |of| Slot::Switch(&mut of.style),
        &[
            seen("style", "true", "decorated letters and digits"),
            seen("jamo", "true", "Korean syllables letter by letter"),
        ],
    )),
    folds(option(
        "trad",
        "traditional Chinese characters are their simplified ones",
        |of| Slot::Switch(&mut of.trad),
        &[seen("trad", "true", "traditional characters")],
    )),
    folds(option(
        "invisible",
        "characters that nobody sees are not there",
        |of| Slot::Switch(&mut of.invisible),
        &[
            seen("invisible", "true", "invisible characters"),
            seen("control", "true", "control characters"),
            seen("tatweel", "true", "stretched Arabic letters"),
        ],
    )),
    folds(option(
        "codes",
        "formatting codes of IRC and Minecraft are not there",
        |of| Slot::Switch(&mut of.codes),
        &[seen(
            "codes",
            "true",
            "formatting codes of IRC and Minecraft",
        )],
    )),
    folds(option(
        "kana",
        "katakana are hiragana",
        |of| Slot::Switch(&mut of.kana),
        &[seen("kana", "true", "katakana for hiragana")],
    )),
    folds(option(
        "hamza",
        "Arabic letters need no hamza, teh marbuta is heh",
        |of| Slot::Switch(&mut of.hamza),
        &[seen("hamza", "true", "Arabic letters without their hamza")],
    )),
    folds(option(
        "marks",
        "accents and marks are dropped; zalgo: only piled-up ones; off",
        |of| Slot::Choice(&mut of.marks),
        &[
            seen("accents", "on", "accents and strokes"),
            seen("zalgo", "zalgo", "piles of marks"),
        ],
    )),
    folds(option(
        "confusables",
        "letters that look like others are those where it makes sense; always; off",
        |of| Slot::Choice(&mut of.confusables),
        &[seen(
            "confusables",
            "auto",
            "Cyrillic and Greek look-alikes",
        )],
    )),
    folds(option(
        "num_style",
        "Chinese numerals are digits",
        |of| Slot::Switch(&mut of.num_style),
        &[seen("num_style", "true", "Chinese numerals for digits")],
    )),
    option(
        "leet",
        "digits and signs may stand for letters",
        |of| Slot::Switch(&mut of.leet),
        &[seen("leet", "true", "digits and signs for letters")],
    ),
    option(
        "repeat",
        "runs of this many equal characters may stand for fewer",
        |of| Slot::Number(&mut of.repeat),
        &[seen("repeat", "3", "repeated characters")],
    ),
    option(
        "skip",
        "what may stand between two characters: space, punct, symbol, stop, newline, digit, latin",
        |of| Slot::Classes(&mut of.skip),
        &[
            seen("space", "space", "blanks in between, letters spelled out"),
            seen("punct", "punct", "punctuation in between"),
            seen("symbol", "symbol", "signs and emoji in between"),
            seen("stop", "stop", "full stops in between"),
            seen("newline", "newline", "line breaks in between"),
            seen("digit", "digit", "digits in between"),
            seen("latin", "latin", "Latin letters in between"),
        ],
    ),
    option(
        "max_gap",
        "skipped characters in one gap",
        |of| Slot::Number(&mut of.max_gap),
        &[],
    ),
    option(
        "whole_word",
        "no letter or digit beside a word; alpha: no letter; segment: Thai, Lao, Khmer and Burmese words too, as a segmenter parts them; off",
        |of| Slot::Choice(&mut of.whole_word),
        &[],
    ),
    option(
        "prefixes",
        "Arabic and Hebrew words may have their one-letter prefixes and article",
        |of| Slot::Switch(&mut of.prefixes),
        &[],
    ),
    option(
        "urls",
        "or skip: what stands in a URL is left alone",
        |of| Slot::Choice(&mut of.urls),
        &[],
    ),
    option(
        "pinyin",
        "full or initials: how a Han character may be typed",
        |of| Slot::Choice(&mut of.pinyin),
        &[
            seen("pinyin", "full", "pinyin for characters"),
            seen("initials", "initials", "first letters of the pinyin"),
        ],
    ),
    option(
        "homophone",
        "Han characters of the same sound are equal",
        |of| Slot::Switch(&mut of.homophone),
        &[seen("homophone", "true", "characters of the same sound")],
    ),
    option(
        "split",
        "a Han character may be written as its parts",
        |of| Slot::Switch(&mut of.split),
        &[seen("split", "true", "characters written as their parts")],
    ),
    folds(option(
        "aliases",
        "characters that stand for others: {薇: 微}",
        |of| Slot::Aliases(&mut of.aliases),
        &[seen("alias", "薇: 微", "characters that the list names")],
    )),
    option(
        "selfmask",
        "inner letters may be hidden by signs",
        |of| Slot::Switch(&mut of.selfmask),
        &[seen("selfmask", "true", "inner letters hidden by signs")],
    ),
    option(
        "bidi",
        "right-to-left overrides are read in reverse too",
        |of| Slot::Switch(&mut of.bidi),
        &[seen("bidi", "true", "reversed by an override")],
    ),
    option(
        "combos",
        "words that are matches only together, in any order: {brush: {all: [刷单, 日结], window: 20, none: [骗局]}}; `window` counts characters, words of `none` in the same window make it harmless",
        |of| Slot::Combos(&mut of.combos),
        &[],
    ),
    option(
        "mode",
        "or all: every match, also those that overlap",
        |of| Slot::Choice(&mut of.mode),
        &[],
    ),
    option(
        "allow_mode",
        "allow lists spare what is inside a phrase; overlap: what touches one",
        |of| Slot::Choice(&mut of.allow_mode),
        &[],
    ),
    option(
        "mask",
        "by: char, grapheme, fixed (n times char) or word (text)",
        |of| Slot::Mask(&mut of.mask),
        &[],
    ),
];

impl OptionDef {
    /// The option of this name.
    pub fn named(name: &str) -> Option<&'static OptionDef> {
        OPTIONS.iter().find(|def| def.name == name)
    }

    pub fn slot<'a>(&self, options: &'a mut Options) -> Slot<'a> {
        (self.slot)(options)
    }

    /// Whether the option's value is this one, or does more.
    pub fn is_on(&self, options: &Options, value: &str) -> bool {
        let mut options = options.clone();
        match self.slot(&mut options) {
            Slot::Switch(on) => *on,
            Slot::Number(number) => *number > 0,
            Slot::Choice(choice) => choice.is_at_least(value),
            Slot::Classes(classes) => {
                SkipClasses::from_name(value).is_some_and(|class| classes.contains(class))
            }
            Slot::Aliases(aliases) => !aliases.is_empty(),
            Slot::Combos(combos) => !combos.is_empty(),
            Slot::Mask(_) => true,
        }
    }

    /// Gives the option this value, beside what it has already.
    pub fn switch_on(&self, options: &mut Options, value: &str) {
        match self.slot(options) {
            Slot::Switch(on) => *on = true,
            Slot::Number(number) => *number = value.parse().unwrap_or(*number),
            Slot::Choice(choice) => {
                if !choice.is_at_least(value) {
                    choice.choose(value);
                }
            }
            Slot::Classes(classes) => {
                let class = SkipClasses::from_name(value).unwrap_or_default();
                *classes = classes.with(class);
            }
            Slot::Aliases(aliases) => {
                if let Some((from, to)) = value.split_once(": ") {
                    aliases.insert(from.to_owned(), to.to_owned());
                }
            }
            Slot::Combos(_) | Slot::Mask(_) => {}
        }
    }

    /// The option with this value, as it is written below `options:`.
    pub fn written(&self, value: &str) -> String {
        let name = self.name;
        match self.slot(&mut Options::default()) {
            Slot::Classes(_) => format!("{name}: [{value}]"),
            Slot::Aliases(_) => format!("{name}: {{{value}}}"),
            _ => format!("{name}: {value}"),
        }
    }
}

impl Options {
    /// These options with defaults for all that a fold table does not depend on; lists that agree
    /// in them share a table and an automaton.
    pub(in crate::filter) fn folding(&self) -> Options {
        let (mut from, mut folding) = (self.clone(), Options::default());
        for def in OPTIONS.iter().filter(|def| def.folds) {
            match (def.slot(&mut from), def.slot(&mut folding)) {
                (Slot::Switch(from), Slot::Switch(to)) => *to = *from,
                (Slot::Choice(from), Slot::Choice(to)) => drop(to.choose(from.name())),
                (Slot::Aliases(from), Slot::Aliases(to)) => to.clone_from(from),
                _ => unreachable!("no other kind of option folds"),
            }
        }
        folding
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_option_and_every_disguise_stands_once() {
        let names: BTreeSet<&str> = OPTIONS.iter().map(|def| def.name).collect();
        assert_eq!(names.len(), OPTIONS.len());
        let kinds = OPTIONS.iter().flat_map(|def| def.disguises);
        let kinds: Vec<&str> = kinds.map(|disguise| disguise.kind).collect();
        assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), kinds.len());
    }

    #[test]
    fn what_sees_through_a_disguise_can_be_switched_on() {
        for def in &OPTIONS {
            for disguise in def.disguises {
                let mut options = Options::default();
                def.switch_on(&mut options, disguise.value);
                assert!(def.is_on(&options, disguise.value), "{}", disguise.kind);
            }
        }
    }

    #[test]
    fn only_what_folds_is_part_of_the_folding() {
        let leet = Options {
            leet: true,
            ..Options::default()
        };
        assert_eq!(leet.folding(), Options::default());
        let kana = Options {
            kana: true,
            marks: super::super::Marks::Zalgo,
            ..Options::default()
        };
        assert_eq!(kana.folding(), kana);
    }
}
