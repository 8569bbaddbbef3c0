//! The kinds of disguise that a word may wear. What each is and which option sees through it says
//! the table of options ([`OPTIONS`]).

use crate::filter::{Disguised, OPTIONS, OptionDef, Options};

macro_rules! kinds {
    ($($kind:ident $name:literal),+ $(,)?) => {
        /// One kind of disguise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind {
            $($kind),+
        }

        impl Kind {
            pub(super) const ALL: &'static [Kind] = &[$(Kind::$kind),+];

            /// What it is called on the command line, in reports and in the table of options.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name),+
                }
            }
        }
    };
}

kinds! {
    Plain "plain",
    Beside "beside",
    Case "case",
    Width "width",
    Style "style",
    NumStyle "num_style",
    Trad "trad",
    Invisible "invisible",
    Accents "accents",
    Zalgo "zalgo",
    Confusables "confusables",
    Leet "leet",
    Repeat "repeat",
    Space "space",
    Punct "punct",
    Symbol "symbol",
    Stop "stop",
    Newline "newline",
    Digit "digit",
    Latin "latin",
    Pinyin "pinyin",
    Initials "initials",
    Homophone "homophone",
    Split "split",
    Alias "alias",
    Selfmask "selfmask",
    Bidi "bidi",
    Layers "layers",
    Control "control",
    Jamo "jamo",
    Tatweel "tatweel",
    Hamza "hamza",
    Kana "kana",
    Codes "codes",
    Blanks "blanks",
}

/// How many equal characters a run has at least when it stands for fewer.
pub(super) const REPEAT_ADVISED: u32 = 3;

impl Kind {
    /// In a few words, for people.
    pub(super) fn about(self) -> &'static str {
        match (self, self.defined()) {
            (_, Some((_, disguise))) => disguise.about,
            (Kind::Beside, None) => "Latin words beside Han characters and `_`",
            (Kind::Layers, None) => "two of the first kinds at once",
            (Kind::Blanks, None) => "more blanks, TABs and other blanks in a phrase",
            (_, None) => "as it is written",
        }
    }

    /// The option that sees through it, as it is written below `options:`; `None` when none is
    /// needed.
    pub(super) fn option(self) -> Option<String> {
        match self.defined() {
            Some((def, disguise)) => Some(def.written(disguise.value)),
            None => (self == Kind::Layers).then(|| "as above".to_owned()),
        }
    }

    /// Whether these options see through it.
    pub(super) fn is_on(self, options: &Options) -> bool {
        match self.defined() {
            Some((def, disguise)) => def.is_on(options, disguise.value),
            None if self == Kind::Layers => Kind::LAYERED.iter().all(|kind| kind.is_on(options)),
            None => true,
        }
    }

    /// Makes the options see through it.
    pub(super) fn switch_on(self, options: &mut Options) {
        match self.defined() {
            Some((def, disguise)) => def.switch_on(options, disguise.value),
            None if self == Kind::Layers => {
                Kind::LAYERED
                    .iter()
                    .for_each(|kind| kind.switch_on(options));
            }
            None => {}
        }
    }

    /// The option whose table names it.
    fn defined(self) -> Option<(&'static OptionDef, Disguised)> {
        OPTIONS.iter().find_map(|def| {
            let mut disguises = def.disguises.iter();
            let found = disguises.find(|disguise| disguise.kind == self.name());
            found.map(|disguise| (def, *disguise))
        })
    }

    /// What [`Kind::Layers`] puts upon each other, in this order.
    pub(super) const LAYERED: [Kind; 5] = [
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
    fn every_disguise_of_the_options_is_a_kind() {
        let known: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        for disguise in OPTIONS.iter().flat_map(|def| def.disguises) {
            assert!(known.contains(disguise.kind), "{}", disguise.kind);
        }
    }

    #[test]
    fn what_is_on_by_default_is_what_the_documentation_says() {
        let on = Kind::ALL
            .iter()
            .filter(|kind| kind.is_on(&Options::default()));
        let on: Vec<&str> = on.map(|kind| kind.name()).collect();
        assert_eq!(
            on.join(" "),
            "plain beside case width style trad invisible accents zalgo confusables layers \
             control jamo tatweel hamza blanks"
        );
    }
}
