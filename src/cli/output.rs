//! Printing to standard output, whose reader may go away at any time.

use std::io::{self, Write};

/// Prints one line. Errors: nobody reads any more, see [`is_closed`].
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// The reader had enough, as `head` has: no fault, and nothing to be said.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let found = error.downcast_ref::<io::Error>();
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A text from outside as it can be shown on a terminal: controls and turns of direction escaped.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let check = |text, shown| assert_eq!(plain(text), shown);
        check("plain 中文 😀", "plain 中文 😀");
        check("a\nb\x1b[2J", "a\\nb\\u{1b}[2J");
        check("a\u{202e}b", "a\\u{202e}b");
    }
}
