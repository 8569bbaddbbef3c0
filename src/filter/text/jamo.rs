//! Korean letters that are written one by one, as a keyboard has them, joined to syllables.

use super::stream::{SYMBOL, Stream, Syllable};

const FIRST: &str = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const LAST: &str = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";
/// Two letters that are typed for one behind a vowel, and two vowels that are typed for one.
const DOUBLE: &str = "ㄱㅅㄳㄴㅈㄵㄴㅎㄶㄹㄱㄺㄹㅁㄻㄹㅂㄼㄹㅅㄽㄹㅌㄾㄹㅍㄿㄹㅎㅀㅂㅅㅄ\
    ㅗㅏㅘㅗㅐㅙㅗㅣㅚㅜㅓㅝㅜㅔㅞㅜㅣㅟㅡㅣㅢ";

fn place(letters: &str, c: char) -> Option<u32> {
    let at = letters.chars().position(|known| known == c)?;
    Some(at as u32)
}

fn joined(first: char, vowel: char) -> Option<u32> {
    Some(0xAC00 + place(FIRST, first)? * 588 + (u32::from(vowel) - 0x314F) * 28)
}

/// Each pair of letters before the one that it makes.
fn doubles() -> impl Iterator<Item = [char; 3]> {
    let mut letters = DOUBLE.chars();
    std::iter::from_fn(move || Some([letters.next()?, letters.next()?, letters.next()?]))
}

/// The letter that two make.
fn double(one: char, other: char) -> Option<char> {
    let found = doubles().find(|[first, second, _]| (*first, *second) == (one, other));
    found.map(|[_, _, both]| both)
}

/// The vowel of a syllable, and the letter that ends it.
fn vowel_of(syllable: u32) -> Option<char> {
    char::from_u32(0x314F + (syllable - 0xAC00) % 588 / 28)
}

fn last_of(syllable: u32) -> Option<char> {
    let at = ((syllable - 0xAC00) % 28).checked_sub(1)?;
    LAST.chars().nth(at as usize)
}

/// The syllable with another end.
fn ended(syllable: u32, last: Option<char>) -> u32 {
    let open = syllable - (syllable - 0xAC00) % 28;
    open + last
        .and_then(|last| place(LAST, last))
        .map_or(0, |at| at + 1)
}

/// Puts a letter behind what is in the stream; it stands there in the text.
pub(super) fn push(letter: char, origin: u32, end: u32, stream: &mut Stream) {
    let count = stream.symbols.len();
    let known = Some(stream.syllable).filter(|known| known.count == count && count > 0);
    let taken = known.is_some_and(|known| match letter >= '\u{314F}' {
        true => push_vowel(letter, known, end, stream),
        false => push_consonant(letter, known, origin, end, stream),
    });
    if !taken {
        stream.push(u32::from(letter), origin);
        stream.syllable = Syllable {
            count: count + 1,
            last: (letter < '\u{314F}').then_some((letter, origin, origin)),
            vowel: false,
        };
    }
}

/// Takes a vowel, if it goes on with the syllable or begins one with the consonant before it.
fn push_vowel(letter: char, known: Syllable, end: u32, stream: &mut Stream) -> bool {
    let count = known.count;
    let before = stream.symbols[count - 1] & SYMBOL;
    let open = |count| Syllable {
        count,
        last: None,
        vowel: true,
    };
    let Some((consonant, start, end_before)) = known.last else {
        // A second vowel of one.
        let vowel = known.vowel.then(|| vowel_of(before)).flatten();
        let Some(both) = vowel.and_then(|vowel| double(vowel, letter)) else {
            return false;
        };
        let first = FIRST.chars().nth(((before - 0xAC00) / 588) as usize);
        let Some(syllable) = first.and_then(|first| joined(first, both)) else {
            return false;
        };
        stream.symbols[count - 1] = syllable;
        stream.join(end);
        return true;
    };
    let Some(next) = joined(consonant, letter) else {
        return false;
    };
    if !known.vowel {
        stream.symbols[count - 1] = next;
        stream.join(end);
        stream.syllable = open(count);
        return true;
    }
    // A consonant that ended the syllable begins the next one.
    let last = last_of(before).filter(|last| *last != consonant);
    let left = doubles().find(|[_, _, both]| Some(*both) == last);
    stream.symbols[count - 1] = ended(before, left.map(|[first, ..]| first));
    stream.join_to(end_before);
    stream.push(next, start);
    stream.join(end);
    stream.syllable = open(count + 1);
    true
}

/// Takes a consonant, if it ends the syllable.
fn push_consonant(
    letter: char,
    known: Syllable,
    origin: u32,
    end: u32,
    stream: &mut Stream,
) -> bool {
    let before = stream.symbols[known.count - 1] & SYMBOL;
    let last = match known.last {
        _ if !known.vowel => None,
        None => place(LAST, letter).map(|_| letter),
        // The first of two, as it was typed.
        Some((first, ..)) if last_of(before) == Some(first) => double(first, letter),
        Some(_) => None,
    };
    if last.is_none() {
        return false;
    }
    let end_before = stream.last_end();
    stream.symbols[known.count - 1] = ended(before, last);
    stream.join(end);
    stream.syllable = Syllable {
        last: Some((letter, origin, end_before)),
        ..known
    };
    true
}
