//! Whether what was found out about a file can be true.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::decode;
use super::form::WordFormat;
use super::word::Word;

/// Blanks of a single entry from which it is a whole list in one line.
const BLANKS_MAX: usize = 4;

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
    if let [word] = words
        && word.text.matches([' ', '\u{3000}']).count() > BLANKS_MAX
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

fn is_odd(word: &str) -> bool {
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
