//! SQL: of the rows that `INSERT` and `COPY` put into a table, the column of the words.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use super::form::WordImport;
use super::table::{self, Row};
use super::word::Words;

/// Whether a text puts rows into a table.
pub(super) fn is_sql(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    lines.any(|line| inserts(line) || copied(line).is_some())
}

fn inserts(line: &str) -> bool {
    let starts_so = ["insert into", "insert ignore into", "replace into"];
    starts_so.iter().any(|start| starts(line, start))
}

/// Takes the word of each row. Errors: rows of several texts; which is the word nobody knows.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    let mut tables: Vec<Table> = Vec::new();
    // The names of the tables.
    let mut filled: BTreeSet<String> = BTreeSet::new();
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.trim_start();
        line += breaks(&rest[..rest.len() - start.len()]);
        let (taken, names, rows) = if inserts(start) {
            let words = start.split(|c: char| c == '(' || c.is_whitespace());
            let mut words = words.skip_while(|word| !word.eq_ignore_ascii_case("into"));
            filled.extend(words.nth(1).map(str::to_owned));
            inserted(start, line)
        } else if let Some(names) = copied(start.lines().next().unwrap_or_default()) {
            let (taken, rows) = rows_of_copy(start, line);
            (taken, names, rows)
        } else {
            (statement(start), Vec::new(), Vec::new())
        };
        line += breaks(&start[..taken]);
        rest = &start[taken..];
        match tables.iter_mut().find(|table| table.names == names) {
            Some(table) => table.rows.extend(rows),
            None => tables.push(Table { names, rows }),
        }
    }
    if filled.len() > 1 {
        let names: Vec<String> = filled.into_iter().collect();
        return Err(format!(
            "it fills several tables, {}; keep the one with the words",
            names.join(", ")
        ));
    }
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        let names: Vec<&str> = table.names.iter().map(String::as_str).collect();
        // Without names the first row is none either.
        let blank = vec![""; table.rows[0].1.len()];
        let names = if names.is_empty() { &blank } else { &names };
        let first = table.rows[0].0;
        table::take(&table.rows, Some(names), import, words)
            .map_err(|why| format!("line {first}: {why}"))?;
    }
    Ok(())
}

/// Rows of the same columns.
struct Table {
    names: Vec<String>,
    rows: Vec<Row>,
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

fn starts(line: &str, with: &str) -> bool {
    let start = line.get(..with.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// The bytes of a statement, or of a comment in one line.
fn statement(text: &str) -> usize {
    if text.starts_with("--") || text.starts_with('#') {
        return text.find('\n').unwrap_or(text.len());
    }
    let mut reading = Reading::new(text);
    while let Some(token) = reading.token() {
        if token == Token::Sign(';') {
            break;
        }
    }
    reading.taken
}

/// The columns of `COPY words (id, word) FROM stdin;`.
fn copied(line: &str) -> Option<Vec<String>> {
    let is_copy = starts(line, "copy ") && line.trim_end().to_lowercase().ends_with("from stdin;");
    is_copy.then(|| {
        let names = line
            .split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'));
        let names = names.map_or("", |(names, _)| names);
        let names = names.split(',').map(|name| name.trim().trim_matches('"'));
        names
            .map(str::to_owned)
            .filter(|name| !name.is_empty())
            .collect()
    })
}

/// The lines behind `COPY` up to `\.`, with tabs between the cells.
fn rows_of_copy(text: &str, line: u32) -> (usize, Vec<Row>) {
    let mut taken = text.find('\n').map_or(text.len(), |at| at + 1);
    let mut rows = Vec::new();
    for (line, row) in (line + 1..).zip(text[taken..].split_inclusive('\n')) {
        taken += row.len();
        if row.trim_end() == "\\." {
            break;
        }
        let cells = row.trim_end_matches('\n').split('\t');
        let cells = cells.map(|cell| if cell == "\\N" { "" } else { cell });
        rows.push((line, cells.map(str::to_owned).collect()));
    }
    (taken, rows)
}

/// The rows of `INSERT INTO words (id, word) VALUES (1, 'one'), …;`, or of `SELECT 'one' UNION …`.
fn inserted(text: &str, first: u32) -> (usize, Vec<String>, Vec<Row>) {
    let mut reading = Reading::new(text);
    let (mut names, mut rows): (Vec<String>, Vec<Row>) = (Vec::new(), Vec::new());
    let mut row: Option<Row> = None;
    let mut has_values = false;
    while let Some(token) = reading.token() {
        let line = first + reading.line;
        match token {
            Token::Name(name) if starts(&name, "values") && row.is_none() => has_values = true,
            Token::Name(name) if starts(&name, "select") => row = Some((line, vec![])),
            Token::Name(name) if starts(&name, "union") => rows.extend(row.take()),
            // `N'text'` and `E'text'` are texts.
            Token::Name(name) if name.len() == 1 && reading.at('\'') => {}
            Token::Name(text) | Token::Text(text) => {
                let is_null = text.eq_ignore_ascii_case("null");
                let text = if is_null { String::new() } else { text };
                row.iter_mut()
                    .for_each(|(_, cells)| cells.push(text.clone()));
            }
            Token::Sign('(') if row.is_none() => row = Some((line, vec![])),
            Token::Sign(')') => match row.take() {
                Some((_, cells)) if !has_values => names = cells,
                found => rows.extend(found),
            },
            Token::Sign(';') => break,
            Token::Sign(_) => {}
        }
    }
    rows.extend(row);
    (reading.taken, names, rows)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Without its quotes.
    Text(String),
    /// A name in backticks or double quotes, a number or a word of SQL.
    Name(String),
    Sign(char),
}

struct Reading<'a> {
    rest: Peekable<Chars<'a>>,
    /// Bytes that were read.
    taken: usize,
    /// Line breaks that were read.
    line: u32,
}

impl Reading<'_> {
    fn new(text: &str) -> Reading<'_> {
        Reading {
            rest: text.chars().peekable(),
            taken: 0,
            line: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.taken += next.len_utf8();
        self.line += u32::from(next == '\n');
        Some(next)
    }

    /// The next character is this one.
    fn at(&mut self, wanted: char) -> bool {
        self.rest.peek() == Some(&wanted)
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            let next = self.next()?;
            let is_name = |c: &char| c.is_alphanumeric() || "_.-".contains(*c);
            match next {
                '-' if self.at('-') => while self.next().is_some_and(|next| next != '\n') {},
                '/' if self.at('*') => {
                    let mut last = ' ';
                    while let Some(next) = self.next()
                        && (last, next) != ('*', '/')
                    {
                        last = next;
                    }
                }
                '\'' => return Some(Token::Text(self.quoted('\''))),
                '"' | '`' => return Some(Token::Name(self.quoted(next))),
                next if is_name(&next) => {
                    let mut name = next.to_string();
                    while self.rest.peek().is_some_and(is_name) {
                        name.extend(self.next());
                    }
                    return Some(Token::Name(name));
                }
                next if next.is_whitespace() => {}
                next => return Some(Token::Sign(next)),
            }
        }
    }

    /// Up to the quote that ends it; two are one.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while let Some(next) = self.next() {
            match next {
                '\\' if quote == '\'' => text.extend(self.next()),
                next if next != quote => text.push(next),
                _ if self.at(quote) => text.extend(self.next()),
                _ => break,
            }
        }
        text
    }
}
