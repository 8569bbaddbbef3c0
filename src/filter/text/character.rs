//! What kind of character a code point is, as far as folding and boundaries need it.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

#[path = "data/unicode.rs"]
mod unicode;

/// Letters of the Latin script, as blocks; the few other characters in them are not alphabetic.
const LATIN_BLOCKS: [(u32, u32); 27] = [
    (0x0041, 0x007A),
    (0x00AA, 0x00AA),
    (0x00BA, 0x00BA),
    (0x00C0, 0x02B8),
    (0x02E0, 0x02E4),
    (0x1D00, 0x1D25),
    (0x1D2C, 0x1D5C),
    (0x1D62, 0x1D65),
    (0x1D6B, 0x1D77),
    (0x1D79, 0x1DBE),
    (0x1E00, 0x1EFF),
    (0x2071, 0x2071),
    (0x207F, 0x207F),
    (0x2090, 0x209C),
    (0x212A, 0x212B),
    (0x2132, 0x2132),
    (0x214E, 0x214E),
    (0x2160, 0x2188),
    (0x2C60, 0x2C7F),
    (0xA722, 0xA787),
    (0xA78B, 0xA7FF),
    (0xAB30, 0xAB64),
    (0xAB66, 0xAB69),
    (0xFB00, 0xFB06),
    (0xFF21, 0xFF5A),
    (0x10780, 0x107BA),
    (0x1DF00, 0x1DFFF),
];

const GREEK_BLOCKS: [(u32, u32); 10] = [
    (0x0370, 0x0373),
    (0x0375, 0x03FF),
    (0x1D26, 0x1D2A),
    (0x1D5D, 0x1D61),
    (0x1D66, 0x1D6A),
    (0x1DBF, 0x1DBF),
    (0x1F00, 0x1FFF),
    (0x2126, 0x2126),
    (0xAB65, 0xAB65),
    (0x10140, 0x10174),
];

const CYRILLIC_BLOCKS: [(u32, u32); 7] = [
    (0x0400, 0x052F),
    (0x1C80, 0x1C8F),
    (0x1D2B, 0x1D2B),
    (0x1D78, 0x1D78),
    (0x2DE0, 0x2DFF),
    (0xA640, 0xA69F),
    (0x1E030, 0x1E08F),
];

/// Blocks of the other scripts that write blanks between words.
const WORD_BLOCKS: [(u32, u32); 30] = [
    (0x0530, 0x07FF),
    (0x0800, 0x0963),
    (0x0966, 0x0DFF),
    (0x10A0, 0x10FF),
    (0x1200, 0x139F),
    (0x13A0, 0x16FF),
    (0x1800, 0x18FF),
    (0x1C50, 0x1C7F),
    (0x1C90, 0x1CBF),
    (0x1CD0, 0x1CFF),
    (0x2C00, 0x2C5F),
    (0x2C80, 0x2DDF),
    (0xA4D0, 0xA4FF),
    (0xA800, 0xA82F),
    (0xA840, 0xA87F),
    (0xA8E0, 0xA8FF),
    (0xAAE0, 0xAAFF),
    (0xAB00, 0xAB2F),
    (0xAB70, 0xABFF),
    (0xFB13, 0xFDFF),
    (0xFE70, 0xFEFE),
    (0x10400, 0x104FF),
    (0x10570, 0x105BF),
    (0x10A00, 0x10AFF),
    (0x10C80, 0x10DFF),
    (0x10EC0, 0x10EFF),
    (0x11000, 0x11FFF),
    (0x1E000, 0x1E02F),
    (0x1E7E0, 0x1E7FF),
    (0x1E900, 0x1EEFF),
];

