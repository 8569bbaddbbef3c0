//! Program text: the strings in it are the words.

use super::lines;
use super::word::{Reason, Words};

/// Takes every string between quotes, and every regular expression that is a word, in the order of
/// the file.
///
/// `\` makes the next character one of the string; comments (`//`, `#`, `/* */`) are passed over.
pub(super) fn read(text: &str, words: &mut Words) {
    for (line, piece) in pieces(text) {
        match piece {
            Piece::String(string) => words.add(line, &string, &[]),
            Piece::Regex(literal) => match lines::regex_literal(&literal) {
                Some(Some(word)) => words.add_read_as(line, &literal, &word),
                _ => words.drop(line, &literal, Reason::Pattern),
            },
        }
    }
}

/// A line that is one string, with a comma behind it or not.
pub(super) fn is_quoted(line: &str) -> bool {
    let line = line.trim().trim_end_matches([',', ';']);
    let quote = line.chars().next().filter(|c| "\"'`".contains(*c));
    quote.is_some_and(|quote| line.len() > 1 && line.ends_with(quote))
}

/// What may be a word in program text.
enum Piece {
    String(String),
    /// `/word/i`
    Regex(String),
}

/// Whether a text is program text with a list in it.
pub(super) fn is_code(text: &str) -> bool {
    const STARTS: [&str; 14] = [
        "module.exports",
        "export ",
        "exports.",
        "const ",
        "let ",
        "var ",
        "return ",
        "<?php",
        "import ",
        "from ",
        "static ",
        "public ",
        "\"use strict\"",
        "'use strict'",
    ];
    let start = text.trim_start();
    let assigns = start.split_once('=').is_some_and(|(name, list)| {
        let is_name = |c: char| c.is_alphanumeric() || "_$@.: []<>".contains(c);
        let opens = list.trim_start_matches([':', '=']).trim_start();
        let opens = opens.trim_start_matches("new ").trim_start_matches("array");
        name.trim().chars().all(is_name) && opens.starts_with(['[', '{', '(', '%'])
    });
    let is_list =
        start.starts_with(['[', '{', '(']) && text.trim_end().ends_with([']', '}', ')', ';']);
    let begins = STARTS.iter().any(|word| start.starts_with(word));
    (begins || assigns || is_list) && pieces(text).len() > 1
}

/// The strings and regular expressions with their lines, from 1.
fn pieces(text: &str) -> Vec<(u32, Piece)> {
    let mut found = Vec::new();
    let mut line = 1;
    // The last character that is no blank.
    let mut last_sign = '\n';
    let mut characters = text.chars().peekable();
    let mut before = '\n';
    while let Some(character) = characters.next() {
        match character {
            '\n' => line += 1,
            // `don't` opens no string.
            '"' | '\'' | '`' if !before.is_alphanumeric() => {
                let start = line;
                let mut string = String::new();
                while let Some(next) = characters.next() {
                    match next {
                        '\\' => string.extend(characters.next()),
                        '\n' => {
                            line += 1;
                            break;
                        }
                        next if next == character => {
                            found.push((start, Piece::String(std::mem::take(&mut string))));
                            break;
                        }
                        next => string.push(next),
                    }
                }
            }
            '#' => skip_line(&mut characters),
            '/' if characters.peek() == Some(&'/') => skip_line(&mut characters),
            '/' if characters.peek() == Some(&'*') => {
                let mut last = ' ';
                for next in characters.by_ref() {
                    line += u32::from(next == '\n');
                    if (last, next) == ('*', '/') {
                        break;
                    }
                    last = next;
                }
            }
            '/' if "[(,=:{".contains(last_sign) => {
                let mut rest = String::new();
                while let Some(next) = characters.next_if(|next| !",])}\n".contains(*next)) {
                    rest.push(next);
                }
                found.push((line, Piece::Regex(format!("/{}", rest.trim_end()))));
            }
            _ => {}
        }
        before = character;
        if !character.is_whitespace() {
            last_sign = character;
        }
    }
    found
}

/// Up to the end of the line, which stays.
fn skip_line(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while characters.next_if(|next| *next != '\n').is_some() {}
}
