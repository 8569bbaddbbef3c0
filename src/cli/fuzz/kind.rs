//! The kinds of disguise that a word may wear, and the option that sees through each.

use crate::filter::{Confusables, Marks, Options, Pinyin, SkipClasses};

/// One kind of disguise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Plain,
    Beside,
    Case,
    Width,
    Style,
    NumStyle,
    Trad,
    Invisible,
    Accents,
    Zalgo,
    Confusables,
    Leet,
    Repeat,
    Space,
    Punct,
    Symbol,
    Stop,
    Newline,
    Digit,
    Latin,
    Pinyin,
    Initials,
    Homophone,
    Split,
    Alias,
    Selfmask,
    Bidi,
    Layers,
}

/// How many equal characters a run has at least when it stands for fewer.
pub const REPEAT_ADVISED: u32 = 3;

impl Kind {
    pub const ALL: [Kind; 28] = [
        Kind::Plain,
        Kind::Beside,
        Kind::Case,
        Kind::Width,
        Kind::Style,
        Kind::NumStyle,
        Kind::Trad,
        Kind::Invisible,
        Kind::Accents,
        Kind::Zalgo,
        Kind::Confusables,
        Kind::Leet,
        Kind::Repeat,
        Kind::Space,
        Kind::Punct,
        Kind::Symbol,
        Kind::Stop,
        Kind::Newline,
        Kind::Digit,
        Kind::Latin,
        Kind::Pinyin,
        Kind::Initials,
        Kind::Homophone,
        Kind::Split,
        Kind::Alias,
        Kind::Selfmask,
        Kind::Bidi,
        Kind::Layers,
    ];