/// The scripts whose marks are letters (vowels, tones, the sign that silences a vowel), as blocks.
/// A script has one number, however many blocks it has.
const SIGN_BLOCKS: [(u32, u32, u8); 68] = [
    (0x0780, 0x07BF, 1),
    (0x07C0, 0x07FF, 2),
    (0x0900, 0x0950, 3),
    (0x0955, 0x097F, 3),
    (0x0980, 0x09FF, 4),
    (0x0A00, 0x0A7F, 5),
    (0x0A80, 0x0AFF, 6),
    (0x0B00, 0x0B7F, 7),
    (0x0B80, 0x0BFF, 8),
    (0x0C00, 0x0C7F, 9),
    (0x0C80, 0x0CFF, 10),
    (0x0D00, 0x0D7F, 11),
    (0x0D80, 0x0DFF, 12),
    (0x0E00, 0x0E7F, 13),
    (0x0E80, 0x0EFF, 14),
    (0x0F00, 0x0FFF, 15),
    (0x1000, 0x109F, 16),
    (0x1700, 0x171F, 17),
    (0x1720, 0x173F, 18),
    (0x1740, 0x175F, 19),
    (0x1760, 0x177F, 20),
    (0x1780, 0x17FF, 21),
    (0x1900, 0x194F, 22),
    (0x1A00, 0x1A1F, 23),
    (0x1A20, 0x1AAF, 24),
    (0x1B00, 0x1B7F, 25),
    (0x1B80, 0x1BBF, 26),
    (0x1BC0, 0x1BFF, 27),
    (0x1C00, 0x1C4F, 28),
    (0xA800, 0xA82F, 29),
    (0xA880, 0xA8DF, 30),
    (0xA8E0, 0xA8FF, 3),
    (0xA900, 0xA92D, 31),
    (0xA930, 0xA95F, 32),
    (0xA980, 0xA9DF, 33),
    (0xA9E0, 0xA9FF, 16),
    (0xAA00, 0xAA5F, 34),
    (0xAA60, 0xAA7F, 16),
    (0xAA80, 0xAADF, 35),
    (0x11000, 0x1107F, 36),
    (0x11080, 0x110CF, 37),
    (0x11100, 0x1114F, 38),
    (0x11150, 0x1117F, 39),
    (0x11180, 0x111DF, 40),
    (0x11200, 0x1124F, 41),
    (0x11280, 0x112AF, 42),
    (0x112B0, 0x112FF, 43),
    (0x11300, 0x1137F, 44),
    (0x11380, 0x113FF, 45),
    (0x11400, 0x1147F, 46),
    (0x11480, 0x114DF, 47),
    (0x11580, 0x115FF, 48),
    (0x11600, 0x1165F, 49),
    (0x11680, 0x116CF, 50),
    (0x11700, 0x1174F, 51),
    (0x11800, 0x1184F, 52),
    (0x11900, 0x1195F, 53),
    (0x119A0, 0x119FF, 54),
    (0x11A00, 0x11A4F, 55),
    (0x11A50, 0x11AAF, 56),
    (0x11B00, 0x11B5F, 3),
    (0x11B60, 0x11B7F, 40),
    (0x11C00, 0x11C6F, 57),
    (0x11C70, 0x11CBF, 58),
    (0x11D00, 0x11D5F, 59),
    (0x11D60, 0x11DAF, 60),
    (0x11EE0, 0x11EFF, 61),
    (0x11F00, 0x11F5F, 62),
];

/// Characters that take no room on the screen, or nothing but room: control characters but TAB
/// and line ends, the default-ignorable code points of Unicode, interlinear annotation, tags, the
/// stroke that stretches Arabic words, skin tones, and the blank braille pattern.
const INVISIBLE: [(u32, u32); 29] = [
    (0x0000, 0x0008),
    (0x000E, 0x001F),
    (0x007F, 0x0084),
    (0x0086, 0x009F),
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x0640, 0x0640),
    (0x07FA, 0x07FA),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x13430, 0x13440),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0x1F3FB, 0x1F3FF),
    (0xE0000, 0xE007F),
    (0xE0080, 0xE00FF),
    (0xE0100, 0xE01EF),
    (0xE01F0, 0xE0FFF),
];

/// Characters beside the marks that belong to the character before them: joiners, the second
/// and third letters of a Hangul syllable, half-width voiced marks, skin tones and tags.
const TRAILING: [(u32, u32); 5] = [
    (0x1160, 0x11FF),
    (0x200C, 0x200D),
    (0xFF9E, 0xFF9F),
    (0x1F3FB, 0x1F3FF),
    (0xE0020, 0xE007F),
];

