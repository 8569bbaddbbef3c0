//! A text as the matcher sees it: folded characters that know where they come from.

use std::collections::HashSet;

use unicode_normalization::char::{canonical_combining_class, compose};
use unicode_script::{Script, UnicodeScript};

use callgate::filter::{Confusables, Marks, Options, SkipClasses};

use super::character::{
    is_combining, is_invisible, is_latin, is_letter, is_mark, is_regional, is_word_letter, noise,
    sign_script,
};
use super::code_point::{CodePoints, Kind, Lookalike, canonical, is_nukta};

/// One folded character.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub c: char,
    looks: Option<Lookalike>,
    /// The characters of the text that it comes from.
    pub from: usize,
    pub to: usize,
    /// Whether it is the first and the last symbol of its characters: `㎏` is two symbols.
    pub starts: bool,
    pub ends: bool,
    pub regional: bool,
    /// A country's, of two regional indicators.
    pub flag: bool,
    /// A Latin letter that is one of another script in the text.
    pub foreign: bool,
    /// What stands before it ends a word.
    pub parted: bool,
    /// A letter of a Korean keyboard.
    jamo: bool,
}

impl Symbol {
    pub fn noise(&self) -> Option<SkipClasses> {
        match self.flag {
            true => Some(SkipClasses::SYMBOL),
            false => noise(self.c),
        }
    }
}

/// What a character does to the text.
enum Effect {
    Drop,
    /// Joins the symbol before it if the two compose; otherwise it is this, or dropped.
    Join {
        mark: char,
        alone: Option<char>,
    },
    Fold,
    /// A letter behind one of its script, unless that stands there already.
    Sign,
}

/// Folds a text; look-alikes are Latin where the options say so.
pub fn fold(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let mut symbols = fold_letters(text, points, options);
    settle(&mut symbols, options.confusables);
    symbols
}

/// Folds a text; look-alikes stay what they are, unless they are always Latin.
pub fn fold_keeping_scripts(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let mut symbols = fold_letters(text, points, options);
    let always = match options.confusables {
        Confusables::Always => Confusables::Always,
        Confusables::Off | Confusables::Auto => Confusables::Off,
    };
    settle(&mut symbols, always);
    symbols
}

/// Folds a text as if a Latin letter stood in every run of letters.
pub fn fold_among_latin(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let mut symbols = fold_letters(text, points, options);
    for symbol in &mut symbols {
        if let Some(looks) = symbol.looks.filter(|looks| looks.kind == Kind::Foreign) {
            symbol.c = looks.latin;
            symbol.looks = None;
        }
    }
    settle(&mut symbols, options.confusables);
    symbols
}

fn fold_letters(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let chars = ordered(text);
    let mut symbols: Vec<Symbol> = Vec::new();
    let (mut at, mut parted) = (0, false);
    while at < chars.len() {
        let count = symbols.len();
        let next = at + step(&chars, at, points, options, &mut symbols);
        parted |= options.invisible && chars[at] == '\u{200C}';
        if let Some(new) = symbols.get_mut(count) {
            let is_arabic = new.c.script() == Script::Arabic;
            new.parted = parted && is_arabic && is_letter(new.c) && !is_combining(new.c);
            parted = false;
        }
        at = next;
    }
    if options.style {
        syllables(symbols)
    } else {
        symbols
    }
}

/// The characters, with marks of one script that do not touch each other in their canonical order.
pub fn ordered(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().collect();
    let class = |c: &char| canonical_combining_class(*c);
    let go_together = |one: &char, next: &char| {
        class(one) != 0 && class(next) != 0 && sign_script(*one) == sign_script(*next)
    };
    for run in chars.chunk_by_mut(go_together) {
        run.sort_by_key(class);
    }
    chars
}

