//! Program text: the strings in it are the words.

use super::lines;
use super::word::{Reason, Words};

/// Takes every string between quotes, and every regular expression that is a word, in the order of
/// the file.
///
/// `\` makes the next character one of the string; comments (`//`, `#`, `/* */`) are passed over.
pub(super) fn read(text: &str, words: &mut Words) {
    for (line, word) in bare_words(text) {
        words.add(line, word, &[]);
    }
    for (line, piece) in chosen(pieces(text)) {
        match piece {
            Piece::String(string, place) if place.is_parted => {
                for word in string
                    .split([' ', ',', '\n'])
                    .filter(|word| !word.is_empty())
                {
                    words.add(line, word, &[]);
                }
            }
            Piece::String(string, _) => words.add(line, &string, &[]),
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
    String(String, Place),
    /// `/word/i`
    Regex(String),
}

/// What stands beside a string.
#[derive(Clone, Default)]
struct Place {
    /// `"word": …`, with what is not a list behind it.
    is_key: bool,
    /// `"name": [`
    names_list: bool,
    /// `name: "…"`
    label: Option<String>,
    /// `require("…")`, `from "…"`
    is_import: bool,
    /// `"one two".split()`
    is_parted: bool,
}

/// The pieces that are words: of tables the keys, of records the field that holds the word.
fn chosen(pieces: Vec<(u32, Piece)>) -> Vec<(u32, Piece)> {
    let place = |piece: &Piece| match piece {
        Piece::String(_, place) => place.clone(),
        Piece::Regex(_) => Place::default(),
    };
    let places: Vec<Place> = pieces.iter().map(|(_, piece)| place(piece)).collect();
    let is_table = places.iter().filter(|place| place.is_key).count() > 1;
    let is_word = |place: &Place| {
        let label = place.label.as_deref();
        label.is_some_and(|label| LABELS.contains(&label.to_lowercase().as_str()))
    };
    let has_records = places.iter().any(is_word);
    let mut kept = Vec::new();
    for (nth, found) in pieces.into_iter().enumerate() {
        let place = &places[nth];
        let is_value = nth > 0 && places[nth - 1].is_key && !place.is_key;
        let is_another = has_records && !is_word(place);
        let is_beside = place.is_import || place.names_list || (is_table && is_value);
        if !is_beside && !is_another {
            kept.push(found);
        }
    }
    kept
}

/// The words of `%w[one two]`, `qw(one two)` and `~w(one two)`, with their lines.
fn bare_words(text: &str) -> Vec<(u32, &str)> {
    let mut found = Vec::new();
    for sign in ["%w", "qw", "~w"] {
        for (at, _) in text.match_indices(sign) {
            let mut rest = text[at + sign.len()..].chars();
            let close = match rest.next() {
                Some('(') => ')',
                Some('[') => ']',
                Some('{') => '}',
                Some('/') => '/',
                _ => continue,
            };
            let start = at + sign.len() + 1;
            let body = text[start..].split(close).next().unwrap_or_default();
            let line = 1 + text[..start].matches('\n').count() as u32;
            for (line, row) in (line..).zip(body.split('\n')) {
                found.extend(row.split_whitespace().map(|word| (line, word)));
            }
        }
    }
    found
}

/// Fields of records that hold the word.
const LABELS: [&str; 8] = [
    "word", "keyword", "text", "term", "phrase", "match", "value", "name",
];

/// A text without the comments at its start.
fn without_head(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = match rest {
            _ if rest.starts_with("\"\"\"") => rest[3..].split_once("\"\"\"").map(|parts| parts.1),
            _ if rest.starts_with("/*") => rest.split_once("*/").map(|parts| parts.1),
            _ if rest.starts_with("# ") || rest.starts_with("//") || rest.starts_with("#!") => {
                rest.split_once('\n').map(|parts| parts.1)
            }
            _ => None,
        };
        match behind {
            Some(behind) => rest = behind.trim_start(),
            None => return rest,
        }
    }
}

/// Whether a text is program text with a list in it.
pub(super) fn is_code(text: &str) -> bool {
    const STARTS: [&str; 24] = [
        "package ",
        "using ",
        "namespace ",
        "pub ",
        "#include",
        "local ",
        "final ",
        "val ",
        "my ",
        "List<",
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
    let start = without_head(text);
    if !bare_words(start).is_empty() && start.contains(['=', '@']) {
        return true;
    }
    let arrow = start.split_once("<-").filter(|(name, _)| name.len() < 40);
    let assigns = arrow
        .or_else(|| start.split_once('='))
        .is_some_and(|(name, list)| {
            let is_name = |c: char| c.is_alphanumeric() || "_$@.: []<>".contains(c);
            let opens = list.trim_start_matches([':', '=']).trim_start();
            let opens = opens.trim_start_matches("new ").trim_start_matches('&');
            let is_string = opens.starts_with(['"', '\'']) && list.contains(".split(");
            let opens =
                opens.trim_start_matches(|c: char| c.is_alphanumeric() || "_.<>".contains(c));
            if is_string {
                return true;
            }
            name.trim().chars().all(is_name) && opens.starts_with(['[', '{', '(', '%'])
        });
    let is_list =
        start.starts_with(['[', '{', '(']) && text.trim_end().ends_with([']', '}', ')', ';']);
    let begins = STARTS.iter().any(|word| start.starts_with(word));
    let strings = pieces(text);
    let is_parted = |piece: &Piece| matches!(piece, Piece::String(_, place) if place.is_parted);
    (begins || assigns || is_list)
        && (strings.len() > 1 || strings.iter().any(|(_, piece)| is_parted(piece)))
}

/// The strings and regular expressions with their lines, from 1.
fn pieces(text: &str) -> Vec<(u32, Piece)> {
    let mut found = Vec::new();
    let mut line = 1;
    // The last character that is no blank.
    let mut last_sign = '\n';
    let mut characters = text.chars().peekable();
    let mut before = '\n';
    // What stands in this line outside of strings.
    let mut outside = String::new();
    while let Some(character) = characters.next() {
        outside.push(character);
        match character {
            '\n' => {
                line += 1;
                outside.clear();
            }
            // A text that describes the file.
            '"' if outside.trim() == "\"" && characters.clone().take(2).eq("\"\"".chars()) => {
                let (mut quotes, mut rest) = (0, characters.by_ref().skip(2));
                while quotes < 3
                    && let Some(next) = rest.next()
                {
                    line += u32::from(next == '\n');
                    quotes = if next == '"' { quotes + 1 } else { 0 };
                }
                outside.clear();
            }
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
                            let mut place = place_before(&outside);
                            see_behind(characters.clone(), &mut place);
                            let string = std::mem::take(&mut string);
                            // `"""` opens no list of empty strings.
                            if !string.is_empty() && string != "use strict" {
                                found.push((start, Piece::String(string, place)));
                            }
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

/// What the line before a string says about it; its last character is the quote.
fn place_before(outside: &str) -> Place {
    let before = outside.trim_end_matches(['"', '\'', '`']).trim_end();
    let label = before.strip_suffix(':').map(|name| {
        let start = name.rfind(|c: char| !(c.is_alphanumeric() || c == '_'));
        name[start.map_or(0, |at| at + 1)..].to_owned()
    });
    let line = before.trim_start();
    Place {
        label: label.filter(|label| !label.is_empty()),
        is_import: before.ends_with("require(")
            || before.ends_with(" from")
            || line.starts_with("from ")
            || line == "import"
            || line == "use",
        ..Place::default()
    }
}

/// What stands behind a string.
fn see_behind(mut rest: std::iter::Peekable<std::str::Chars<'_>>, place: &mut Place) {
    let skip = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        while rest.next_if(|c| c.is_whitespace() && *c != '\n').is_some() {}
    };
    skip(&mut rest);
    match rest.next() {
        Some(':') => {}
        Some('=') if rest.next_if_eq(&'>').is_some() => {}
        Some('.') => {
            place.is_parted = rest.take(5).collect::<String>() == "split";
            return;
        }
        _ => return,
    }
    skip(&mut rest);
    place.names_list = matches!(rest.peek(), Some('[' | '(' | '{'));
    place.is_key = !place.names_list;
}

/// Up to the end of the line, which stays.
fn skip_line(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while characters.next_if(|next| *next != '\n').is_some() {}
}
