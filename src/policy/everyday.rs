//! Everyday messages: what a word list must not find.

/// The messages that callgate brings, in Chinese and English.
pub fn everyday_messages() -> impl Iterator<Item = &'static str> {
    messages_of(include_str!("data/everyday.txt"))
}

/// The messages in a text, one a line; empty lines and those that begin with `#` are none.
pub fn messages_of(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_some_hundred_and_none_twice() {
        let all: Vec<&str> = everyday_messages().collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert!(all.len() >= 500, "{}", all.len());
        assert_eq!(distinct.len(), all.len());
        let han = |message: &&&str| message.chars().any(|c| ('一'..='鿿').contains(&c));
        let chinese = all.iter().filter(han).count();
        assert!((200..all.len() - 200).contains(&chinese), "{chinese}");
    }
}
