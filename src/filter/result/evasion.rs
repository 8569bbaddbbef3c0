//! What a match was seen through: the evasions between an entry and how it was written.

use crate::filter::options::{Options, SkipClasses};
use crate::filter::text::{
    FoldTable, Noise, SYMBOL, Script, Sounds, Stream, is_invisible, is_mark, is_numeral, is_sign,
    leet, plain, script,
};

/// A way to write a word so that a filter misses it, by the option that sees through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evasion {
    Case,
    Width,
    Style,
    Trad,
    Invisible,
    Marks,
    Confusables,
    NumStyle,
    Alias,
    Skip,
    Repeat,
    Leet,
    Pinyin,
    Homophone,
    Split,
    Selfmask,
    Bidi,
}

impl Evasion {
    /// The name of the option.
    pub fn name(self) -> &'static str {
        match self {
            Evasion::Case => "case",
            Evasion::Width => "width",
            Evasion::Style => "style",
            Evasion::Trad => "trad",
            Evasion::Invisible => "invisible",
            Evasion::Marks => "marks",
            Evasion::Confusables => "confusables",
            Evasion::NumStyle => "num_style",
            Evasion::Alias => "aliases",
            Evasion::Skip => "skip",
            Evasion::Repeat => "repeat",
            Evasion::Leet => "leet",
            Evasion::Pinyin => "pinyin",
            Evasion::Homophone => "homophone",
            Evasion::Split => "split",
            Evasion::Selfmask => "selfmask",
            Evasion::Bidi => "bidi",
        }
    }
}

/// Compares an entry, without its wildcards, with the text that it was found in, the marks that
/// follow it left out. Evasions come in the order of [`Evasion`], each once.
pub(crate) fn between(
    entry: &str,
    found: &str,
    options: &Options,
    table: &FoldTable,
    sounds: &Sounds,
) -> Vec<Evasion> {
    if entry == found {
        return Vec::new();
    }
    let mut evasions: Vec<Evasion> = found
        .chars()
        .filter(|c| !entry.contains(*c))
        .flat_map(|c| of_character(c, options, table))
        .collect();
    let (mut own, mut text) = (Stream::default(), Stream::default());
    table.fold(entry, &mut own);
    table.fold(found, &mut text);
    evasions.extend(of_words(&own.symbols, &text.symbols, options, sounds));
    evasions.sort_unstable();
    evasions.dedup();
    evasions
}

/// What folding does to one character.
fn of_character(c: char, options: &Options, table: &FoldTable) -> Vec<Evasion> {
    let mut steps = Vec::new();
    let mut step = |evasion, applies: bool| {
        if applies {
            steps.push(evasion);
        }
    };
    let symbol = table.symbol(c);
    let changed = symbol != Some(u32::from(c));
    if options.invisible && is_invisible(c) {
        return vec![Evasion::Invisible];
    }
    if is_mark(c) {
        return vec![Evasion::Marks];
    }
    let alias = options.aliases.keys().any(|from| from.contains(c));
    let wide = matches!(c, '\u{FF01}'..='\u{FFEF}') || c == '\u{3000}';
    let han = matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}');
    let numeral = options.num_style && is_numeral(c);
    let styled = !wide && plain(c).is_some();
    step(Evasion::Alias, alias);
    step(Evasion::Width, options.width && wide);
    step(Evasion::Style, options.style && styled);
    step(Evasion::NumStyle, numeral);
    step(Evasion::Trad, changed && han && !alias && !numeral);
    step(Evasion::Case, options.case && !styled && c.is_uppercase());
    let letter = script(c);
    let latin = letter == Some(Script::Latin);
    step(
        Evasion::Confusables,
        letter.is_some() && !latin && table.may_be_latin(c),
    );
    step(
        Evasion::Marks,
        changed && latin && !c.is_ascii() && !styled && !wide,
    );
    steps
}

