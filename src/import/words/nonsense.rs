//! Whether what was found out about a file can be true.

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine};

use super::decode;
use super::form::WordFormat;
use super::unclear;
use super::word::Word;

/// Blanks of a single entry from which it is a whole list in one line.
const BLANKS_MAX: usize = 3;

/// Refuses words that look like anything but words: what was found out is wrong then, and a list of
/// them would block nothing, or everything.
///
/// Errors: one sentence that shows such a word and the way out.
pub(super) fn refuse(text: &str, words: &[Word], format: WordFormat) -> Result<(), String> {
    let read_as = format!("{format:?}").to_lowercase();
    if let Some(encoding) = decode::read_wrongly(text) {
        return Err(format!(
            "another program read this file in a wrong encoding before it was saved: it was {encoding}; \
             get the file as it was"
        ));
    }
    if let Some(why) = unclear::why(text, words, format) {
        return Err(why);
    }
    if let [word] = words
        && (word.text.matches([' ', '\u{3000}']).count() > BLANKS_MAX
            || word.text.split_whitespace().count() > 2 && unclear::is_without_blanks(&word.text))
    {
        return Err(
            "its one line may be a phrase or many words; say which with --format plain or \
             --format separated"
                .to_owned(),
        );
    }
    if words.len() > 2 && words.iter().all(|word| is_base64(&word.text)) {
        return Err("its words are in Base64; decode them first, as with `base64 -d`".to_owned());
    }
    if format == WordFormat::Tags && !text.contains('\t') && words.iter().all(has_word_as_tag) {
        return Err(
            "its lines end in a few words, which may be tags or the ends of phrases; say which with \
             --format tags or --format plain"
                .to_owned(),
        );
    }
    if let Some(sign) = sign_of_all(words) {
        return Err(format!(
            "read as {read_as} nearly all of its words have the same `{sign}` in the same place, such \
             as `{}`; say how it is written with --format",
            words[0].text
        ));
    }
    let coded = words.iter().filter(|word| is_utf7(&word.text)).count();
    let decodes = |word: &&Word| holds_utf7(&word.text);
    let decoded = words.iter().filter(decodes).count();
    if coded * 2 > words.len() || decoded > 1 || decoded * 5 > words.len() {
        return Err(
            "its words look like UTF-7, which is not read; save it as UTF-8, or say that they are \
             words with --format plain"
                .to_owned(),
        );
    }
    if text.starts_with("SQLite format") || are_of_another_encoding(words) {
        return Err(format!(
            "read as {read_as} its words are hardly of any language, such as `{}`; get the file as it \
             was, or name another --encoding",
            words.first().map_or("", |word| &word.text)
        ));
    }
    let odd: Vec<&Word> = words.iter().filter(|word| is_odd(&word.text)).collect();
    // One or two may stand in any list.
    if odd.len() * 5 <= words.len() {
        return Ok(());
    }
    Err(format!(
        "read as {read_as} it holds what looks like no words, such as `{}`; say how it is written \
         with --format, and how it is encoded with --encoding",
        odd[0].text
    ))
}

/// What would be its tag is a word itself.
fn has_word_as_tag(word: &Word) -> bool {
    let is_word = |tag: &String| tag.chars().count() > 1 || !tag.is_ascii();
    let is_plain = |tag: &String| tag.chars().all(char::is_alphabetic);
    matches!(&word.tags[..], [tag] if is_word(tag) && is_plain(tag))
}

/// A sign that nearly all words begin with, end in or hold, so that it belongs to the file and not
/// to them. In a file of one or two it parts them.
fn sign_of_all(words: &[Word]) -> Option<char> {
    let is_sign = |c: &char| {
        c.is_ascii_punctuation()
            || matches!(c, '\u{A1}'..='\u{BF}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}')
            || matches!(c, '\u{3001}'..='\u{303F}' | '・' | '\u{FF01}'..='\u{FF0F}')
            || matches!(c, '\u{FF1A}'..='\u{FF20}' | '｜')
    };
    let is_address = |text: &str| text.contains("://") || text.contains('@');
    let texts: Vec<&str> = words.iter().map(|word| &*word.text).collect();
    if texts.iter().any(|text| is_address(text)) {
        return None;
    }
    let first = |text: &str| {
        text.chars()
            .next()
            .filter(|c| is_sign(c) && !"*#@$.".contains(*c))
    };
    let last = |text: &str| {
        let sign = text.chars().next_back();
        sign.filter(|c| is_sign(c) && !"*!?.+".contains(*c))
    };
    let inner = |text: &str| {
        let inner: Vec<char> = text.chars().collect();
        let mut triples = inner.windows(3);
        let parts = triples.find(|three| {
            three[0].is_alphanumeric() && is_sign(&three[1]) && three[2].is_alphanumeric()
        });
        parts
            .map(|three| three[1])
            .filter(|c| !"-'’.*_&".contains(*c))
    };
    let most = |sign_of: &dyn Fn(&str) -> Option<char>| {
        let signs: Vec<char> = texts.iter().filter_map(|text| sign_of(text)).collect();
        let sign = *signs.first()?;
        let same = signs.iter().filter(|other| **other == sign).count();
        (texts.len() > 2 && same * 5 >= texts.len() * 4).then_some(sign)
    };
    if texts.len() <= 2 {
        let parts = |text: &str| inner(text).filter(|sign| text.matches(*sign).count() > 1);
        let signs: Option<Vec<char>> = texts.iter().map(|text| parts(text)).collect();
        return signs?.first().copied();
    }
    most(&first)
        .or_else(|| most(&last))
        .or_else(|| most(&inner))
}

