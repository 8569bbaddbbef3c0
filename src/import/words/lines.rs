//! Formats that are read line by line.

use super::quotes::in_quotes;
use super::word::{Reason, Words, no_word};

/// One word a line, behind a number or the mark of a list where most lines have one.
pub(super) fn plain(text: &str, words: &mut Words) {
    let has_marks = has_marks(text.lines());
    each(text, words, |line, text, words| {
        let unmarked = unmarked(text).filter(|_| has_marks);
        match regex_literal(text.trim()) {
            Some(Some(word)) => words.add_read_as(line, text, &word),
            Some(None) => words.drop(line, text, Reason::Pattern),
            None if has_marks && is_heading(text) => words.drop(line, text, Reason::Comment),
            None => words.add(line, unmarked.map_or(text, unquoted), &[]),
        }
    });
}

/// Nearly every line is an item of a list: `- word`, `1. word`.
pub(super) fn has_marks<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let lines = lines.map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !is_comment(line) && !is_heading(line));
    let (all, marked) = lines.fold((0, 0), |(all, marked), line| {
        (all + 1, marked + usize::from(unmarked(line).is_some()))
    });
    all > 1 && marked * 10 >= all * 9
}

/// `words:` above the items, and the line between documents of YAML.
fn is_heading(line: &str) -> bool {
    line.trim().ends_with([':', '：']) || ["---", "..."].contains(&line.trim())
}

/// What stands behind `- `, `* `, `• `, `1. ` or `1) `.
fn unmarked(line: &str) -> Option<&str> {
    let line = line.trim();
    let bullet = ["- ", "* ", "• ", "· "];
    let rest = bullet.iter().find_map(|mark| line.strip_prefix(mark));
    let numbered = || {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = rest.len() < line.len();
        let marks = [". ", ") ", "、", "．", "）", ".", ")"];
        let rest = marks.iter().find_map(|mark| rest.strip_prefix(mark));
        // `4.20` is a number.
        rest.filter(|rest| is_numbered && !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    // YAML has comments behind its items.
    let rest = rest.map(|rest| rest.split(" #").next().unwrap_or(rest));
    rest.or_else(numbered)
        .map(str::trim)
        .filter(|rest| !rest.is_empty())
}

/// Without the quotes around the whole.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = ['"', '\''].iter().find_map(|quote| {
        let inner = text.trim().strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then_some(inner)
    });
    inner.unwrap_or(text)
}

/// `/word/i` and `\bword\b` are a word, `/wo+rd/` is a pattern; `None` for anything else.
pub(super) fn regex_literal(line: &str) -> Option<Option<String>> {
    let bounded = line
        .strip_prefix("\\b")
        .and_then(|rest| rest.strip_suffix("\\b"));
    let literal = || {
        let (body, flags) = line.strip_prefix('/')?.rsplit_once('/')?;
        let are_flags = flags.chars().all(|flag| "gimsuyx".contains(flag));
        (are_flags && !body.is_empty()).then_some(body)
    };
    let body = bounded.or_else(literal)?;
    let body = body.strip_prefix("\\b").unwrap_or(body);
    let body = body.strip_suffix("\\b").unwrap_or(body);
    let is_word = !body.is_empty() && !body.contains(|c| "\\^$.|?*+()[]{}".contains(c));
    Some(is_word.then(|| body.to_owned()))
}

/// `word=replacement` and `word => replacement`; `1=word` is a number and its word.
pub(super) fn replacements(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        match split_replacement(text) {
            Some((number, word)) if is_number(number) && !word.is_empty() => {
                words.add_read_as(line, text, unquoted(word));
            }
            Some((word, _)) => words.add_read_as(line, text, unquoted(word)),
            None => words.add(line, text, &[]),
        }
    });
}

/// The word and what it is replaced by.
pub(super) fn split_replacement(line: &str) -> Option<(&str, &str)> {
    let parts = ["=>", "->", "="]
        .iter()
        .find_map(|sign| line.split_once(sign));
    let (word, replacement) = parts.or_else(|| split_mask(line))?;
    let is_program =
        word.contains(|c| "(){}[]<>".contains(c)) || word.matches('"').count() % 2 == 1;
    (!word.trim().is_empty() && !is_program).then(|| (word.trim(), replacement.trim()))
}

