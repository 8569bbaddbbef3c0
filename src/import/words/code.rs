//! Program text: the strings in it are the words.

use std::collections::BTreeMap;

use super::form::WordImport;
use super::lines;
use super::strings::{Piece, Place, pieces};
use super::table::{self, Row};
use super::word::{Reason, Words, no_word};

/// Takes every string between quotes, and every regular expression that is a word, in the order of
/// the file.
///
/// `\` makes the next character one of the string; comments (`//`, `#`, `/* */`) are passed over.
/// Errors: lists in a list, of which nobody knows which column holds the words.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    for (line, word) in bare_words(text) {
        words.add(line, word, &[]);
    }
    let Chosen { kept, outside } = chosen(pieces(text));
    for (line, string) in outside {
        words.drop(line, &string, no_word("it stands outside of the lists"));
    }
    if let Some(rows) = rows_of(&kept) {
        return table::take(&rows, None, import, words);
    }
    let is_alone = kept.len() == 1;
    for (line, piece) in kept {
        match piece {
            Piece::String(string, _) if is_alone && string.matches(',').count() > 1 => {
                let listed = string.split(',').filter(|word| !word.trim().is_empty());
                listed.for_each(|word| words.add(line, word, &[]));
            }
            Piece::String(string, place) if place.is_parted => {
                let signs: &[char] = match string.contains('\n') {
                    true => &['\n'],
                    false => &[' ', ','],
                };
                let rows = string.split(signs).filter(|word| !word.trim().is_empty());
                rows.for_each(|word| words.add(line, word, &[]));
            }
            Piece::String(string, _) => match lines::regex_literal(&string) {
                Some(Some(word)) if string.starts_with("\\b") => {
                    words.add_read_as(line, &string, &word);
                }
                _ => words.add(line, &string, &[]),
            },
            Piece::Regex(literal) => match lines::regex_literal(&literal) {
                Some(Some(word)) => words.add_read_as(line, &literal, &word),
                _ => words.drop(line, &literal, Reason::Pattern),
            },
        }
    }
    Ok(())
}

/// The strings as rows, if there are several lists of the same length in one: `[["a", "b"], …]`.
fn rows_of(pieces: &[(u32, Piece)]) -> Option<Vec<Row>> {
    let mut rows: Vec<(usize, Row)> = Vec::new();
    for (line, piece) in pieces {
        let Piece::String(string, place) = piece else {
            return None;
        };
        if place.label.is_some() || place.is_key || place.is_named || place.around == 0 {
            return None;
        }
        match rows.last_mut() {
            Some((around, (_, cells))) if *around == place.around => cells.push(string.clone()),
            _ => rows.push((place.around, (*line, vec![string.clone()]))),
        }
    }
    let width = rows.first().map_or(0, |(_, (_, cells))| cells.len());
    let is_table = rows.len() > 1 && width > 1;
    let all_alike = rows.iter().all(|(_, (_, cells))| cells.len() == width);
    (is_table && all_alike).then(|| rows.into_iter().map(|(_, row)| row).collect())
}

/// A line that is one string, with a comma behind it or not.
pub(super) fn is_quoted(line: &str) -> bool {
    let line = line.trim().trim_end_matches([',', ';']);
    let quote = line.chars().next().filter(|c| "\"'`".contains(*c));
    quote.is_some_and(|quote| line.len() > 1 && line.ends_with(quote))
}

/// The pieces that are words, and the texts that stand outside of the lists, with their lines.
struct Chosen {
    kept: Vec<(u32, Piece)>,
    outside: Vec<(u32, String)>,
}

/// Chooses of tables the keys, of records the field that holds the word.
fn chosen(pieces: Vec<(u32, Piece)>) -> Chosen {
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
    let records = places.iter().filter(|place| is_word(place)).count();
    let alone = places.iter().filter(|place| place.label.is_none()).count();
    // A list may have a name and a version beside it.
    let has_records = records > 0 && records >= alone;
    let left = left_out(&places);
    let (mut kept, mut outside) = (Vec::new(), Vec::new());
    for (nth, found) in pieces.into_iter().enumerate() {
        let place = &places[nth];
        let is_value = nth > 0 && places[nth - 1].is_key && !place.is_key;
        let is_another = has_records && !is_word(place);
        let is_beside = place.is_import || place.names_list || (is_table && is_value);
        match found {
            (line, Piece::String(string, _)) if left[nth] && !has_records => {
                outside.push((line, string));
            }
            _ if is_beside || is_another => {}
            found => kept.push(found),
        }
    }
    Chosen { kept, outside }
}

/// Where a list stands, the texts outside of it: versions, names, what is printed.
fn left_out(places: &[Place]) -> Vec<bool> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for place in places {
        *counts.entry(place.around).or_default() += 1;
    }
    let is_listed = |place: &Place| place.around > 0 && counts[&place.around] > 1;
    let has_list = places
        .iter()
        .any(|place| is_listed(place) && place.label.is_none());
    let is_outside = |place: &Place| {
        let is_only = counts[&place.around] == 1 || place.around == 0 || place.label.is_some();
        has_list && is_only && !place.is_item && !place.is_import && !place.names_list
    };
    places.iter().map(is_outside).collect()
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
            let is_name = |c: char| c.is_alphanumeric() || "_$@.: []<>()".contains(c);
            let opens = list.trim_start_matches([':', '=']).trim_start();
            let opens = opens.strip_prefix('@').unwrap_or(opens);
            let opens = opens.trim_start_matches("new ").trim_start_matches('&');
            let is_string = opens.starts_with(['"', '\'']) && list.contains(".split(");
            let opens =
                opens.trim_start_matches(|c: char| c.is_alphanumeric() || "_.<>".contains(c));
            if is_string {
                return true;
            }
            name.trim().chars().all(is_name) && opens.starts_with(['[', '{', '(', '%'])
        });
    let is_toml = start
        .lines()
        .any(|line| line.starts_with("[[") && line.trim_end().ends_with("]]"));
    let is_call = start.split_once('(').is_some_and(|(name, list)| {
        let is_name = |c: char| c.is_alphanumeric() || "_$.".contains(c);
        !name.is_empty() && name.chars().all(is_name) && list.trim_start().starts_with(['[', '{'])
    });
    let is_list =
        start.starts_with(['[', '{', '(']) && text.trim_end().ends_with([']', '}', ')', ';']);
    let begins = STARTS.iter().any(|word| start.starts_with(word));
    let strings = pieces(text);
    let is_parted = |piece: &Piece| matches!(piece, Piece::String(_, place) if place.is_parted);
    if start.starts_with("<?php") {
        return true;
    }
    let is_regex = |piece: &Piece| matches!(piece, Piece::Regex(_));
    if begins && strings.iter().any(|(_, piece)| is_regex(piece)) {
        return true;
    }
    (begins || assigns || is_list || is_toml || is_call)
        && (strings.len() > 1 || strings.iter().any(|(_, piece)| is_parted(piece)))
}
