//! Lines of a list without what stands around every word: numbers, marks of lists, quotes, the
//! ends of patterns, comments behind them.

use std::collections::BTreeSet;

use super::escape::written_out;
use super::heads::{of_words, take_heads_off};
use super::quotes::{between, in_quotes};

/// One thing after another is taken off, so many at most.
const ROUNDS_MAX: usize = 4;

/// A way to take something off a line; `None` where it is not there.
type Step = fn(&str) -> Option<&str>;

const STEPS: [Step; 12] = [
    behind_break,
    of_pattern,
    before_comment,
    numbered,
    counted,
    bulleted,
    quoted,
    before_comma,
    labelled,
    of_label,
    of_hosts,
    of_ini,
];

/// The text without what nearly all of its lines have around their words; `None` if nothing was
/// taken off. Lines keep their numbers, and what only heads a list becomes a comment.
pub(super) fn undressed(text: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    let mut changed = take_heads_off(&mut lines);
    for _ in 0..ROUNDS_MAX {
        let round = STEPS.iter().any(|step| take_off(&mut lines, *step));
        let round = round
            || take_letters_off(&mut lines)
            || take_column_off(&mut lines)
            || take_key_off(&mut lines)
            || take_pattern_off(&mut lines)
            || write_out(&mut lines);
        changed |= round;
        if !round {
            break;
        }
    }
    changed.then(|| lines.join("\n"))
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
    let at = line.find(" -- ")?;
    Some(&line[..at])
}

/// What stands behind a number that counts the lines or the uses of a word.
fn numbered(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix(|c| ('\u{2460}'..='\u{249B}').contains(&c)) {
        return Some(rest);
    }
    if let Some(rest) = of_chinese_number(line) {
        return Some(rest);
    }
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

/// What stands behind `一、` or `第1条`.
fn of_chinese_number(line: &str) -> Option<&str> {
    let is_number = |c: char| "一二三四五六七八九十百〇零".contains(c) || c.is_ascii_digit();
    let (inner, marks): (&str, &[char]) = match line.strip_prefix('第') {
        Some(inner) => (
            inner,
            &['条', '條', '项', '項', '个', '個', '号', '號', '章', '节'],
        ),
        None => (line, &['、', '．', '，', '：']),
    };
    let rest = inner.trim_start_matches(is_number);
    (rest.len() < inner.len())
        .then(|| rest.strip_prefix(marks))
        .flatten()
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
        let apart = "-+*>·".contains(mark) && rest.trim_start_matches(mark).starts_with(' ');
        let rest = if apart {
            rest.trim_start_matches(mark)
        } else {
            rest
        };
        // That is how UTF-7 begins what it codes.
        let coded = mark == '+' && rest.contains(|c: char| c.is_ascii_uppercase());
        let close = close && !coded;
        (close || apart).then_some(rest)
    };
    // Arrows, ticks and pictures.
    let drawn = || {
        let (mark, rest) = line.split_once(' ')?;
        let is_drawn = |c: char| !c.is_ascii() && !c.is_alphanumeric();
        (mark.chars().count() < 4 && mark.chars().all(is_drawn)).then_some(rest)
    };
    ticked.or_else(marked).or_else(drawn)
}

/// What stands between quotes, and signs that are put around a word like quotes.
fn quoted(line: &str) -> Option<&str> {
    let signs = [
        ["%", "%"],
        ["/", "/"],
        ["**", "**"],
        ["__", "__"],
        ["~~", "~~"],
        ["``", "``"],
    ];
    between(line, &signs).or_else(|| in_quotes(line))
}

