//! SQL: the strings of `INSERT` are the words.

use super::word::Words;

/// Whether a text puts rows into a table.
pub(super) fn is_sql(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    lines.any(|line| {
        let start = line.get(.."insert into".len());
        start.is_some_and(|start| start.eq_ignore_ascii_case("insert into"))
    })
}

/// Takes the string of each row. Errors: rows of several strings; which is the word nobody knows.
pub(super) fn read(text: &str, words: &mut Words) -> Result<(), String> {
    let mut line = 1;
    let mut row: Vec<(u32, String)> = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => line += 1,
            '\'' => {
                let start = line;
                let mut string = String::new();
                while let Some(next) = characters.next() {
                    match next {
                        // Two quotes are one.
                        '\'' if characters.next_if_eq(&'\'').is_none() => break,
                        '\\' => string.extend(characters.next()),
                        next => string.push(next),
                    }
                    line += u32::from(next == '\n');
                }
                row.push((start, string));
            }
            ')' => match &row[..] {
                [] => {}
                [(line, word)] => {
                    words.add(*line, word, &[]);
                    row.clear();
                }
                [(line, _), ..] => {
                    return Err(format!(
                        "line {line}: this row has several texts, and which is the word cannot be \
                         told; export that column alone, or the table as CSV, and give \
                         --word-column"
                    ));
                }
            },
            _ => {}
        }
    }
    Ok(())
}
