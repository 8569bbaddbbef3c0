//! Columns: CSV with commas, semicolons or tabs, with a header or without.

use csv::{ReaderBuilder, Trim};

use super::columns::{self, Columns};
use super::form::WordImport;
use super::lines::is_comment;
use super::word::{Reason, Words, no_word};

/// A row with the line it begins in.
pub(super) type Row = (u32, Vec<String>);

/// Reads a table. Errors: a column that does not exist, or that must be named.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    let (sign, body) = excel_sign(text);
    let delimiter = import.delimiter.or(sign);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or_else(|| delimiter_of(body)))
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(body.as_bytes());
    let skipped = u64::from(body.len() < text.len());
    let mut rows: Vec<Row> = Vec::new();
    for record in reader.records() {
        // Text in memory can neither fail to be read nor be no UTF-8.
        let record = record.map_err(|error| format!("this is no CSV: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line) + skipped;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        match cells.first().is_some_and(|cell| is_comment(cell)) {
            true => words.drop(line, &cells[0], Reason::Comment),
            false if cells.iter().all(String::is_empty) => {}
            false => rows.push((line, cells)),
        }
    }
    take(&rows, None, import, words)
}

/// Reads lines with tabs, in which quotes mean nothing.
///
/// Errors: a column that must be named.
pub(super) fn read_tabs(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    let mut rows: Vec<Row> = Vec::new();
    for (line, row) in (1..).zip(text.lines()) {
        if is_comment(row.trim()) {
            words.drop(line, row, Reason::Comment);
        } else if !row.trim().is_empty() {
            let cells = row.split('\t').map(|cell| cell.trim().to_owned());
            rows.push((line, cells.collect()));
        }
    }
    take(&rows, None, import, words).map_err(|why| {
        format!("{why}; if the words stand first and their tags behind, say --format tags")
    })
}

/// Takes the column of the words, with the tags beside.
///
/// Errors: a column that does not exist, or that must be named.
pub(super) fn take(
    rows: &[Row],
    names: Option<&[&str]>,
    import: &WordImport,
    words: &mut Words,
) -> Result<(), String> {
    let cells: Vec<Vec<&str>> = rows
        .iter()
        .map(|(_, cells)| cells.iter().map(String::as_str).collect())
        .collect();
    let Columns {
        word,
        tags,
        has_header,
        is_guessed,
    } = columns::find(&cells, names, import)?;
    if let Some((line, header)) = rows.first().filter(|_| is_guessed) {
        words.drop(*line, &header.join(","), Reason::Header);
    }
    for ((line, _), cells) in rows.iter().zip(&cells).skip(usize::from(has_header)) {
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        match cell(word) {
            "" => {
                let reason = no_word("the column of the word is empty");
                words.drop(*line, &cells.join(","), reason);
            }
            found => words.add(*line, found, &[tags.map(cell).unwrap_or_default()]),
        }
    }
    Ok(())
}

/// `sep=;`, which spreadsheets write above a table, and the text behind it.
fn excel_sign(text: &str) -> (Option<u8>, &str) {
    let found = text
        .split_once('\n')
        .and_then(|(first, rest)| Some((first.trim().strip_prefix("sep=")?, rest)));
    match found.map(|(sign, rest)| (sign.as_bytes(), rest)) {
        Some(([sign], rest)) => (Some(*sign), rest),
        _ => (None, text),
    }
}

/// The sign that the first line has most of.
fn delimiter_of(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default();
    let count = |sign: u8| first.bytes().filter(|byte| *byte == sign).count();
    let signs = [b',', b';', b'\t'];
    let most = signs.into_iter().rev().max_by_key(|sign| count(*sign));
    most.unwrap_or(b',')
}

/// A text begins with the headers of its columns.
pub(super) fn heads(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    first.is_some_and(|line| has_header(&[line]))
}

/// The first line holds the header of words and that of tags.
pub(super) fn has_header(lines: &[&str]) -> bool {
    let first = lines.first().copied().unwrap_or_default();
    columns::is_header_line(first)
}

/// There are several lines, and every one has the same number of commas, without a blank behind.
pub(super) fn is_regular(lines: &[&str]) -> bool {
    let count = |line: &str| line.matches(',').count();
    let commas = lines.first().map_or(0, |line| count(line));
    let is_like_the_first = |line: &&str| count(line) == commas && !line.contains(", ");
    commas > 0 && lines.len() > 2 && lines.iter().all(is_like_the_first)
}

/// There are several lines, each of as many quoted fields, and more than one.
pub(super) fn is_quoted(lines: &[&str]) -> bool {
    let fields = |line: &str| ["\",\"", "\";\"", "\"\t\""].map(|sign| line.matches(sign).count());
    let is_whole = |line: &str| line.len() > 1 && line.starts_with('"') && line.ends_with('"');
    let first = lines.first().map_or([0; 3], |line| fields(line));
    let is_like_the_first = |line: &&str| is_whole(line) && fields(line) == first;
    lines.len() > 1 && first != [0; 3] && lines.iter().all(is_like_the_first)
}
