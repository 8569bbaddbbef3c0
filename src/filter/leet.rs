//! Leet: digits and signs that stand for letters.

use super::fold::{LETTER, SYMBOL};

/// Signs, each with the letters that it may stand for.
const TABLE: [(char, &str); 15] = [
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
pub fn class(symbol: u32) -> u32 {
    match symbol {
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
pub fn is_sign(symbol: u32) -> bool {
    matches!(char::from_u32(symbol), Some('@' | '!' | '|' | '$' | '+'))
}

/// A sign, no digit, may be written for `letter`.
pub fn may_be_sign(letter: u32) -> bool {
    "@!|$+"
        .chars()
        .any(|sign| stands_for(u32::from(sign), letter))
}

/// `symbol`, without flags, is written for `letter`.
pub fn stands_for(symbol: u32, letter: u32) -> bool {
    letters(symbol).is_some_and(|letters| letters.bytes().any(|known| u32::from(known) == letter))
}

/// The text is the form of an entry, with signs for some of its letters.
pub fn spells(form: &[u32], text: impl Iterator<Item = u32>) -> bool {
    let mut letters = Letters::default();
    let mut pairs = form.iter().zip(text);
    pairs.all(|(own, text)| {
        letters
            .add_run(std::slice::from_ref(own), std::iter::once(text))
            .is_some()
    }) && letters.are_enough()
}

/// How many letters of an entry stand in the text as letters.
#[derive(Default)]
pub struct Letters {
    all: usize,
    real: usize,
    signs: bool,
}

impl Letters {
    /// Adds a run of the entry, whose symbols are of one class, and the run of the text that
    /// stands for it; `None` if it cannot. A letter is there if it is anywhere in the run.
    pub fn add_run(&mut self, own: &[u32], text: impl Iterator<Item = u32>) -> Option<()> {
        let is = |own: u32, text: u32| (own ^ text) & SYMBOL == 0;
        let mut there: u128 = 0;
        // Which of the run's symbols the last one of the text may stand for, one bit each; the
        // text goes through them in order.
        let mut reached: u128 = 0;
        let mut begun = false;
        for symbol in text {
            let mut fits: u128 = 0;
            for (index, own) in own.iter().enumerate() {
                // What is neither is equal in the view by its sound.
                let sound = symbol & SYMBOL >= 0x80 && own & SYMBOL >= 0x80;
                let equal = is(*own, symbol);
                there |= u128::from(equal) << index;
                let stands = equal || sound || stands_for(symbol & SYMBOL, own & SYMBOL);
                fits |= u128::from(stands) << index;
                self.signs |= !equal && !sound && stands;
            }
            let next = match begun {
                true => reached | reached << 1,
                false => 1,
            };
            reached = next & fits;
            begun = true;
        }
        if reached >> (own.len() - 1) & 1 == 0 {
            return None;
        }
        let letters = own.iter().enumerate().filter(|(_, own)| *own & LETTER != 0);
        for (index, _) in letters {
            self.all += 1;
            self.real += (there >> index & 1) as usize;
        }
        Some(())
    }

    /// No sign stands for a letter, or at least half of the letters are there.
    pub fn are_enough(&self) -> bool {
        !self.signs || self.all > 0 && self.real * 2 >= self.all
    }
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
