//! The strings of program text, and what stands beside each.

use super::escape::escaped;

/// What may be a word in program text.
pub(super) enum Piece {
    String(String, Place),
    /// `/word/i`
    Regex(String),
}

/// What stands beside a string.
#[derive(Clone, Default)]
pub(super) struct Place {
    /// `"word": …`, with what is not a list behind it.
    pub is_key: bool,
    /// `"name": [`
    pub names_list: bool,
    /// `name: "…"`
    pub label: Option<String>,
    /// `require("…")`, `from "…"`
    pub is_import: bool,
    /// `"one two".split()`
    pub is_parted: bool,
    /// The bracket around it, by its number in the text; 0 is none.
    pub around: usize,
    /// That bracket is one of a list, `[`.
    pub is_item: bool,
    /// A name stands before that bracket: `en: [`, `words = [`.
    pub is_named: bool,
}

/// An open bracket.
struct Bracket {
    /// From 1, in the order of the text.
    number: usize,
    sign: char,
    /// `import (`
    is_import: bool,
    /// `words = [`, `en: [`
    is_named: bool,
}

/// The strings and regular expressions with their lines, from 1.
pub(super) fn pieces(text: &str) -> Vec<(u32, Piece)> {
    let mut found = Vec::new();
    let mut line = 1;
    // The last character that is no blank.
    let mut last_sign = '\n';
    let mut characters = text.chars().peekable();
    let mut before = '\n';
    // What stands in this line outside of strings.
    let mut outside = String::new();
    let mut before_that = '\n';
    let mut brackets: Vec<Bracket> = Vec::new();
    let mut count = 0;
    while let Some(character) = characters.next() {
        outside.push(character);
        match character {
            '\n' => {
                line += 1;
                outside.clear();
            }
            '(' | '[' | '{' => {
                count += 1;
                let is_import = outside.trim().trim_end_matches('(').trim() == "import";
                let before = outside[..outside.len() - character.len_utf8()].trim_end();
                brackets.push(Bracket {
                    number: count,
                    sign: character,
                    is_import,
                    is_named: before.ends_with([':', '=', '>']),
                });
            }
            ')' | ']' | '}' => drop(brackets.pop()),
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
            '"' | '\'' | '`' if opens_text(before_that, before) => {
                let start = line;
                let mut string = String::new();
                while let Some(next) = characters.next() {
                    match next {
                        '\\' => string.push_str(&escaped(&mut characters)),
                        '\n' => {
                            line += 1;
                            if character != '`' {
                                break;
                            }
                            string.push('\n');
                        }
                        next if next == character => {
                            let mut place = place_before(&outside);
                            see_behind(characters.clone(), &mut place);
                            if let Some(bracket) = brackets.last() {
                                place.around = bracket.number;
                                place.is_item = bracket.sign == '[';
                                place.is_import |= bracket.is_import;
                                place.is_named = bracket.is_named;
                            }
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
                // Quotes side by side say nothing about what follows.
                outside.pop();
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
            '/' if "[(,=:{".contains(last_sign) || is_returned(&outside) => {
                let mut rest = String::new();
                while let Some(next) = characters.next_if(|next| !",])}\n".contains(*next)) {
                    rest.push(next);
                }
                found.push((line, Piece::Regex(format!("/{}", rest.trim_end()))));
            }
            _ => {}
        }
        before_that = before;
        before = character;
        if !character.is_whitespace() {
            last_sign = character;
        }
    }
    found
}

/// A quote behind a letter opens none, as in `don't`, but behind `u` and the like that stand alone.
fn opens_text(before_that: char, before: char) -> bool {
    !before.is_alphanumeric() || "uUrRbBfFLN".contains(before) && !before_that.is_alphanumeric()
}

/// `export default /one|two/`
fn is_returned(outside: &str) -> bool {
    let before = outside.trim_end_matches('/').trim_end();
    before.ends_with("default") || before.ends_with("return")
}

/// What the line before a string says about it; its last character is the quote.
fn place_before(outside: &str) -> Place {
    let before = outside.trim_end_matches(['"', '\'', '`']).trim_end();
    // `==` compares.
    let label = before
        .strip_suffix([':', '='])
        .map(str::trim_end)
        .map(|name| {
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
        // `"one" => …` and `"one" = …`, but not `==`.
        Some('=') if rest.next_if_eq(&'=').is_none() => drop(rest.next_if_eq(&'>')),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_a_row_cost_no_more_than_their_number() {
        assert_eq!(pieces(&"'".repeat(400_001)).len(), 0);
    }
}