/// The scripts whose letters are told apart where they look alike; their words are parted by
/// blanks, as those of [`is_word_letter`] are, so that an entry must be a whole word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Greek,
    Cyrillic,
}

pub(crate) fn script(c: char) -> Option<Script> {
    if !c.is_alphabetic() {
        return None;
    }
    if within(&LATIN_BLOCKS, c) {
        Some(Script::Latin)
    } else if within(&GREEK_BLOCKS, c) {
        Some(Script::Greek)
    } else if within(&CYRILLIC_BLOCKS, c) {
        Some(Script::Cyrillic)
    } else {
        None
    }
}

/// A letter, or a mark that is one, of another script that writes blanks between words.
pub(crate) fn is_word_letter(c: char) -> bool {
    c >= '\u{530}' && within(&WORD_BLOCKS, c) && (c.is_alphabetic() || is_combining_mark(c))
}

/// A letter of Arabic script, ligatures too, if it is a letter.
pub(super) fn is_arabic(point: u32) -> bool {
    const BLOCKS: [(u32, u32); 8] = [
        (0x0600, 0x06FF),
        (0x0750, 0x077F),
        (0x0870, 0x08FF),
        (0xFB50, 0xFDFF),
        (0xFE70, 0xFEFE),
        (0x10E60, 0x10E7F),
        (0x10EC0, 0x10EFF),
        (0x1EE00, 0x1EEFF),
    ];
    BLOCKS
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&point))
}

/// The number of the script that a character is of, if marks are letters in that script.
pub(super) fn sign_script(c: char) -> Option<u8> {
    let point = u32::from(c);
    if point < 0x780 {
        return None;
    }
    let after = SIGN_BLOCKS.partition_point(|(start, _, _)| *start <= point);
    let (_, last, script) = SIGN_BLOCKS[after.checked_sub(1)?];
    (point <= last).then_some(script)
}

/// A mark that is a letter where it stands on a letter of its own script.
pub(super) fn is_sign_mark(c: char) -> bool {
    is_combining_mark(c) && sign_script(c).is_some()
}

/// A letter, or a mark, on which a mark of its script is a letter too; digits, punctuation and what
/// Unicode has not given out bear none.
pub(super) fn bears_signs(c: char) -> bool {
    c.is_alphabetic() || is_combining_mark(c)
}

/// A mark that is a letter, or takes room like one.
pub(crate) fn is_letter_mark(c: char) -> bool {
    is_sign_mark(c) || within(&unicode::SPACING_MARKS, c)
}

/// The dot below a letter of an Indic script, which is left out as often as it is written.
pub(super) fn is_nukta(c: char) -> bool {
    c != '\u{1037}' && canonical_combining_class(c) == 7
}

/// What a character is when it stands between two characters of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    Space,
    Punct,
    Symbol,
    Stop,
    Newline,
}

/// The kind of noise that a character is, by its general category; letters, digits and marks are
/// none.
pub(super) fn noise(c: char) -> Option<Noise> {
    match c {
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
            Some(Noise::Newline)
        }
        '。' | '！' | '？' | '!' | '?' | '；' | ';' | '｡' => Some(Noise::Stop),
        c if c.is_whitespace() => Some(Noise::Space),
        c if within(&unicode::PUNCTUATION, c) => Some(Noise::Punct),
        c if within(&unicode::SYMBOLS, c) => Some(Noise::Symbol),
        _ => None,
    }
}

/// A sign, emoji, flags and decorated numbers among them, that is none of the ASCII ones.
pub(crate) fn is_other_sign(c: char) -> bool {
    let is_number = || c.is_numeric() && !c.is_alphabetic() && digit(c).is_none();
    // The only emoji that Unicode counts as a letter.
    let is_letter = c == 'ℹ';
    !c.is_ascii() && (is_letter || within(&unicode::SYMBOLS, c) || is_number())
}

/// The blocks of punctuation and symbols, as closed ranges.
pub(super) fn noise_ranges() -> impl Iterator<Item = (u32, u32)> {
    unicode::PUNCTUATION.into_iter().chain(unicode::SYMBOLS)
}