/// `word: ***`, `word,***` and `word ***`: what is behind the last sign is nothing but a mask.
fn split_mask(line: &str) -> Option<(&str, &str)> {
    let is_sign = |c: char| c.is_whitespace() || ":：,，".contains(c);
    let (word, mask) = line.trim().rsplit_once(is_sign)?;
    let is_mask = mask.chars().count() > 1 && mask.chars().all(|c| "*＊#█•".contains(c));
    is_mask.then(|| (word.trim_end_matches(is_sign), mask))
}

/// `word 123` and `word 123 n`.
pub(super) fn frequencies(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        match split_frequency(text) {
            Some(word) => words.add_read_as(line, text, word),
            None => words.add(line, text, &[]),
        }
    });
}

/// The word of `word 123` or `word 123 n`.
pub(super) fn split_frequency(line: &str) -> Option<&str> {
    let (start, last) = line.trim().rsplit_once(char::is_whitespace)?;
    let is_number = |part: &str| part.parse::<f64>().is_ok();
    if is_number(last) {
        return Some(start.trim());
    }
    let (word, number) = start.trim().rsplit_once(char::is_whitespace)?;
    let is_kind = last.len() <= 4 && last.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_number(number) && is_kind).then(|| word.trim())
}

/// `word tag1,tag2`: a tab parts the two, or else the last blank.
pub(super) fn tags(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        let parts = text.split_once('\t');
        let parts = parts.or_else(|| text.trim_end().rsplit_once(char::is_whitespace));
        let (word, tags) = parts.unwrap_or((text, ""));
        match is_number(word) && !tags.trim().is_empty() {
            // A number that stands first is the line's, not a word.
            true => words.add_read_as(line, text, tags.split('\t').next().unwrap_or(tags)),
            false => words.add(line, word, &[tags]),
        }
    });
}

fn is_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands between the words of a text that has no line for each: the first of these that
/// occurs in it.
pub(super) fn signs_of(text: &str) -> &'static [char] {
    const SIGNS: [&[char]; 5] = [
        &['，', '、', '；', '،', '؛', '፣', '፤', ';', ','],
        &['\t'],
        &['•', '·'],
        &['/', '／'],
        &[' ', '\u{3000}'],
    ];
    let occur = |signs: &&&[char]| text.contains(**signs);
    SIGNS.iter().find(occur).copied().unwrap_or(SIGNS[0])
}

/// Words with a sign between them.
pub(super) fn separated(text: &str, signs: &[char], words: &mut Words) {
    each(text, words, |line, text, words| {
        for word in text.split(signs).filter(|word| !word.trim().is_empty()) {
            match in_quotes(word.trim()) {
                Some(inner) => words.add_read_as(line, word, inner),
                None => words.add(line, word, &[]),
            }
        }
    });
}

/// Discord's AutoMod: words with commas or line breaks between them, each with `*` where it may
/// go on. That is our own meaning of `*`, and a word without one is a whole word there too.
pub(super) fn discord(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        for item in text.split([',', '，']) {
            discord_word(line, item, words);
        }
    });
}

/// One of Discord's words; several `*` at an end are one.
pub(super) fn discord_word(line: u32, item: &str, words: &mut Words) {
    let item = item.trim();
    if item.is_empty() {
        return;
    }
    if let Some(inner) = in_quotes(item) {
        return words.add_read_as(line, item, inner);
    }
    let bare = item.trim_matches('*').trim();
    if bare.is_empty() {
        return words.drop(line, item, no_word("there is nothing but `*`"));
    }
    let star = |has: bool| if has { "*" } else { "" };
    let (left, right) = (star(item.starts_with('*')), star(item.ends_with('*')));
    words.add(line, &format!("{left}{bare}{right}"), &[]);
}

/// `# words` and `// words`, `; words` and `[section]`; without the blank it may be a word.
pub(super) fn is_comment(line: &str) -> bool {
    let is_section = line.len() > 2 && line.starts_with('[') && line.ends_with(']');
    if is_section && !line.contains(['"', '\'', ',']) || line.starts_with("; ") {
        return true;
    }
    let rest = line.trim_start_matches(['#', '＃']);
    let is_hash = rest.len() < line.len() && (rest.is_empty() || rest.starts_with([' ', '\t']));
    is_hash || line.starts_with("// ")
}

/// Visits the lines that are not empty and no comment.
fn each(text: &str, words: &mut Words, mut visit: impl FnMut(u32, &str, &mut Words)) {
    for (line, text) in (1..).zip(text.lines()) {
        if is_comment(text.trim()) {
            words.drop(line, text, Reason::Comment);
        } else if !text.trim().is_empty() {
            visit(line, text, words);
        }
    }
}
