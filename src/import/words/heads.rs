//! Lines of a list that are no words and no lines of their own: titles, rules, comments of many
//! lines and of every program, tables drawn with signs, lines that go on in the next.

use std::collections::BTreeSet;

use super::columns::is_header_of_words;
use super::lines::is_comment;

/// Opens tables, joins lines that go on and makes comments of what heads the words. Whether
/// anything changed.
pub(super) fn take_heads_off(lines: &mut [String]) -> bool {
    join_lines(lines)
        | open_table(lines)
        | open_columns(lines)
        | open_dictionary(lines)
        | comment_out_blocks(lines)
        | comment_out_heads(lines)
        | cut_comments(lines)
}

/// The numbers of the lines with words.
pub(super) fn of_words(lines: &[String]) -> Vec<usize> {
    let is_word = |line: &String| !line.is_empty() && !is_comment(line);
    (0..lines.len()).filter(|at| is_word(&lines[*at])).collect()
}

/// Appends lines to those that end in `\`.
fn join_lines(lines: &mut [String]) -> bool {
    let mut changed = false;
    for at in (1..lines.len()).rev() {
        if lines[at - 1].ends_with('\\') && lines[at - 1].len() > 1 {
            let next = std::mem::take(&mut lines[at]);
            lines[at - 1].pop();
            lines[at - 1].push_str(&next);
            changed = true;
        }
    }
    changed
}

/// Makes columns with tabs of a table of Markdown, `| one | two |`, with bars around or without.
fn open_table(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let is_rule = |line: &str| {
        line.contains(['-', '='])
            && line.contains('|')
            && line.chars().all(|c| "-:|=+ ".contains(c))
    };
    let is_row = |line: &str| line.len() > 2 && line.starts_with('|') && line.ends_with('|');
    let all = |is: &dyn Fn(&str) -> bool| words.iter().all(|at| is(&lines[*at]));
    let has_rule = words.iter().any(|at| is_rule(&lines[*at])) && all(&|line| line.contains('|'));
    if words.len() < 3 || !has_rule && !all(&is_row) {
        return false;
    }
    for at in words {
        let cells = lines[at].trim_matches('|').split('|').map(str::trim);
        let row = cells.collect::<Vec<_>>().join("\t");
        lines[at] = if is_rule(&lines[at]) {
            format!("# {row}")
        } else {
            row
        };
    }
    true
}

/// Makes columns with tabs of columns that blanks line up.
fn open_columns(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let has_gap = |at: &&usize| lines[**at].contains("  ") && !lines[**at].contains('\t');
    if words.len() < 2 || words.iter().filter(has_gap).count() * 10 < words.len() * 9 {
        return false;
    }
    for at in words {
        let cells = lines[at]
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        lines[at] = cells.collect::<Vec<_>>().join("\t");
    }
    true
}

/// `badger/S` below the number of the words, as spelling programs keep them.
fn open_dictionary(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let Some((first, rest)) = words.split_first() else {
        return false;
    };
    let bare = |at: &usize| -> Option<String> {
        let (word, flags) = lines[*at].split_once('/')?;
        let are_flags = !flags.is_empty()
            && flags
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b',');
        (are_flags && !word.is_empty()).then(|| word.to_owned())
    };
    let is_count = lines[*first].bytes().all(|c| c.is_ascii_digit());
    let found: Vec<(usize, String)> = rest
        .iter()
        .filter_map(|at| Some((*at, bare(at)?)))
        .collect();
    if !is_count || found.len() * 2 < rest.len() || rest.is_empty() {
        return false;
    }
    lines[*first].insert_str(0, "# ");
    for (at, word) in found {
        lines[at] = word;
    }
    true
}

/// Comments of several lines: `/* … */`, `<!-- … -->`.
fn comment_out_blocks(lines: &mut [String]) -> bool {
    let mut changed = false;
    for [open, close] in [
        ["/*", "*/"],
        ["<!--", "-->"],
        ["=begin", "=end"],
        ["#|", "|#"],
    ] {
        let mut at = 0;
        while at < lines.len() {
            let end = lines[at].starts_with(open).then(|| {
                let mut rest = lines[at..].iter();
                rest.position(|line| line.ends_with(close))
                    .map(|count| at + count)
            });
            match end.flatten() {
                Some(end) => {
                    for line in &mut lines[at..=end] {
                        line.insert_str(0, "# ");
                    }
                    changed = true;
                    at = end + 1;
                }
                None => at += 1,
            }
        }
    }
    changed
}

/// Makes comments of what heads a list: its first line if that is a comment elsewhere, or the
/// header of a column, lines of signs with a title between or above, and names in brackets.
fn comment_out_heads(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let mut heads: BTreeSet<usize> = BTreeSet::new();
    for at in &words {
        let line = &lines[*at];
        let mut chars = line.chars();
        let rule = chars.next().filter(|c| "=-~#`_.".contains(*c));
        let same = |c: char| Some(c) == rule;
        if rule.is_some() && line.len() > 2 && line.chars().all(same) {
            heads.insert(*at);
            // What is underlined is a title.
            if line.starts_with('=') && *at > 0 && words.contains(&(at - 1)) {
                heads.insert(at - 1);
            }
        } else if line.len() > 6 && line.starts_with("==") && line.ends_with("==")
            || line.starts_with('【') && line.ends_with('】')
        {
            heads.insert(*at);
        }
    }
    for sign in ["//", "--"] {
        let begin = |at: &&usize| lines[**at].starts_with(sign) && lines[**at].len() > sign.len();
        let found: Vec<usize> = words.iter().filter(begin).copied().collect();
        if found.len() * 3 <= words.len() * 2 {
            heads.extend(found);
        }
    }
    if let Some(first) = words.first().filter(|_| words.len() > 2) {
        let line = &lines[*first];
        let signs = ["%", "!", ";", "= ", "REM ", "' "];
        let sign = signs.iter().find(|sign| line.starts_with(**sign));
        let alone = |sign: &str| words[1..].iter().all(|at| !lines[*at].starts_with(sign));
        let hash = line.starts_with('#') && line.contains([' ', ':', '：']);
        if sign.is_some_and(|sign| line.len() > sign.len() && alone(sign))
            || hash && alone("#")
            || is_header_of_words(line)
        {
            heads.insert(*first);
        }
    }
    // A list of nothing but such lines is one of such words.
    if heads.is_empty() || heads.len() * 3 > words.len() * 2 {
        return false;
    }
    for at in heads {
        lines[at].insert_str(0, "# ");
    }
    true
}

/// Takes the comments off that stand behind some of the words.
fn cut_comments(lines: &mut [String]) -> bool {
    let mut changed = false;
    for at in of_words(lines) {
        let signs = [" # ", "\t# ", "\t#", " // ", "\t//"];
        let cut = signs.iter().filter_map(|sign| lines[at].find(sign)).min();
        if let Some(cut) = cut.filter(|cut| *cut > 0 && !lines[at].contains(['"', '\'', '='])) {
            lines[at].truncate(cut);
            changed = true;
        }
    }
    changed
}
