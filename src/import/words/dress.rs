//! Lines of a list without what stands around every word: numbers, marks of lists, quotes, the
//! ends of patterns, comments behind them.

use std::collections::BTreeSet;

use super::lines::is_comment;
use super::table::is_header;

/// One thing after another is taken off, so many at most.
const ROUNDS_MAX: usize = 4;

/// A way to take something off a line; `None` where it is not there.
type Step = fn(&str) -> Option<&str>;

const STEPS: [Step; 10] = [
    behind_break,
    of_pattern,
    before_comment,
    numbered,
    counted,
    bulleted,
    quoted,
    before_comma,
    labelled,
    of_ini,
];

/// The text without what nearly all of its lines have around their words; `None` if nothing was
/// taken off. Lines keep their numbers, and what only heads a list becomes a comment.
pub(super) fn undressed(text: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    let mut changed = open_table(&mut lines) | comment_out_heads(&mut lines);
    for _ in 0..ROUNDS_MAX {
        let round = STEPS.iter().any(|step| take_off(&mut lines, *step));
        let round = round || take_column_off(&mut lines) || take_key_off(&mut lines);
        changed |= round;
        if !round {
            break;
        }
    }
    changed.then(|| lines.join("\n"))
}

/// The numbers of the lines with words.
fn of_words(lines: &[String]) -> Vec<usize> {
    let is_word = |line: &String| !line.is_empty() && !is_comment(line);
    (0..lines.len()).filter(|at| is_word(&lines[*at])).collect()
}

fn take_off(lines: &mut [String], step: Step) -> bool {
    let words = of_words(lines);
    let taken: Vec<(usize, String)> = words
        .iter()
        .filter_map(|at| Some((*at, step(&lines[*at])?.trim().to_owned())))
        .filter(|(_, rest)| !rest.is_empty())
        .collect();
    let enough = words.len() > 1 && taken.len() * 10 >= words.len() * 9;
    if enough {
        for (at, rest) in taken {
            lines[at] = rest;
        }
    }
    enough
}

fn behind_break(line: &str) -> Option<&str> {
    let breaks = ["<br>", "<br/>", "<br />", "<BR>"];
    breaks.iter().find_map(|end| line.strip_suffix(end))
}

fn before_comment(line: &str) -> Option<&str> {
    let signs = [" # ", "\t# ", "\t#", " // ", "\t//", " -- "];
    let at = signs.iter().filter_map(|sign| line.find(sign)).min()?;
    Some(&line[..at])
}

/// What stands behind a number that counts the lines or the uses of a word.
fn numbered(line: &str) -> Option<&str> {
    let open = ["No.", "#", "(", "（", "[", "【"];
    let opened = open.iter().find_map(|sign| line.strip_prefix(sign));
    let inner = opened.unwrap_or(line);
    let rest = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == inner.len() {
        return None;
    }
    let signs = [
        ") ", "）", "] ", "】", " - ", " – ", ": ", ":", "：", "、", "．", "|", ",", "，", ";",
        "；", "\t", " ", ")", "]", ". ", ".",
    ];
    let rest = signs.iter().find_map(|sign| rest.strip_prefix(sign))?;
    let word = rest.trim_start().chars().next()?;
    (word.is_alphabetic() || "\"'“‘「*".contains(word)).then_some(rest)
}