fn before_comma(line: &str) -> Option<&str> {
    let ends = [',', ';', '，', '、', '；', '。', '،', '؛', '।', '።', '፣'];
    let ended = line.strip_suffix(ends).or_else(|| line.strip_suffix('%'));
    let word = ended.or_else(|| line.strip_prefix(','))?;
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

/// `__label__bad badger`
fn of_label(line: &str) -> Option<&str> {
    let (_, word) = line.strip_prefix("__label__")?.split_once(' ')?;
    Some(word)
}

/// `0.0.0.0 bad.example`, as lists of names that go nowhere have it.
fn of_hosts(line: &str) -> Option<&str> {
    let (address, name) = line.split_once([' ', '\t'])?;
    let is_sign = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let is_address = address.matches('.').count() == 3 || address.contains("::");
    (is_address && address.chars().all(is_sign)).then_some(name)
}

/// `\b(one|two)\b` and `/(one|two)/i`
fn of_alternation(line: &str) -> Option<&str> {
    let body = match line
        .strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
    {
        Some((body, flags)) if flags.chars().all(|flag| "gimsuyx".contains(flag)) => body,
        _ => line,
    };
    let body = body.strip_prefix("\\b").unwrap_or(body);
    let body = body.strip_suffix("\\b").unwrap_or(body);
    let body = match body.strip_prefix("(?:").or_else(|| body.strip_prefix('(')) {
        Some(rest) => rest.strip_suffix(')')?,
        None => body,
    };
    let are_words = body.contains('|') && !body.contains(|c| "\\^$.?*+()[]{}".contains(c));
    (are_words && body.len() < line.len()).then_some(body)
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

/// Takes `a)`, `b)`, `c)` off, and `i.`, `ii.`, `iii.`.
fn take_letters_off(lines: &mut [String]) -> bool {
    const ROMAN: [&str; 10] = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"];
    let words = of_words(lines);
    let mark = |nth: usize, line: &str| -> Option<String> {
        let (mark, rest) = line.trim_start_matches('(').split_once([')', '.'])?;
        let letter = char::from(b'a' + u8::try_from(nth).ok().filter(|nth| *nth < 26)?);
        let mark = mark.to_lowercase();
        let is_next = mark == letter.to_string() || ROMAN.get(nth) == Some(&mark.as_str());
        is_next
            .then(|| rest.trim().to_owned())
            .filter(|rest| !rest.is_empty())
    };
    let marked = words
        .iter()
        .enumerate()
        .map(|(nth, at)| mark(nth, &lines[*at]));
    let Some(taken) = marked
        .collect::<Option<Vec<String>>>()
        .filter(|all| all.len() > 2)
    else {
        return false;
    };
    for (at, word) in words.into_iter().zip(taken) {
        lines[at] = word;
    }
    true
}

/// Opens a whole list in one pattern, `(one|two)`.
fn take_pattern_off(lines: &mut [String]) -> bool {
    let [at] = of_words(lines)[..] else {
        return false;
    };
    let Some(words) = of_alternation(&lines[at]).map(str::to_owned) else {
        return false;
    };
    lines[at] = words;
    true
}

/// Writes `\u8d4c` out where nearly every line has such.
fn write_out(lines: &mut [String]) -> bool {
    let words = of_words(lines);
    let written = words.iter().map(|at| written_out(&lines[*at]));
    let written: Vec<Option<String>> = written.collect();
    let count = written.iter().flatten().count();
    if count == 0 || count * 10 < words.len() * 9 {
        return false;
    }
    for (at, word) in words.into_iter().zip(written) {
        lines[at] = word.unwrap_or_else(|| std::mem::take(&mut lines[at]));
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
    let inner = between(list, &[["[", "]"], ["\"", "\""], ["'", "'"]]).unwrap_or(list);
    let is_list = inner.matches(',').count() > 1 && !inner.contains(['"', '\'', '(', '{']);
    let is_named = !name.trim().is_empty() && name.chars().all(is_name);
    // A shell has blanks between its words.
    let array = between(list, &[["(", ")"]]).filter(|inner| !inner.contains([',', '"', '\'']));
    let taken = match array {
        Some(inner) if lines[at].contains("=(") => {
            inner.split_whitespace().collect::<Vec<_>>().join(",")
        }
        _ if is_list => inner.to_owned(),
        _ => return false,
    };
    if is_named {
        lines[at] = taken;
    }
    is_named
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
