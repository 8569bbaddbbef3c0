//! Korean letters that are written one by one, as a keyboard has them, joined to syllables.

use super::stream::{SYMBOL, Stream, Syllable};

const FIRST: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const LAST: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

fn place(letters: &str, c: char) -> Option<u32> {
    letters
        .chars()
        .position(|known| known == c)
        .map(|at| at as u32)
}

fn joined(first: char, vowel: char) -> Option<u32> {
    Some(0xAC00 + place(FIRST, first)? * 588 + (u32::from(vowel) - 0x314F) * 28)
}

/// Puts a letter behind what is in the stream; it stands there in the text.
pub(super) fn push(letter: char, origin: u32, end: u32, stream: &mut Stream) {
    let count = stream.symbols.len();
    let known = Some(stream.syllable).filter(|known| known.count == count && count > 0);
    let is_vowel = letter >= '\u{314F}';
    match known {
        // A consonant that ended the syllable begins the next one.
        Some(Syllable {
            last: Some((consonant, start, end_before)),
            vowel: true,
            ..
        }) if is_vowel && joined(consonant, letter).is_some() => {
            let closed = stream.symbols[count - 1] & SYMBOL;
            stream.symbols[count - 1] = closed - (closed - 0xAC00) % 28;
            stream.join_to(end_before);
            stream.push(joined(consonant, letter).unwrap_or(closed), start);
            stream.join(end);
            stream.syllable = Syllable {
                count: count + 1,
                last: None,
                vowel: true,
            };
        }
        Some(Syllable {
            last: Some((consonant, ..)),
            vowel: false,
            ..
        }) if is_vowel && joined(consonant, letter).is_some() => {
            stream.symbols[count - 1] = joined(consonant, letter).unwrap_or_default();
            stream.join(end);
            stream.syllable = Syllable {
                count,
                last: None,
                vowel: true,
            };
        }
        Some(Syllable {
            last: None,
            vowel: true,
            ..
        }) if !is_vowel && place(LAST, letter).is_some() => {
            let open = stream.symbols[count - 1] & SYMBOL;
            let end_before = stream.last_end();
            stream.symbols[count - 1] = open + 1 + place(LAST, letter).unwrap_or_default();
            stream.join(end);
            stream.syllable = Syllable {
                count,
                last: Some((letter, origin, end_before)),
                vowel: true,
            };
        }
        _ => {
            stream.push(u32::from(letter), origin);
            let last = (!is_vowel).then_some((letter, origin, origin));
            stream.syllable = Syllable {
                count: count + 1,
                last,
                vowel: false,
            };
        }
    }
}