/// Reads what stands there; gives back how many characters that were.
fn step(
    chars: &[char],
    at: usize,
    points: &CodePoints,
    options: &Options,
    symbols: &mut Vec<Symbol>,
) -> usize {
    let c = chars[at];
    let run = chars[at..].iter().take_while(|c| is_regional(**c)).count();
    if run > 0 {
        regional(&chars[at..at + run], at, points, options, symbols);
        return run;
    }
    if let Some(length) = code(&chars[at..]).filter(|_| options.codes) {
        return length;
    }
    match effect(c, options) {
        Effect::Drop => {}
        Effect::Join { mark, alone } => {
            let joined = symbols.last().and_then(|last| match (last.c, mark) {
                ('ه', '\u{654}') => Some('ۀ'),
                ('i', '\u{307}') => Some('i'),
                (last, mark) => compose(last, mark),
            });
            let pieces = joined.map(|joined| points.fold(joined));
            match (pieces.as_deref(), symbols.last_mut()) {
                (Some([piece]), Some(last)) => {
                    // What they make may fold to something else, or look like it.
                    (last.c, last.looks) = (piece.c, piece.looks);
                    last.to = at + 1;
                }
                _ => {
                    let alone = alone.map(|c| (c, None));
                    push(symbols, c, at, alone.into_iter().collect());
                }
            }
        }
        Effect::Sign => {
            let last = symbols.last().filter(|last| last.looks.is_none());
            let fits = last.is_some_and(|last| bears(last.c, c));
            if fits {
                push(symbols, c, at, vec![(c, None)]);
            }
        }
        Effect::Fold => {
            let pieces = points.fold(c).into_iter();
            let mut pieces: Vec<_> = pieces.map(|piece| (piece.c, piece.looks)).collect();
            // Of several signs in one character the first falls away like any other.
            let sign = pieces.first().map(|piece| piece.0);
            let sign = sign.filter(|sign| pieces.len() > 1 && is_mark(*sign));
            let last = symbols.last().filter(|last| last.looks.is_none());
            let falls = sign.is_some_and(|sign| {
                options.marks != Marks::Off
                    && sign_script(sign).is_some()
                    && !last.is_some_and(|last| bears(last.c, sign))
            });
            if falls {
                pieces.remove(0);
            }
            let is_blank = |c: Option<char>| c.and_then(noise) == Some(SkipClasses::SPACE);
            let blank = is_blank(pieces.first().map(|piece| piece.0));
            if !(blank && is_blank(symbols.last().map(|last| last.c))) {
                push(symbols, c, at, pieces);
            }
        }
    }
    1
}

/// A sign is one on this letter, or on this mark, of its script; another of it is a pile.
fn bears(last: char, sign: char) -> bool {
    last != sign
        && sign_script(last) == sign_script(sign)
        && (last.is_alphabetic() || is_combining(last))
}

/// A run of regional indicators: a row of flags, or letters.
fn regional(
    run: &[char],
    at: usize,
    points: &CodePoints,
    options: &Options,
    symbols: &mut Vec<Symbol>,
) {
    let letter =
        |c: char| char::from_u32(u32::from(c) - 0x1F1E6 + u32::from('A')).expect("a letter");
    let is_flag = |pair: &[char]| match pair {
        [one, other] => is_country(&[letter(*one), letter(*other)]),
        _ => false,
    };
    if run.chunks(2).all(is_flag) {
        for (nth, pair) in run.chunks(2).enumerate() {
            let place = u32::from(letter(pair[0])) * 26 + u32::from(letter(pair[1]));
            // Any sign does that stands for this flag alone.
            let c = char::from_u32(0xF_0000 + place).expect("for private use");
            push(symbols, c, at + 2 * nth, vec![(c, None)]);
            let last = symbols.last_mut().expect("it was pushed");
            last.to += 1;
            (last.flag, last.regional) = (true, false);
        }
        return;
    }
    for (nth, c) in run.iter().enumerate() {
        let pieces = match options.style {
            true => points.fold(letter(*c)),
            false => points.fold(*c),
        };
        let pieces = pieces.into_iter().map(|piece| (piece.c, piece.looks));
        push(symbols, *c, at + nth, pieces.collect());
    }
}

/// ISO 3166-1, and what Unicode has flags for beside it.
fn is_country(letters: &[char; 2]) -> bool {
    let name: String = letters.iter().collect();
    "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN \
        BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CQ CR CU CV CW CX CY \
        CZ DE DG DJ DK DM DO DZ EA EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG \
        GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS \
        IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC \
        MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO \
        NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD \
        SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO \
        TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
        .split(' ')
        .any(|known| known == name)
}