/// What stands before how often it occurs: `word (4711)`, `word|7`.
fn counted(line: &str) -> Option<&str> {
    let bracketed = || {
        let inner = line.strip_suffix(')').or_else(|| line.strip_suffix('）'))?;
        let at = inner.rfind(['(', '（'])?;
        let number = inner[at..].trim_start_matches(['(', '（']);
        is_number(number).then(|| &line[..at])
    };
    let behind_sign = || {
        let (word, number) = line.rsplit_once(['|', ';', ':', '：'])?;
        (is_number(number.trim()) && word.contains(char::is_alphabetic)).then_some(word)
    };
    bracketed().or_else(behind_sign)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// What stands behind the mark of a list, with a box to tick or without.
fn bulleted(line: &str) -> Option<&str> {
    let boxes = ["[ ] ", "[x] ", "[X] "];
    let ticked = boxes.iter().find_map(|mark| line.strip_prefix(mark));
    let marked = || {
        let mark = line.chars().next()?;
        let rest = &line[mark.len_utf8()..];
        let is_word = |c: char| c.is_alphanumeric();
        let close = "•●○■□▪▸▶►※★☆◆◇–—+~%^".contains(mark) && rest.trim_start().starts_with(is_word);
        let apart = "-+*>·".contains(mark) && rest.starts_with(' ');
        // That is how UTF-7 begins what it codes.
        let coded = mark == '+' && rest.contains(|c: char| c.is_ascii_uppercase());
        let close = close && !coded;
        (close || apart).then_some(rest)
    };
    ticked.or_else(marked)
}

/// What stands between quotes, and signs that are put around a word like quotes.
fn quoted(line: &str) -> Option<&str> {
    const PAIRS: [[char; 2]; 11] = [
        ['"', '"'],
        ['\'', '\''],
        ['`', '`'],
        ['“', '”'],
        ['‘', '’'],
        ['「', '」'],
        ['『', '』'],
        ['《', '》'],
        ['«', '»'],
        ['%', '%'],
        ['/', '/'],
    ];
    PAIRS.iter().find_map(|[open, close]| {
        let inner = line.strip_prefix(*open)?.strip_suffix(*close)?;
        (!inner.is_empty() && !inner.contains([*open, *close])).then_some(inner)
    })
}

fn before_comma(line: &str) -> Option<&str> {
    let ends = [',', ';', '，', '、', '；'];
    let word = line.strip_suffix(ends).or_else(|| line.strip_suffix('%'))?;
    (!word.contains(ends)).then_some(word)
}

/// `^word$` and `(?i)word`.
fn of_pattern(line: &str) -> Option<&str> {
    let anchored = || line.strip_prefix('^')?.strip_suffix('$');
    let blind = || line.strip_prefix("(?i)");
    let word = anchored().or_else(blind)?;
    (!word.contains(|c| "\\^$.|?+()[]{}".contains(c))).then_some(word)
}

/// `word [class]`
fn labelled(line: &str) -> Option<&str> {
    let (word, label) = line.strip_suffix(']')?.rsplit_once('[')?;
    (!label.contains(',') && word.ends_with(' ')).then_some(word)
}

/// `word1=badger`: the value of a numbered name.
fn of_ini(line: &str) -> Option<&str> {
    let (name, word) = line.split_once('=')?;
    let name = name.trim();
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_name = bare
        .chars()
        .all(|c| c.is_ascii_alphabetic() || "_-.".contains(c));
    (is_name && !bare.is_empty() && bare.len() < name.len()).then_some(word)
}

/// Takes the class of each word off that stands before or behind a colon: the side with fewer
/// different texts.
fn take_column_off(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let halves: Vec<(&str, &str)> = words
        .iter()
        .filter(|at| !lines[**at].contains(['=', '"']) && !lines[**at].contains("->"))
        .filter_map(|at| lines[*at].split_once([':', '：', '>']))
        .map(|(left, right)| (left.trim(), right.trim()))
        .filter(|(left, right)| {
            !left.is_empty() && !right.is_empty() && !right.contains([':', '：', '>', '/'])
        })
        .collect();
    if words.len() < 3 || halves.len() < words.len() {
        return false;
    }
    let lefts: BTreeSet<&str> = halves.iter().map(|(left, _)| *left).collect();
    let rights: BTreeSet<&str> = halves.iter().map(|(_, right)| *right).collect();
    let (lefts, rights) = (lefts.len(), rights.len());
    let taken: Vec<String> = match () {
        () if rights == words.len() && lefts < rights => halves
            .iter()
            .map(|(_, right)| (*right).to_owned())
            .collect(),
        () if lefts == words.len() && rights < lefts => {
            halves.iter().map(|(left, _)| (*left).to_owned()).collect()
        }
        () => return false,
    };
    for (at, word) in words.into_iter().zip(taken) {
        lines[at] = word;
    }
    true
}

/// Takes the name off a whole list in one line: `words: [one, two, three]`, `words=one,two,three`.
fn take_key_off(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let [at] = words[..] else { return false };
    let Some((name, list)) = lines[at].split_once([':', '=']) else {
        return false;
    };
    let is_name = |c: char| c.is_alphanumeric() || "_-. ".contains(c);
    let list = list.trim();
    let inner = list
        .strip_prefix('[')
        .and_then(|list| list.strip_suffix(']'));
    let inner = inner.unwrap_or(list);
    let is_list = inner.matches(',').count() > 1 && !inner.contains(['"', '\'', '(', '{']);
    let fits = !name.trim().is_empty() && name.chars().all(is_name) && is_list;
    if fits {
        lines[at] = inner.to_owned();
    }
    fits
}

/// Makes columns with tabs of a table of Markdown, `| one | two |`.
fn open_table(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let is_row = |line: &String| line.len() > 2 && line.starts_with('|') && line.ends_with('|');
    if words.len() < 3 || !words.iter().all(|at| is_row(&lines[*at])) {
        return false;
    }
    for at in words {
        let cells = lines[at].trim_matches('|').split('|').map(str::trim);
        let row = cells.collect::<Vec<_>>().join("\t");
        let is_rule = row.chars().all(|c| matches!(c, '-' | ':' | '\t' | ' '));
        lines[at] = if is_rule { format!("# {row}") } else { row };
    }
    true
}

/// Makes comments of what heads a list: its first line if that is a comment elsewhere, or the
/// header of a column, lines of signs with a title between or above, and names in brackets.
fn comment_out_heads(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let mut heads: BTreeSet<usize> = BTreeSet::new();
    for at in &words {
        let line = &lines[*at];
        let mut chars = line.chars();
        let rule = chars.next().filter(|c| "=-~#`_".contains(*c));
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
    if let Some(first) = words.first().filter(|_| words.len() > 2) {
        let line = &lines[*first];
        let signs = ["--", "//", "%", "!", "REM ", "' ", "<!--"];
        let sign = signs.iter().find(|sign| line.starts_with(**sign));
        let alone = |sign: &str| words[1..].iter().all(|at| !lines[*at].starts_with(sign));
        let hash = line.starts_with('#') && line.contains([' ', ':', '：']);
        if sign.is_some_and(|sign| line.len() > sign.len() && alone(sign))
            || hash && alone("#")
            || is_header(line)
        {
            heads.insert(*first);
        }
    }
    // A list of nothing but such lines is one of such words.
    if heads.is_empty() || heads.len() * 2 > words.len() {
        return false;
    }
    for at in heads {
        lines[at] = format!("# {}", lines[at]);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(undressed(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn what_every_line_has_around_its_word_is_taken_off() {
        let bare = Some("badger\nferret");
        check("(1) badger\n(2) ferret\n", bare);
        check("（1）badger\n（2）ferret\n", bare);
        check("1 badger\n2 ferret\n", bare);
        check("4711 badger\n803 ferret\n", bare);
        check("badger (4711)\nferret (803)\n", bare);
        check("- [ ] 'badger',\n- [x] 'ferret',\n", bare);
        check("^badger$\n^ferret$\n", bare);
        check("badger # an animal\nferret # another\n", bare);
        check("word1=badger\nword2=ferret\n", bare);
        check(
            "1:badger\n1:ferret\n2:stoat\n",
            Some("badger\nferret\nstoat"),
        );
        check("words: [a, b, c]\n", Some("a, b, c"));
    }

    #[test]
    fn words_stay_what_they_are() {
        check("badger\nferret\n", None);
        check("c++\n@@@@\n:)\n", None);
        check("1,488\n4.20\n", None);
        check("138\n加微信\n", None);
        check("*badger*\n*ferret*\n", None);
        check("#hashtag\n#other\n#third\n", None);
        check("act now\nbuy now\n", None);
    }

    #[test]
    fn what_heads_a_list_is_a_comment() {
        check("-- words\na1\nb2\n", Some("# -- words\na1\nb2"));
        check("word\na1\nb2\n", Some("# word\na1\nb2"));
        check("Words\n=====\na1\nb2\n", Some("# Words\n# =====\na1\nb2"));
        check("【甲】\na1\nb2\n", Some("# 【甲】\na1\nb2"));
    }
}
