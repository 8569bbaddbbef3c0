//! Program text: the strings in it are the words.

use super::word::Words;

/// Takes every string between quotes, in the order of the file.
///
/// `\` makes the next character one of the string; comments (`//`, `#`, `/* */`) are passed over.
pub(super) fn read(text: &str, words: &mut Words) {
    for (line, string) in strings(text) {
        words.add(line, &string, &[]);
    }
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
    (begins || assigns || is_list) && strings(text).len() > 1
}

/// The strings with their lines, from 1.
fn strings(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut line = 1;
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
                            found.push((start, std::mem::take(&mut string)));
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
            _ => {}
        }
        before = character;
    }
    found
}

/// Up to the end of the line, which stays.
fn skip_line(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while characters.next_if(|next| *next != '\n').is_some() {}
}