/// How many characters a formatting code has.
fn code(chars: &[char]) -> Option<usize> {
    let digits = |chars: &[char]| {
        let digits = chars.iter().take(2);
        digits.take_while(|c| c.is_ascii_digit()).count()
    };
    match chars {
        ['§', next, ..]
            if "0123456789abcdefghijklmnopqrstuvx".contains(next.to_ascii_lowercase()) =>
        {
            Some(2)
        }
        ['§', ..] => Some(1),
        ['\u{3}', rest @ ..] => {
            let color = digits(rest);
            let ground = match &rest[color..] {
                [',', rest @ ..] if color > 0 => digits(rest),
                _ => 0,
            };
            Some(1 + color + if ground > 0 { ground + 1 } else { 0 })
        }
        ['\u{4}', rest @ ..] => {
            let hex = |chars: &[char]| {
                let color = chars.get(..6);
                color.is_some_and(|color| color.iter().all(char::is_ascii_hexdigit))
            };
            match rest {
                rest if !hex(rest) => Some(1),
                [color @ .., _] if color.len() >= 6 && rest[6] == ',' && hex(&rest[7..]) => {
                    Some(14)
                }
                _ => Some(7),
            }
        }
        _ => None,
    }
}

/// Korean letters joined to syllables.
fn syllables(symbols: Vec<Symbol>) -> Vec<Symbol> {
    const FIRST: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
    const LAST: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";
    let place = |letters: &str, at: usize| -> Option<u32> {
        let symbol: &Symbol = symbols.get(at).filter(|symbol| symbol.jamo)?;
        Some(letters.chars().position(|c| c == symbol.c)? as u32)
    };
    let vowel = |at: usize| -> Option<u32> {
        let symbol = symbols.get(at).filter(|symbol| symbol.jamo)?;
        u32::from(symbol.c).checked_sub(0x314F)
    };
    // What two letters make that are typed for one.
    let double = |at: usize| -> Option<char> {
        let letters = symbols.get(at..at + 2)?;
        let typed: String = letters.iter().map(|symbol| symbol.c).collect();
        let mut doubles = "ㄳㄱㅅ ㄵㄴㅈ ㄶㄴㅎ ㄺㄹㄱ ㄻㄹㅁ ㄼㄹㅂ ㄽㄹㅅ ㄾㄹㅌ ㄿㄹㅍ ㅀㄹㅎ \
            ㅄㅂㅅ ㅘㅗㅏ ㅙㅗㅐ ㅚㅗㅣ ㅝㅜㅓ ㅞㅜㅔ ㅟㅜㅣ ㅢㅡㅣ"
            .split(' ');
        let all_typed = letters.iter().all(|symbol| symbol.jamo);
        let both = doubles.find(|double| double.ends_with(&typed) && all_typed)?;
        both.chars().next()
    };
    let mut joined: Vec<Symbol> = Vec::new();
    let mut at = 0;
    while at < symbols.len() {
        let mut symbol = symbols[at].clone();
        at += 1;
        if let (Some(first), Some(middle)) = (place(FIRST, at - 1), vowel(at)) {
            let both = double(at);
            let middle = both.map_or(middle, |both| u32::from(both) - 0x314F);
            at += 1 + usize::from(both.is_some());
            let mut code = 0xAC00 + first * 588 + middle * 28;
            let begins_next = |at: usize| place(FIRST, at).is_some() && vowel(at + 1).is_some();
            if let Some(last) = place(LAST, at).filter(|_| !begins_next(at)) {
                let both = double(at).filter(|_| !begins_next(at + 1));
                let both = both.and_then(|both| LAST.chars().position(|c| c == both));
                code += both.map_or(last, |both| both as u32) + 1;
                at += 1 + usize::from(both.is_some());
            }
            symbol.to = symbols[at - 1].to;
            symbol.c = char::from_u32(code).expect("a syllable");
            // A last letter that is no key of its own is part of the syllable before it.
            let closed = symbols
                .get(at)
                .and_then(|last| Some((compose(symbol.c, last.c)?, last.to)));
            if let Some((closed, to)) = closed {
                (symbol.c, symbol.to) = (closed, to);
                at += 1;
            }
        }
        joined.push(symbol);
    }
    joined
}

