//! Text that right-to-left overrides turn round.

use callgate::filter::SkipClasses;

use super::character::noise;

/// The parts of a text that are shown from right to left, as ranges of characters: an override
/// and what stands behind it, up to the mark that closes it, the end of the line, or the end of
/// the text. One inside another is part of it.
pub fn turned(text: &str) -> Vec<[usize; 2]> {
    let chars: Vec<char> = text.chars().collect();
    let mut turned = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let closing = match chars[at] {
            '\u{202E}' => '\u{202C}',
            '\u{2067}' => '\u{2069}',
            _ => {
                at += 1;
                continue;
            }
        };
        let start = at;
        let mut depth = 0;
        while at < chars.len() && noise(chars[at]) != Some(SkipClasses::NEWLINE) {
            depth += i32::from(chars[at] == chars[start]) - i32::from(chars[at] == closing);
            if depth == 0 {
                break;
            }
            at += 1;
        }
        turned.push([start, at]);
    }
    turned
}