    /// What it is called on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Beside => "beside",
            Kind::Case => "case",
            Kind::Width => "width",
            Kind::Style => "style",
            Kind::NumStyle => "num_style",
            Kind::Trad => "trad",
            Kind::Invisible => "invisible",
            Kind::Accents => "accents",
            Kind::Zalgo => "zalgo",
            Kind::Confusables => "confusables",
            Kind::Leet => "leet",
            Kind::Repeat => "repeat",
            Kind::Space => "space",
            Kind::Punct => "punct",
            Kind::Symbol => "symbol",
            Kind::Stop => "stop",
            Kind::Newline => "newline",
            Kind::Digit => "digit",
            Kind::Latin => "latin",
            Kind::Pinyin => "pinyin",
            Kind::Initials => "initials",
            Kind::Homophone => "homophone",
            Kind::Split => "split",
            Kind::Alias => "alias",
            Kind::Selfmask => "selfmask",
            Kind::Bidi => "bidi",
            Kind::Layers => "layers",
        }
    }

    /// In a few words, for people.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Plain => "as it is written",
            Kind::Beside => "Latin words beside Han characters and `_`",
            Kind::Case => "upper and lower case",
            Kind::Width => "full-width forms",
            Kind::Style => "decorated letters and digits",
            Kind::NumStyle => "Chinese numerals for digits",
            Kind::Trad => "traditional characters",
            Kind::Invisible => "invisible characters",
            Kind::Accents => "accents and strokes",
            Kind::Zalgo => "piles of marks",
            Kind::Confusables => "Cyrillic and Greek look-alikes",
            Kind::Leet => "digits and signs for letters",
            Kind::Repeat => "repeated characters",
            Kind::Space => "blanks in between, letters spelled out",
            Kind::Punct => "punctuation in between",
            Kind::Symbol => "signs and emoji in between",
            Kind::Stop => "full stops in between",
            Kind::Newline => "line breaks in between",
            Kind::Digit => "digits in between",
            Kind::Latin => "Latin letters in between",
            Kind::Pinyin => "pinyin for characters",
            Kind::Initials => "first letters of the pinyin",
            Kind::Homophone => "characters of the same sound",
            Kind::Split => "characters written as their parts",
            Kind::Alias => "characters that the list names",
            Kind::Selfmask => "inner letters hidden by signs",
            Kind::Bidi => "reversed by an override",
            Kind::Layers => "two of the first kinds at once",
        }
    }

    /// The option that sees through it, as it is written below `options:`; `None` when none is
    /// needed.
    pub fn option(self) -> Option<&'static str> {
        Some(match self {
            Kind::Plain | Kind::Beside => return None,
            Kind::Case => "case: true",
            Kind::Width => "width: true",
            Kind::Style => "style: true",
            Kind::NumStyle => "num_style: true",
            Kind::Trad => "trad: true",
            Kind::Invisible => "invisible: true",
            Kind::Accents => "marks: on",
            Kind::Zalgo => "marks: zalgo",
            Kind::Confusables => "confusables: auto",
            Kind::Leet => "leet: true",
            Kind::Repeat => "repeat: 3",
            Kind::Space => "skip: [space]",
            Kind::Punct => "skip: [punct]",
            Kind::Symbol => "skip: [symbol]",
            Kind::Stop => "skip: [stop]",
            Kind::Newline => "skip: [newline]",
            Kind::Digit => "skip: [digit]",
            Kind::Latin => "skip: [latin]",
            Kind::Pinyin => "pinyin: full",
            Kind::Initials => "pinyin: initials",
            Kind::Homophone => "homophone: true",
            Kind::Split => "split: true",
            Kind::Alias => "aliases: {薇: 微}",
            Kind::Selfmask => "selfmask: true",
            Kind::Bidi => "bidi: true",
            Kind::Layers => "as above",
        })
    }

    /// Whether these options see through it.
    pub fn is_on(self, options: &Options) -> bool {
        match self {
            Kind::Plain | Kind::Beside => true,
            Kind::Case => options.case,
            Kind::Width => options.width,
            Kind::Style => options.style,
            Kind::NumStyle => options.num_style,
            Kind::Trad => options.trad,
            Kind::Invisible => options.invisible,
            Kind::Accents => options.marks == Marks::On,
            Kind::Zalgo => options.marks != Marks::Off,
            Kind::Confusables => options.confusables != Confusables::Off,
            Kind::Leet => options.leet,
            Kind::Repeat => options.repeat != 0,
            Kind::Pinyin => options.pinyin != Pinyin::None,
            Kind::Initials => options.pinyin == Pinyin::Initials,
            Kind::Homophone => options.homophone,
            Kind::Split => options.split,
            Kind::Alias => !options.aliases.is_empty(),
            Kind::Selfmask => options.selfmask,
            Kind::Bidi => options.bidi,
            Kind::Layers => Kind::LAYERED.iter().all(|kind| kind.is_on(options)),
            Kind::Space
            | Kind::Punct
            | Kind::Symbol
            | Kind::Stop
            | Kind::Newline
            | Kind::Digit
            | Kind::Latin => self
                .skipped()
                .is_some_and(|class| options.skip.contains(class)),
        }
    }

    /// Makes the options see through it.
    pub fn switch_on(self, options: &mut Options) {
        match self {
            Kind::Plain | Kind::Beside => {}
            Kind::Case => options.case = true,
            Kind::Width => options.width = true,
            Kind::Style => options.style = true,
            Kind::NumStyle => options.num_style = true,
            Kind::Trad => options.trad = true,
            Kind::Invisible => options.invisible = true,
            Kind::Accents => options.marks = Marks::On,
            Kind::Zalgo if options.marks == Marks::Off => options.marks = Marks::Zalgo,
            Kind::Zalgo => {}
            Kind::Confusables => options.confusables = Confusables::Auto,
            Kind::Leet => options.leet = true,
            Kind::Repeat => options.repeat = REPEAT_ADVISED,
            Kind::Pinyin => options.pinyin = Pinyin::Full,
            Kind::Initials => options.pinyin = Pinyin::Initials,
            Kind::Homophone => options.homophone = true,
            Kind::Split => options.split = true,
            Kind::Alias => {
                options.aliases.insert("薇".to_owned(), "微".to_owned());
            }
            Kind::Selfmask => options.selfmask = true,
            Kind::Bidi => options.bidi = true,
            Kind::Layers => Kind::LAYERED
                .iter()
                .for_each(|kind| kind.switch_on(options)),
            Kind::Space
            | Kind::Punct
            | Kind::Symbol
            | Kind::Stop
            | Kind::Newline
            | Kind::Digit
            | Kind::Latin => {
                options.skip = options.skip.with(self.skipped().unwrap_or_default());
            }
        }
    }

    /// The class of characters in between, for kinds that are about one.
    pub fn skipped(self) -> Option<SkipClasses> {
        Some(match self {
            Kind::Space => SkipClasses::SPACE,
            Kind::Punct => SkipClasses::PUNCT,
            Kind::Symbol => SkipClasses::SYMBOL,
            Kind::Stop => SkipClasses::STOP,
            Kind::Newline => SkipClasses::NEWLINE,
            Kind::Digit => SkipClasses::DIGIT,
            Kind::Latin => SkipClasses::LATIN,
            _ => return None,
        })
    }

    /// What [`Kind::Layers`] puts upon each other, in this order.
    pub const LAYERED: [Kind; 5] = [
        Kind::Trad,
        Kind::Case,
        Kind::Style,
        Kind::Width,
        Kind::Invisible,
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_can_be_switched_on() {
        let names: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let mut options = Options::default();
            kind.switch_on(&mut options);
            assert!(kind.is_on(&options), "{kind:?}");
        }
    }

    #[test]
    fn what_is_on_by_default_is_what_the_documentation_says() {
        let on = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_on(&Options::default()));
        let on: Vec<&str> = on.map(Kind::name).collect();
        assert_eq!(
            on.join(" "),
            "plain beside case width style trad invisible accents zalgo confusables layers"
        );
    }
}
