//! What kind of character a code point is, as far as folding and boundaries need it.

use unicode_normalization::char::is_combining_mark;

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

/// Characters that take no room on the screen, or nothing but room: the default-ignorable code
/// points of Unicode, interlinear annotation, tags and the blank braille pattern.
const INVISIBLE: [(u32, u32); 22] = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
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
    (0x13440, 0x13440),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
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

/// The scripts whose words are parted by blanks, so that an entry must be a whole word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Latin,
    Greek,
    Cyrillic,
}

pub fn script(c: char) -> Option<Script> {
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

/// What a character is when it stands between two characters of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    Space,
    Punct,
    Symbol,
    Stop,
    Newline,
}

/// The kind of noise that a character is, by its general category; letters, digits and marks are
/// none.
pub fn noise(c: char) -> Option<Noise> {
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

/// The blocks of punctuation and symbols, as closed ranges.
pub fn noise_ranges() -> impl Iterator<Item = (u32, u32)> {
    unicode::PUNCTUATION.into_iter().chain(unicode::SYMBOLS)
}

/// The value of a decimal digit of any script.
pub fn digit(c: char) -> Option<u32> {
    let point = u32::from(c);
    let zeros = unicode::DIGIT_ZEROS.partition_point(|zero| *zero <= point);
    let zero = unicode::DIGIT_ZEROS[zeros.checked_sub(1)?];
    (point - zero < 10).then_some(point - zero)
}

/// A mark without room of its own, or one that encloses (`Mn`, `Me`).
pub fn is_mark(c: char) -> bool {
    is_combining_mark(c) && !within(&unicode::SPACING_MARKS, c)
}

pub fn is_invisible(c: char) -> bool {
    within(&INVISIBLE, c)
}

/// Belongs to the character before it, so that a mask must not part the two.
pub fn is_trailing(c: char) -> bool {
    c >= '\u{300}' && (within(&TRAILING, c) || is_combining_mark(c))
}

pub fn is_regional(c: char) -> bool {
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
