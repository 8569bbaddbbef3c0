//! Entries that look like something else than one word: a comment, several words in one line, a
//! word with its tag behind a blank; and entries that are found nowhere.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, Kind};
use super::subject::{Lint, List};
use crate::filter::{Role, Scratch, is_pattern};

/// What begins a comment elsewhere.
const COMMENTS: [&str; 6] = ["＃ ", "//", "/*", "<!--", "; ", "-- "];
/// Signs that stand between the words of a list in one line.
const BETWEEN: [char; 8] = [',', '，', '、', ';', '；', '|', '｜', '\u{61B}'];
/// Words that hardly end a phrase, but are what lists call their entries.
const CLASSES: &str = " politics political profanity obscene obscenity vulgar slur insult abuse nsfw \
    severe moderate mild strong high medium low spam ads porn gambling violence terrorism drugs \
    政治 涉政 涉黄 涉黑 色情 广告 暴恐 违禁 辱骂 毒品 诈骗 ";
/// So many entries of one list with the same ending are no chance, if it has hardly others.
const ALIKE_MIN: usize = 3;

impl Lint<'_> {
    pub(super) fn shapes(&self, findings: &mut Findings) {
        for (id, list) in self.lists.iter().enumerate() {
            let tags = tags_in(list);
            for (entry, words) in list.words.written().enumerate() {
                let text = words.text.trim();
                if is_pattern(text) {
                    continue;
                }
                if let Some(sign) = COMMENTS.iter().find(|sign| text.starts_with(**sign)) {
                    let what = |_: &_| {
                        format!("`{text}` is an entry: `{}` begins no comment", sign.trim())
                    };
                    let hint = "begin comments with `#` and a blank";
                    findings.add(Kind::NoComment, (id, entry), what, hint);
                } else if let Some(sign) = sign_between(text) {
                    let what =
                        |_: &_| format!("`{text}` is one entry, found only with its `{sign}`");
                    let hint = "write each word in a line of its own";
                    findings.add(Kind::SeveralWords, (id, entry), what, hint);
                } else if list.is_of_file(entry)
                    // One with a tag has its TAB.
                    && words.tags.is_empty()
                    && let Some(tag) = tag_behind_a_blank(text).filter(|tag| tags.contains(tag))
                {
                    let what = |_: &_| format!("`{text}` is a phrase of which `{tag}` is a part");
                    let hint = "if that is a tag, write a TAB before it";
                    findings.add(Kind::Untabbed, (id, entry), what, hint);
                }
            }
            if list.words.role == Role::Match {
                self.never_found((id, list), findings);
            }
        }
    }

    /// Entries that the list does not even find where they stand alone.
    fn never_found(&self, (id, list): (usize, &List), findings: &mut Findings) {
        let set = self.filter().list_set(&[&list.words.name]);
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        let mut finds = |text: &str| {
            matches.clear();
            self.filter().scan(text, &set, &mut scratch, &mut matches);
            !matches.is_empty()
        };
        for (entry, words) in list.words.written().enumerate() {
            let text = words.text.trim();
            if is_pattern(text) || finds(text) || finds(text.trim_matches('*').trim()) {
                continue;
            }
            let what = |_: &_| format!("`{text}` is never found, not even where it stands alone");
            let hint = "write it as it stands in a message, or change the list's options";
            findings.add(Kind::NeverFound, (id, entry), what, hint);
        }
    }
}

/// A sign between two words that a phrase would have a blank behind. Numbers have them too.
fn sign_between(entry: &str) -> Option<char> {
    let mut chars = entry.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        let is_word = |c: char| c.is_alphanumeric();
        let next = chars.peek().copied();
        let between = before.is_some_and(is_word) && next.is_some_and(is_word);
        let number = [before, next]
            .iter()
            .all(|c| c.is_some_and(|c| c.is_numeric()));
        if BETWEEN.contains(&c) && between && !number {
            return Some(c);
        }
        before = Some(c);
    }
    None
}

/// The last of the words of an entry, behind a blank; the first must be one too.
fn tag_behind_a_blank(entry: &str) -> Option<&str> {
    let (word, tag) = entry.rsplit_once(char::is_whitespace)?;
    (!word.trim().is_empty()).then_some(tag)
}

/// What is likely a tag where it ends an entry: the tags of the list and of its settings, classes
/// that lists have, and what nearly all of its entries end in.
fn tags_in<'a>(list: &'a List) -> BTreeSet<&'a str> {
    let entries = list.words.written();
    let mut tags: BTreeSet<&str> = CLASSES.split_whitespace().collect();
    tags.extend(
        entries
            .clone()
            .flat_map(|entry| entry.tags.iter())
            .map(String::as_str),
    );
    tags.extend(list.spec.tag_actions.iter().map(|one| one.tag.as_str()));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let ends = entries
        .clone()
        .filter_map(|entry| tag_behind_a_blank(entry.text.trim()));
    for end in ends {
        *counts.entry(end).or_default() += 1;
    }
    let parted: usize = counts.values().sum();
    if parted * 10 >= entries.len() * 9 && counts.len() * ALIKE_MIN <= parted {
        tags.extend(
            counts
                .into_iter()
                .filter(|(_, count)| *count >= ALIKE_MIN)
                .map(|(end, _)| end),
        );
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_in_one_line_are_known() {
        assert_eq!(sign_between("w1,w2"), Some(','));
        assert_eq!(sign_between("w4、w5"), Some('、'));
        assert_eq!(sign_between("赌博，加微信"), Some('，'));
        assert_eq!(sign_between("one|two"), Some('|'));
        for phrase in ["1,488", "hello, world", "a;", ",b", "c++", "赌博"] {
            assert_eq!(sign_between(phrase), None, "{phrase}");
        }
    }
}