/// What lies between the folded entry and the folded text.
fn of_words(own: &[u32], text: &[u32], options: &Options, sounds: &Sounds) -> Vec<Evasion> {
    let plain =
        |symbols: &[u32]| -> Vec<u32> { symbols.iter().map(|symbol| symbol & SYMBOL).collect() };
    let (entry, whole) = (plain(own), plain(text));
    if entry == whole {
        return Vec::new();
    }
    if entry.len() == whole.len() && options.selfmask {
        let hidden = own
            .iter()
            .zip(text)
            .all(|(own, text)| (own ^ text) & SYMBOL == 0 || is_sign(*text));
        if hidden {
            return vec![Evasion::Selfmask];
        }
    }
    let mut evasions = Vec::new();
    let noise = Noise::new(options.skip);
    let sign = |symbol: u32| options.leet && leet::is_sign(symbol & SYMBOL);
    let without = |keep_signs: bool| -> Vec<u32> {
        let kept = text
            .iter()
            .filter(|symbol| !noise.holds(**symbol) || keep_signs && sign(**symbol));
        kept.map(|symbol| symbol & SYMBOL).collect()
    };
    let holds_noise = own.iter().any(|symbol| noise.holds(*symbol));
    let mut bare = if holds_noise {
        whole.clone()
    } else {
        without(false)
    };
    if !holds_noise && bare.len() < entry.len() {
        bare = without(true);
    }
    if bare.len() < whole.len() && options.skip != SkipClasses::NONE {
        evasions.push(Evasion::Skip);
    }
    if options.bidi && bare != entry && bare.iter().rev().eq(&entry) {
        evasions.push(Evasion::Bidi);
        return evasions;
    }
    let classes = |symbols: &[u32]| -> Vec<u32> {
        let class = |symbol: &u32| match (*symbol < 0x80, options.leet, options.homophone) {
            (true, true, _) => leet::class(*symbol),
            (false, _, true) => sounds.of(*symbol),
            _ => *symbol,
        };
        symbols.iter().map(class).collect()
    };
    let (mut entry_seen, mut text_seen) = (classes(&entry), classes(&bare));
    if entry_seen.len() != text_seen.len() {
        entry_seen.dedup();
        text_seen.dedup();
        if entry_seen == text_seen {
            evasions.push(Evasion::Repeat);
        }
    }
    if entry_seen == text_seen {
        let of_text = |test: &dyn Fn(u32) -> bool| {
            bare.iter()
                .any(|symbol| !entry.contains(symbol) && test(*symbol))
        };
        if of_text(&|symbol| symbol < 0x80) {
            evasions.push(Evasion::Leet);
        }
        if of_text(&|symbol| symbol >= 0x80) {
            evasions.push(Evasion::Homophone);
        }
    } else if bare.len() > entry.len() || bare.len() == entry.len() {
        let latin = |symbols: &[u32]| symbols.iter().filter(|symbol| **symbol < 0x80).count();
        if latin(&bare) > latin(&entry) {
            evasions.push(Evasion::Pinyin);
        }
        let of_han = |symbol: &&u32| **symbol >= 0x80 && !entry.contains(symbol);
        if options.split && bare.iter().filter(of_han).count() > 0 {
            evasions.push(Evasion::Split);
        }
    }
    evasions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::Pinyin;

    fn check(entry: &str, found: &str, expected: &[Evasion]) {
        let options = Options {
            num_style: true,
            leet: true,
            repeat: 3,
            skip: SkipClasses::SPACE
                .with(SkipClasses::PUNCT)
                .with(SkipClasses::SYMBOL),
            pinyin: Pinyin::Full,
            homophone: true,
            split: true,
            aliases: [("薇".to_owned(), "微".to_owned())].into(),
            selfmask: true,
            bidi: true,
            ..Options::default()
        };
        let table = FoldTable::build(&options).unwrap();
        let seen = between(entry, found, &options, &table, &Sounds::read());
        assert_eq!(seen, expected, "{entry} as {found:?}");
    }

    #[test]
    fn each_evasion_is_named() {
        check("赌博", "赌博", &[]);
        check("badword", "BADword", &[Evasion::Case]);
        check("badword", "ｂａｄword", &[Evasion::Width]);
        check("badword", "ⓑadword", &[Evasion::Style]);
        check("赌博", "賭博", &[Evasion::Trad]);
        check("赌博", "赌\u{200b}博", &[Evasion::Invisible]);
        check("badword", "bádword", &[Evasion::Marks]);
        check("赌博", "赌\u{336}博", &[Evasion::Marks]);
        check("badword", "bаdword", &[Evasion::Confusables]);
        check("138", "一三八", &[Evasion::NumStyle]);
        check("加微信", "加薇信", &[Evasion::Alias]);
        check("赌博", "赌 - 博", &[Evasion::Skip]);
        check("badword", "baaaadword", &[Evasion::Repeat]);
        check("badword", "b4dw0rd", &[Evasion::Leet]);
        check("badword", "b@dword", &[Evasion::Selfmask]);
        check("赌博", "du博", &[Evasion::Pinyin]);
        check("赌博", "堵博", &[Evasion::Homophone]);
        check("赌博", "贝者博", &[Evasion::Split]);
        check("badword", "b*dword", &[Evasion::Selfmask]);
        check("赌博", "博赌", &[Evasion::Bidi]);
    }

    #[test]
    fn evasions_are_named_together() {
        check(
            "赌博",
            "賭\u{200b} 博",
            &[Evasion::Trad, Evasion::Invisible, Evasion::Skip],
        );
        check(
            "badword",
            "B.4.4.4.d.w.o.r.d",
            &[Evasion::Case, Evasion::Skip, Evasion::Repeat, Evasion::Leet],
        );
    }
}
