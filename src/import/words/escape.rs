//! Characters that program text writes as numbers: `\\u8d4c`, `\\x41`, `\\u{1f595}`.

use std::iter::Peekable;
use std::str::Chars;

/// The text with every `\\uXXXX` as its character; `None` if it has none.
pub(super) fn written_out(text: &str) -> Option<String> {
    if !text.contains("\\u") {
        return None;
    }
    let mut out = String::new();
    let mut characters = text.chars().peekable();
    let mut found = false;
    while let Some(next) = characters.next() {
        let of_number = (next == '\\' && characters.peek() == Some(&'u'))
            .then(|| {
                let mut ahead = characters.clone();
                ahead.next();
                let character = number(&mut ahead, 'u')?;
                characters = ahead;
                Some(character)
            })
            .flatten();
        found |= of_number.is_some();
        out.push(of_number.unwrap_or(next));
    }
    found.then_some(out)
}

/// What stands for the characters behind a `\\` in program text.
pub(super) fn escaped(characters: &mut Peekable<Chars<'_>>) -> String {
    let Some(next) = characters.next() else {
        return String::new();
    };
    let mut ahead = characters.clone();
    match next {
        'n' | 'r' => "\n".to_owned(),
        't' => "\t".to_owned(),
        'u' | 'U' | 'x' => match number(&mut ahead, next) {
            Some(character) => {
                *characters = ahead;
                character.to_string()
            }
            None => next.to_string(),
        },
        // The end of a word, in a pattern.
        'b' => "\\b".to_owned(),
        next => next.to_string(),
    }
}

/// The character of the digits behind `\\u`, `\\U` or `\\x`; two of them where the first is half.
fn number(characters: &mut Peekable<Chars<'_>>, kind: char) -> Option<char> {
    let first = digits(characters, kind)?;
    let is_high = (0xd800..0xdc00).contains(&first);
    if !is_high {
        return char::from_u32(first);
    }
    let (slash, next) = (characters.next()?, characters.next()?);
    let second = digits(characters, next).filter(|_| slash == '\\' && next == 'u')?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)
}

fn digits(characters: &mut Peekable<Chars<'_>>, kind: char) -> Option<u32> {
    let count = match kind {
        'x' => 2,
        'U' => 8,
        _ => 4,
    };
    let digits: String = match characters.next_if_eq(&'{') {
        Some(_) => characters
            .by_ref()
            .take_while(|c| *c != '}')
            .take(8)
            .collect(),
        None => characters.by_ref().take(count).collect(),
    };
    let is_whole = digits.len() == count || kind == 'u' && digits.len() < 7;
    u32::from_str_radix(&digits, 16).ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_characters() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(written_out(text).as_deref(), expected, "{text}");
        };
        check("\\u8d4c\\u535ax", Some("赌博x"));
        check("\\ud83d\\udd95!", Some("🖕!"));
        check("\\u{1f595}", Some("🖕"));
        check("\\ud83dx", None);
        check("c:\\users", None);
        check("plain", None);
        let escaped = |text: &str| escaped(&mut text.chars().peekable());
        assert_eq!(escaped("xe9"), "é");
        assert_eq!(escaped("'"), "'");
        assert_eq!(escaped("bx"), "\\b");
        assert_eq!(escaped(""), "");
    }
}
