//! Leet: digits and signs that stand for letters.

use super::stream::{LETTER, SYMBOL};

/// Signs, each with the letters that it may stand for.
const TABLE: [(char, &str); 16] = [
    ('4', "a"),
    ('@', "a"),
    ('8', "b"),
    ('3', "e"),
    ('6', "g"),
    ('9', "g"),
    ('1', "il"),
    ('!', "i"),
    ('|', "il"),
    ('0', "o"),
    ('5', "s"),
    ('$', "s"),
    ('7', "t"),
    ('+', "t"),
    ('2', "z"),
    ('¢', "c"),
];

fn letters(sign: u32) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(known, _)| u32::from(*known) == sign)
        .map(|(_, letters)| *letters)
}

/// The one symbol for all that may be written for each other, without flags: for `1`, `l`, `!`
/// and `|` it is `i`.
#[inline]
pub(crate) fn class(symbol: u32) -> u32 {
    match symbol {
        0xA2 => u32::from('c'),
        0x7D.. => symbol,
        0x6C => u32::from('i'),
        _ if symbol >= u32::from('A') && symbol != u32::from('|') => symbol,
        _ => letters(symbol)
            .and_then(|letters| letters.bytes().next())
            .map_or(symbol, u32::from),
    }
}

/// A sign, no digit, that may stand for a letter.
#[inline]
pub(crate) fn is_sign(symbol: u32) -> bool {
    matches!(
        char::from_u32(symbol),
        Some('@' | '!' | '|' | '$' | '+' | '¢')
    )
}

/// A sign, no digit, may be written for `letter`.
pub(crate) fn may_be_sign(letter: u32) -> bool {
    "@!|$+¢"
        .chars()
        .any(|sign| stands_for(u32::from(sign), letter))
}

/// `symbol`, without flags, is written for `letter`.
pub(crate) fn stands_for(symbol: u32, letter: u32) -> bool {
    letters(symbol).is_some_and(|letters| letters.bytes().any(|known| u32::from(known) == letter))
}

/// How a symbol of the text stands for one of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// As it is, or by its sound.
    Itself,
    Digit,
    Sign,
}

/// How `text` stands for `own`, both of one class; `None` if it cannot.
#[inline]
pub(crate) fn written(own: u32, text: u32) -> Option<Written> {
    let (own, text) = (own & SYMBOL, text & SYMBOL);
    // What is neither the same nor a sign is equal in the view by its sound.
    if own == text || own >= 0x80 && text >= 0x80 {
        Some(Written::Itself)
    } else if !stands_for(text, own) {
        None
    } else if is_sign(text) {
        Some(Written::Sign)
    } else {
        Some(Written::Digit)
    }
}

/// The text is the form of an entry, with signs for at most half of its letters.
pub(crate) fn spells(form: &[u32], text: impl Iterator<Item = u32>) -> bool {
    let (mut letters, mut hidden) = (0, 0);
    let mut pairs = form.iter().zip(text);
    pairs.all(|(own, text)| {
        let written = written(*own, text);
        letters += usize::from(own & LETTER != 0);
        hidden += usize::from(matches!(written, Some(Written::Digit | Written::Sign)));
        written.is_some()
    }) && hidden * 2 <= letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_their_letters_are_of_one_class() {
        for (sign, letters) in TABLE {
            for letter in letters.chars() {
                let (sign, letter) = (u32::from(sign), u32::from(letter));
                assert!(stands_for(sign, letter));
                assert_eq!(class(sign), class(letter), "{sign:x} {letter:x}");
            }
        }
        assert!(!stands_for(u32::from('a'), u32::from('a')));
        assert_eq!(class(u32::from('赌')), u32::from('赌'));
        assert_eq!(class(u32::from('?')), u32::from('?'));
    }

    #[test]
    fn signs_that_stand_for_letters_are_known() {
        for (sign, _) in TABLE {
            assert_eq!(is_sign(u32::from(sign)), !sign.is_ascii_digit(), "{sign}");
        }
    }
}
