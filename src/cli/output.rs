//! Everything that a command prints, but for the log of a server.
//!
//! The reader may go away at any time, as `head` does: that ends a command, and is no fault. What
//! is printed holds names, words and messages of strangers, so nothing in it that a terminal obeys
//! is printed as it is.

use std::io::{self, IsTerminal, Write};

use crate::settings::Problem;
use crate::telemetry::is_obeyed;

/// Prints one line. Errors: nobody reads any more, see [`is_closed`].
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    page(&format!("{text}\n"))
}

/// Prints lines, each with its end. Errors: as for [`line()`].
pub(super) fn page(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().lock().write_all(harmless(text).as_bytes())?)
}

/// Prints what a program or a file takes, byte for byte; a terminal gets it like everything else.
pub(super) fn data(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// The same for what may be no text.
pub(super) fn bytes(content: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        drop(out);
        return page(&String::from_utf8_lossy(content));
    }
    Ok(out.write_all(content)?)
}

/// Says something beside the result: what is wrong, or how far a long order is. Whether anybody
/// reads it changes nothing.
pub(super) fn complain(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(harmless(&format!("{text}\n")).as_bytes());
}

/// Problems of files, one a line.
pub(super) fn problems<'a>(problems: impl IntoIterator<Item = &'a Problem>) {
    for problem in problems {
        complain(&plain(&problem.to_string()));
    }
}

/// The reader had enough, as `head` has: no fault, and nothing to be said.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let found = error.downcast_ref::<io::Error>();
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A text from outside as a part of a line: it begins no line of its own either.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_obeyed(character) || character == '\t' {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// As `\u001b`, which is the same character to a reader of JSON. Line ends and tabs stay.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match is_obeyed(character) && character != '\n' {
            // None of them needs two units of UTF-16.
            true => shown.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        let check = |text, shown, in_page| {
            assert_eq!(plain(text), shown);
            assert_eq!(harmless(text), in_page);
        };
        check("plain 中文 😀", "plain 中文 😀", "plain 中文 😀");
        check("a\nb\x1b[2J", "a\\nb\\u{1b}[2J", "a\nb\\u001b[2J");
        check("a\u{202e}b", "a\\u{202e}b", "a\\u202eb");
        check("a\tb\r", "a\\tb\\r", "a\tb\\u000d");
        check("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}", "\\u009b31m\\u007f");
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let value = serde_json::json!({ "a": "\u{1b}\u{202e}\u{9b}\u{7f}\u{feff}\n中" });
        let printed = harmless(&value.to_string());
        assert!(!printed.chars().any(is_obeyed));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&printed).unwrap(),
            value
        );
    }
}