/// `+jUxT2g-`, without the signs at its ends too.
fn is_utf7(word: &str) -> bool {
    let body = word.trim_start_matches('+').trim_end_matches('-');
    let is_sign = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let upper = body.contains(|c: char| c.is_ascii_uppercase());
    let mixed = upper && body.contains(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let coded = word.starts_with('+') || word.ends_with('-');
    coded && mixed && body.len() > 3 && body.chars().all(is_sign)
}

/// A part of it is a letter beyond ASCII as UTF-7 codes it: `+UqBfrk/h`, `Gl+APw-cksspiel`.
fn holds_utf7(word: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    word.match_indices('+').any(|(at, _)| {
        let rest = &word[at + 1..];
        let coded = &rest[..rest.find(|c| !is_sign(c)).unwrap_or(rest.len())];
        let ends = rest[coded.len()..].starts_with('-') || coded.len() == rest.len();
        let mixed = coded.contains(|c: char| c.is_ascii_uppercase());
        let decoded = BASE64_STANDARD_NO_PAD.decode(coded).ok();
        let units = decoded.filter(|bytes| bytes.len() > 1 && bytes.len() % 2 == 0);
        let text = units.and_then(|bytes| {
            let units = bytes
                .chunks(2)
                .map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
            char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .ok()
        });
        let is_text = |text: &str| text.chars().all(|c| !c.is_ascii() && c.is_alphanumeric());
        ends && mixed && text.is_some_and(|text| is_text(&text))
    })
}

fn is_han(c: char) -> bool {
    ('\u{3400}'..='\u{9FFF}').contains(&c)
}

/// Letters that are what a wrong encoding makes of others: accented ones alone, capitals behind
/// small letters, or Han characters of which hardly one is common.
fn are_of_another_encoding(words: &[Word]) -> bool {
    const WORDS_MIN: usize = 3;
    let most = |is: &dyn Fn(&str) -> bool| {
        let count = words.iter().filter(|word| is(&word.text)).count();
        words.len() >= WORDS_MIN && count * 2 > words.len()
    };
    let accented = |text: &str| {
        let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
        letters.len() > 2 && letters.iter().all(|c| ('\u{C0}'..='\u{FF}').contains(c))
    };
    let unsteady = |text: &str| {
        let pairs = text.chars().zip(text.chars().skip(1));
        let is_cyrillic = |c: char| ('\u{400}'..='\u{4FF}').contains(&c);
        let mut pairs = pairs.filter(|(one, other)| is_cyrillic(*one) && is_cyrillic(*other));
        pairs.any(|(one, other)| one.is_lowercase() && other.is_uppercase())
    };
    let rare = |text: &str| {
        let han: String = text.chars().filter(|c| is_han(*c)).collect();
        let share = |encoding: &'static encoding_rs::Encoding, common: [u8; 2]| {
            let (bytes, _, _) = encoding.encode(&han);
            let leads = bytes.chunks(2).filter(|pair| pair.len() == 2);
            let usual = leads.filter(|pair| (common[0]..=common[1]).contains(&pair[0]));
            usual.count() * 2
        };
        let count = han.chars().count();
        count > 1
            && share(encoding_rs::GBK, [0xb0, 0xd7]) < count
            && share(encoding_rs::BIG5, [0xa4, 0xc6]) < count
            && share(encoding_rs::SHIFT_JIS, [0x88, 0x97]) < count
    };
    most(&accented) || most(&unsteady) || most(&rare)
}

fn is_odd(word: &str) -> bool {
    let is_torn = word.contains(char::is_alphabetic)
        && word.matches(['(', '（']).count() != word.matches([')', '）']).count();
    let is_sentence = word.matches(' ').count() > 4 && (word.ends_with('.') || word.contains(". "));
    // What all kinds of masks of names on a chat of IRC end in.
    let is_host_mask = word.contains("!*@") || word.contains("@*");
    let is_titled = word.starts_with('【') && word.contains('】');
    if is_torn || is_sentence || is_host_mask || is_titled {
        return true;
    }
    let is_pattern = word.contains(['\\', '^'])
        || word.as_bytes().windows(3).any(|three| {
            three[0].is_ascii_alphabetic()
                && matches!(three[1], b'+' | b'?' | b'[')
                && three[2].is_ascii_alphanumeric()
        });
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_date = digits > 5 && word.contains([':', '-']) && word.contains(' ');
    if is_pattern || is_date {
        return true;
    }
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fffd}');
    let is_program = |c: char| "{}[]<>\"=;".contains(c);
    let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) && word.len() < 4;
    let is_lost = word.len() > 1 && word.chars().all(|c| c == '?');
    let is_letter = word.len() == 1;
    let is_odd_sign = word.contains(is_private) || word.matches(is_program).count() > 1;
    is_odd_sign || is_number || is_lost || is_letter
}

/// Base64 of a text. Few words of a language are, and never all of a list.
fn is_base64(word: &str) -> bool {
    let decoded = BASE64_STANDARD.decode(word).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    text.is_some_and(|text| !text.is_empty() && !text.chars().any(char::is_control))
}