/// The symbols with those from each of these ranges of characters turned round; the symbols of
/// one character stay in their order.
pub fn turned(symbols: &[Symbol], ranges: &[[usize; 2]]) -> Vec<Symbol> {
    let part_of = |symbol: &Symbol| {
        let mut ranges = ranges.iter();
        ranges.position(|range| range[0] <= symbol.from && symbol.from < range[1])
    };
    let mut turned = Vec::new();
    for part in symbols.chunk_by(|one, next| part_of(one) == part_of(next)) {
        if part_of(&part[0]).is_none() {
            turned.extend_from_slice(part);
            continue;
        }
        let characters: Vec<&[Symbol]> = part.chunk_by(|one, next| one.from == next.from).collect();
        turned.extend(characters.into_iter().rev().flatten().cloned());
    }
    turned
}

fn effect(c: char, options: &Options) -> Effect {
    if options.invisible && is_invisible(c) {
        return Effect::Drop;
    }
    // Two marks that Unicode calls the same are.
    let c = canonical(c);
    match c {
        // Voiced marks of kana, and the second and third letter of a Hangul syllable.
        '\u{3099}' | '\u{309A}' => Effect::Join {
            mark: c,
            alone: None,
        },
        '\u{FF9E}' | '\u{309B}' if options.width => Effect::Join {
            mark: '\u{3099}',
            alone: Some('゛'),
        },
        '\u{FF9F}' | '\u{309C}' if options.width => Effect::Join {
            mark: '\u{309A}',
            alone: Some('゜'),
        },
        '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}' => Effect::Join {
            mark: c,
            alone: Some(c),
        },
        _ if is_mark(c) => match options.marks {
            Marks::On if is_nukta(c) => Effect::Drop,
            Marks::On | Marks::Zalgo if sign_script(c).is_some() => Effect::Sign,
            Marks::On if matches!(c, '\u{653}'..='\u{655}') => Effect::Join {
                mark: c,
                alone: None,
            },
            Marks::On => Effect::Drop,
            Marks::Zalgo => Effect::Join {
                mark: c,
                alone: None,
            },
            Marks::Off => Effect::Join {
                mark: c,
                alone: Some(c),
            },
        },
        _ => Effect::Fold,
    }
}

fn push(symbols: &mut Vec<Symbol>, c: char, at: usize, pieces: Vec<(char, Option<Lookalike>)>) {
    let count = pieces.len();
    for (nth, (folded, looks)) in pieces.into_iter().enumerate() {
        symbols.push(Symbol {
            c: folded,
            looks,
            from: at,
            to: at + 1,
            starts: nth == 0,
            ends: nth + 1 == count,
            regional: is_regional(c),
            flag: false,
            foreign: false,
            parted: false,
            jamo: count == 1 && matches!(folded, '\u{3131}'..='\u{3163}'),
        });
    }
}

/// The scripts that are told apart; all that have no look-alikes of note are one.
fn group(c: char) -> Script {
    match is_word_letter(c) {
        true => Script::Common,
        false => c.script(),
    }
}

/// Makes look-alikes Latin: all of them, or those in a run of letters that holds a Latin letter
/// and those of a script of which the text has no letter that is told apart from Latin ones.
fn settle(symbols: &mut [Symbol], confusables: Confusables) {
    let foreign: HashSet<Script> = symbols
        .iter()
        .filter(|symbol| {
            let hidden = |looks: Lookalike| looks.close && looks.kind == Kind::Foreign;
            is_letter(symbol.c) && !symbol.looks.is_some_and(hidden)
        })
        .map(|symbol| group(symbol.c))
        .collect();
    let mut runs = symbols.chunk_by_mut(|one, next| is_letter(one.c) && is_letter(next.c));
    for run in &mut runs {
        let among_latin = run.iter().any(|symbol| is_latin(symbol.c));
        let of_kind = |symbol: &Symbol, kind| symbol.looks.is_some_and(|looks| looks.kind == kind);
        let among_fancy = run.iter().any(|symbol| of_kind(symbol, Kind::Fancy));
        for symbol in run.iter_mut() {
            let Some(looks) = symbol.looks.take() else {
                continue;
            };
            let latin = match (looks.kind, confusables) {
                (Kind::Fancy, _) | (_, Confusables::Always) => true,
                (Kind::Dotless, _) => among_fancy,
                (_, Confusables::Off) => false,
                (_, Confusables::Auto) => among_latin || !foreign.contains(&group(symbol.c)),
            };
            if latin {
                symbol.c = looks.latin;
                symbol.foreign = looks.kind == Kind::Foreign;
            }
        }
    }
}
