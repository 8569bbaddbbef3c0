//! Formats that are read line by line.

use super::word::{Reason, Words, no_word};

/// One word a line.
pub fn plain(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| words.add(line, text, &[]));
}

/// `word tag1,tag2`: a tab parts the two, or else the last blank.
pub fn tags(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        let parts = text.split_once('\t');
        let parts = parts.or_else(|| text.trim_end().rsplit_once(char::is_whitespace));
        let (word, tags) = parts.unwrap_or((text, ""));
        words.add(line, word, &[tags]);
    });
}

/// Words with a sign between them.
pub fn separated(text: &str, sign: char, words: &mut Words) {
    each(text, words, |line, text, words| {
        for word in text.split(sign).filter(|word| !word.trim().is_empty()) {
            words.add(line, word, &[]);
        }
    });
}

/// Discord's AutoMod: words with commas or line breaks between them, each with `*` where it may
/// go on. That is our own meaning of `*`, and a word without one is a whole word there too.
pub fn discord(text: &str, words: &mut Words) {
    each(text, words, |line, text, words| {
        for item in text.split([',', '，']) {
            discord_word(line, item, words);
        }
    });
}

/// One of Discord's words; several `*` at an end are one.
pub fn discord_word(line: u32, item: &str, words: &mut Words) {
    let item = item.trim();
    if item.is_empty() {
        return;
    }
    let bare = item.trim_matches('*').trim();
    if bare.is_empty() {
        return words.drop(line, item, no_word("there is nothing but `*`"));
    }
    let star = |has: bool| if has { "*" } else { "" };
    let (left, right) = (star(item.starts_with('*')), star(item.ends_with('*')));
    words.add(line, &format!("{left}{bare}{right}"), &[]);
}

/// `# words` and `// words`; without the blank it may be a word.
pub fn is_comment(line: &str) -> bool {
    let rest = line.trim_start_matches('#');
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
