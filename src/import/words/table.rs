//! Columns: CSV with commas, semicolons or tabs, with a header or without.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::form::WordImport;
use super::word::{Reason, Words, no_word};

/// How columns of words are called.
const WORD_HEADERS: [&str; 16] = [
    "word",
    "words",
    "keyword",
    "keywords",
    "term",
    "text",
    "phrase",
    "entry",
    "value",
    "name",
    "content",
    "词",
    "词语",
    "敏感词",
    "关键词",
    "内容",
];
/// And columns of tags.
const TAG_HEADERS: [&str; 17] = [
    "class",
    "tag",
    "tags",
    "category",
    "categories",
    "type",
    "types",
    "kind",
    "group",
    "label",
    "labels",
    "level",
    "severity",
    "分类",
    "类别",
    "类型",
    "标签",
];

/// And columns of numbers, which say nothing of a word.
const NUMBER_HEADERS: [&str; 7] = ["id", "no", "nr", "index", "#", "编号", "序号"];

/// Which columns count, from 0.
struct Columns {
    word: usize,
    tags: Option<usize>,
    has_header: bool,
}

/// Reads a table. Errors: a column that does not exist.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    let delimiter = import.delimiter.unwrap_or_else(|| delimiter_of(text));
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut columns = None;
    for record in reader.records() {
        // Text in memory can neither fail to be read nor be no UTF-8.
        let record = record.map_err(|error| format!("this is no CSV: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let first = columns.is_none();
        let columns = match &columns {
            Some(columns) => columns,
            None => columns.insert(Columns::find(&record, import)?),
        };
        let field = |column: usize| record.get(column).unwrap_or_default();
        if first && columns.has_header {
            continue;
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        if field(columns.word).is_empty() {
            let told: Vec<&str> = record.iter().collect();
            let reason = no_word("the column of the word is empty");
            words.drop(line, &told.join(","), reason);
        } else if super::lines::is_comment(field(0)) {
            words.drop(line, field(0), Reason::Comment);
        } else {
            let tags = columns.tags.map(field).unwrap_or_default();
            words.add(line, field(columns.word), &[tags]);
        }
    }
    Ok(())
}

impl Columns {
    fn find(first: &StringRecord, import: &WordImport) -> Result<Columns, String> {
        let known = |names: &[&str]| {
            let mut fields = first.iter();
            fields.position(|field| names.contains(&field.to_lowercase().as_str()))
        };
        let named = |wanted: &Option<String>| -> Result<Option<(usize, bool)>, String> {
            let Some(wanted) = wanted else {
                return Ok(None);
            };
            let by_name = first
                .iter()
                .position(|field| field.eq_ignore_ascii_case(wanted));
            match (by_name, wanted.parse::<usize>()) {
                (Some(column), _) => Ok(Some((column, true))),
                (None, Ok(number)) if (1..=first.len()).contains(&number) => {
                    Ok(Some((number - 1, false)))
                }
                _ => {
                    let names: Vec<&str> = first.iter().collect();
                    Err(format!(
                        "there is no column `{wanted}`; the first line has `{}`",
                        names.join("`, `")
                    ))
                }
            }
        };
        let (word, tags) = (named(&import.word_column)?, named(&import.tags_column)?);
        let (word_header, tags_header) = (known(&WORD_HEADERS), known(&TAG_HEADERS));
        let is_named = |column: Option<(usize, bool)>| column.is_some_and(|(_, by_name)| by_name);
        let has_header = word_header.is_some() || is_named(word) || is_named(tags);
        let word = word.map(|(column, _)| column).or(word_header);
        // Numbers that stand first are the rows', not words.
        let is_number = |field: &str| field.bytes().all(|byte| byte.is_ascii_digit());
        let first_word = || first.iter().position(|field| !is_number(field));
        let word = word.or_else(first_word).unwrap_or(0);
        let tags = tags.map(|(column, _)| column);
        let tags = match tags.or(tags_header.filter(|_| has_header)) {
            None if !has_header && first.len() > word + 1 => Some(word + 1),
            found => found,
        };
        Ok(Columns {
            word,
            tags,
            has_header,
        })
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

/// A line that is nothing but the header of words.
pub(super) fn is_header(line: &str) -> bool {
    WORD_HEADERS.contains(&normal(line).as_str())
}

/// The first line holds the header of words and that of tags.
pub(super) fn has_header(lines: &[&str]) -> bool {
    let header = lines.first().copied().unwrap_or_default();
    let header: Vec<String> = header.split([',', ';', '\t']).map(normal).collect();
    let has = |names: &[&str]| header.iter().any(|field| names.contains(&field.as_str()));
    has(&WORD_HEADERS) && (has(&TAG_HEADERS) || has(&NUMBER_HEADERS))
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

fn normal(field: &str) -> String {
    field.trim().trim_matches('"').to_lowercase()
}
