//! Decorated letters, digits and characters, and the plain ones that they stand for.
//!
//! Most come from Unicode's compatibility mappings (NFKC). Those miss the negative and squared
//! letters, the regional indicators, the small capitals and some circled digits, and keep the
//! brackets and dots of `⑴` and `⒈`; the tables here make up for it.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::character;

/// The longest text that one character is unfolded to; `ﷺ` and the like stay as they are.
const UNFOLDED_CHARS_MAX: usize = 4;

/// Runs of decorated letters that NFKC leaves alone, each from `A` to `Z`.
const ALPHABETS: [char; 4] = ['\u{1F150}', '\u{1F170}', '\u{1F1E6}', '\u{1F130}'];

/// Runs of decorated numbers: the first character, its number, how many follow in all.
const NUMBERS: [(char, u32, u32); 8] = [
    ('❶', 1, 10),
    ('➀', 1, 10),
    ('➊', 1, 10),
    ('⓫', 11, 10),
    ('⓵', 1, 10),
    ('⓿', 0, 1),
    ('\u{1F10B}', 0, 1),
    ('\u{1F10C}', 0, 1),
];

/// Characters one by one, each with what it stands for, ascending.
const SINGLES: [(char, &str); 39] = [
    ('ȷ', "j"),
    ('ɑ', "a"),
    ('ɡ', "g"),
    ('ɢ', "g"),
    ('ɪ', "i"),
    ('ɴ', "n"),
    ('ʀ', "r"),
    ('ʏ', "y"),
    ('ʙ', "b"),
    ('ʜ', "h"),
    ('ʟ', "l"),
    ('ᴀ', "a"),
    ('ᴄ', "c"),
    ('ᴅ', "d"),
    ('ᴇ', "e"),
    ('ᴊ', "j"),
    ('ᴋ', "k"),
    ('ᴍ', "m"),
    ('ᴏ', "o"),
    ('ᴘ', "p"),
    ('ᴛ', "t"),
    ('ᴜ', "u"),
    ('ᴠ', "v"),
    ('ᴡ', "w"),
    ('ᴢ', "z"),
    ('ꜰ', "f"),
    ('ꜱ', "s"),
    ('ꞯ', "q"),
    ('🆎', "AB"),
    ('🆑', "CL"),
    ('🆒', "COOL"),
    ('🆓', "FREE"),
    ('🆔', "ID"),
    ('🆕', "NEW"),
    ('🆖', "NG"),
    ('🆗', "OK"),
    ('🆘', "SOS"),
    ('🆙', "UP"),
    ('🆚', "VS"),
];

/// What a decorated character stands for; `None` when it is not decorated.
pub(crate) fn plain(c: char) -> Option<String> {
    if c.is_ascii() || matches!(c, '\u{3131}'..='\u{318E}') {
        // Hangul letters stand alone in chats (`ㅋㅋ`); NFKC would make parts of syllables of them.
        return None;
    }
    if let Ok(at) = SINGLES.binary_search_by_key(&c, |(decorated, _)| *decorated) {
        return Some(SINGLES[at].1.to_owned());
    }
    if let Some(digit) = character::digit(c) {
        return Some(digit.to_string());
    }
    letter(c).or_else(|| number(c)).or_else(|| compatible(c))
}

fn letter(c: char) -> Option<String> {
    ALPHABETS.iter().find_map(|first| {
        let nth = u32::from(c).checked_sub(u32::from(*first))?;
        let letter = b'A' + u8::try_from(nth).ok().filter(|nth| *nth < 26)?;
        Some(char::from(letter).to_string())
    })
}

fn number(c: char) -> Option<String> {
    NUMBERS.iter().find_map(|(first, number, count)| {
        let nth = u32::from(c).checked_sub(u32::from(*first))?;
        (nth < *count).then(|| (number + nth).to_string())
    })
}

fn compatible(c: char) -> Option<String> {
    if is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes {
        return None;
    }
    let mut mapped = std::iter::once(c).nfkc();
    let (first, second) = (mapped.next()?, mapped.next());
    if second.is_none() {
        return (first != c).then(|| first.to_string());
    }
    let bare: String = std::iter::once(c)
        .nfkc()
        .filter(|c| !matches!(c, '(' | ')' | '.' | ',' | '〔' | '〕'))
        .collect();
    let fits = (1..=UNFOLDED_CHARS_MAX).contains(&bare.chars().count());
    (fits && bare.chars().all(char::is_alphanumeric)).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(decorated: &str, expected: &str) {
        let text: String = decorated
            .chars()
            .map(|c| plain(c).unwrap_or_else(|| c.to_string()))
            .collect();
        assert_eq!(text, expected, "{decorated}");
    }

    #[test]
    fn table_is_ascending() {
        assert!(SINGLES.is_sorted_by_key(|(decorated, _)| *decorated));
    }

    #[test]
    fn decorated_letters_are_plain() {
        check("ⓑ𝐛🅱🅑⒝ᵇʙ🇧🄱ℬ", "bbBBbbbBBB");
        check("🅰🆉🇦🇿🅐🅩", "AZAZAZ");
    }

    #[test]
    fn decorated_numbers_are_plain() {
        check("①❶➀➊⓵⒈⑴¹₁𝟏١", "11111111111");
        check("⑩❿⓴⓿⒛", "101020020");
    }

    #[test]
    fn several_characters_in_one_are_unfolded() {
        check("㎏™㊣㍻㈠㏂ﬁ", "kgTM正平成一amfi");
    }

    #[test]
    fn what_is_no_decoration_stays() {
        check("ﷺ½…‼ㅋ한é赌", "ﷺ½…‼ㅋ한é赌");
    }
}
