//! Whether what was found out about a file can be true.

use super::form::WordFormat;
use super::word::Word;

/// Refuses words that look like anything but words: what was found out is wrong then, and a list of
/// them would block nothing, or everything.
///
/// Errors: one sentence that shows such a word and the way out.
pub(super) fn refuse(words: &[Word], format: WordFormat) -> Result<(), String> {
    let odd: Vec<&Word> = words.iter().filter(|word| is_odd(&word.text)).collect();
    // One or two may stand in any list.
    if odd.len() * 5 <= words.len() {
        return Ok(());
    }
    let format = format!("{format:?}").to_lowercase();
    Err(format!(
        "read as {format} it holds what looks like no words, such as `{}`; say how it is written \
         with --format, and how it is encoded with --encoding",
        odd[0].text
    ))
}

fn is_odd(word: &str) -> bool {
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fffd}');
    let is_program = |c: char| "{}[]<>\"=;".contains(c);
    let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) && word.len() < 4;
    word.contains(is_private) || word.matches(is_program).count() > 1 || is_number
}