/// The value of a decimal digit of any script.
pub(crate) fn digit(c: char) -> Option<u32> {
    let point = u32::from(c);
    let zeros = unicode::DIGIT_ZEROS.partition_point(|zero| *zero <= point);
    let zero = unicode::DIGIT_ZEROS[zeros.checked_sub(1)?];
    (point - zero < 10).then_some(point - zero)
}

/// A mark without room of its own, or one that encloses (`Mn`, `Me`).
pub(crate) fn is_mark(c: char) -> bool {
    is_combining_mark(c) && !within(&unicode::SPACING_MARKS, c)
}

pub(crate) fn is_invisible(c: char) -> bool {
    within(&INVISIBLE, c)
}

/// Belongs to the character before it, so that a mask must not part the two.
pub(crate) fn is_trailing(c: char) -> bool {
    c >= '\u{300}' && (within(&TRAILING, c) || is_combining_mark(c))
}

pub(super) fn is_regional(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

fn within(ranges: &[(u32, u32)], c: char) -> bool {
    let point = u32::from(c);
    let after = ranges.partition_point(|(start, _)| *start <= point);
    after > 0 && point <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_ascending() {
        for ranges in [
            &LATIN_BLOCKS[..],
            &GREEK_BLOCKS,
            &CYRILLIC_BLOCKS,
            &WORD_BLOCKS,
            &INVISIBLE,
            &TRAILING,
            &unicode::SPACING_MARKS,
            &unicode::PUNCTUATION,
            &unicode::SYMBOLS,
        ] {
            assert!(ranges.iter().all(|(start, end)| start <= end));
            assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
        assert!(unicode::DIGIT_ZEROS.is_sorted());
    }

    /// Scripts, categories and properties of every character are those of Unicode.
    #[test]
    fn characters_are_what_unicode_says() {
        use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
        use unicode_script::{Script as Unicode, UnicodeScript};
        let mut wrong = Vec::new();
        for c in '\0'..=char::MAX {
            let expected = match c.script() {
                _ if !c.is_alphabetic() => None,
                // Coptic letters among the Greek ones.
                _ if ('\u{3E2}'..='\u{3EF}').contains(&c) => Some(Script::Greek),
                Unicode::Latin => Some(Script::Latin),
                Unicode::Greek => Some(Script::Greek),
                Unicode::Cyrillic => Some(Script::Cyrillic),
                _ => None,
            };
            let kind = match c.general_category_group() {
                _ if c.is_whitespace() => noise(c),
                _ if "。！？!?；;｡".contains(c) => Some(Noise::Stop),
                GeneralCategoryGroup::Punctuation => Some(Noise::Punct),
                GeneralCategoryGroup::Symbol => Some(Noise::Symbol),
                _ => None,
            };
            if script(c) != expected || noise(c) != kind {
                let found = (script(c), noise(c));
                wrong.push(format!(
                    "{:X} is {:?}, not {found:?}",
                    u32::from(c),
                    (expected, kind)
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn digits_of_every_script_have_their_value() {
        assert_eq!(digit('7'), Some(7));
        assert_eq!(digit('٣'), Some(3));
        assert_eq!(digit('\u{1D7D0}'), Some(2));
        assert_eq!(digit('²'), None);
        assert_eq!(digit('/'), None);
    }

    #[test]
    fn noise_has_its_kind() {
        let kinds: Vec<Option<Noise>> =
            " 、-_@$😂❤。!\n★a赌1\u{301}ー".chars().map(noise).collect();
        let (punct, symbol) = (Some(Noise::Punct), Some(Noise::Symbol));
        let (stop, newline) = (Some(Noise::Stop), Some(Noise::Newline));
        let expected = [
            &[
                Some(Noise::Space),
                punct,
                punct,
                punct,
                punct,
                symbol,
                symbol,
                symbol,
            ][..],
            &[stop, stop, newline, symbol, None, None, None, None, None],
        ];
        assert_eq!(kinds, expected.concat());
    }

    #[test]
    fn vowel_signs_with_room_are_no_marks() {
        assert!(is_mark('\u{301}'));
        assert!(is_mark('\u{20DD}'));
        assert!(!is_mark('\u{93E}'));
        assert!(is_trailing('\u{93E}'));
    }
}
