//! Everyday messages: what a word list must not find.

/// A message that means no harm, and the language that it is in (ISO 639-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Everyday {
    pub language: &'static str,
    pub text: &'static str,
}

/// The messages that callgate brings: some hundred in Chinese and English, some in each of the
/// other languages.
pub fn everyday_messages() -> impl Iterator<Item = Everyday> {
    let first = messages_of(include_str!("data/everyday.txt"));
    let first = first.map(|text| Everyday {
        language: match text.contains(|c| ('一'..='鿿').contains(&c)) {
            true => "zh",
            false => "en",
        },
        text,
    });
    let mut language = "";
    let lines = include_str!("data/everyday-languages.txt").lines().skip(1);
    let others = lines.filter_map(move |line| match line.strip_prefix("# ") {
        Some(name) => {
            language = name;
            None
        }
        None => Some(Everyday {
            language,
            text: line,
        }),
    });
    first.chain(others)
}

/// Some of the commonest words of each language, for what is one word.
pub(super) fn everyday_words() -> impl Iterator<Item = Everyday> {
    let mut language = "";
    let lines = include_str!("data/everyday-words.txt").lines().skip(1);
    let words = lines.map(move |line| match line.strip_prefix("# ") {
        Some(name) => {
            language = name;
            (name, "")
        }
        None => (language, line),
    });
    words.flat_map(|(language, words)| {
        let words = words.split(' ').filter(|word| !word.is_empty());
        words.map(move |text| Everyday { language, text })
    })
}

/// What people call a language, in English.
pub fn language_name(code: &str) -> &str {
    const NAMES: [(&str, &str); 32] = [
        ("zh", "Chinese"),
        ("en", "English"),
        ("th", "Thai"),
        ("hi", "Hindi"),
        ("fa", "Persian"),
        ("ar", "Arabic"),
        ("vi", "Vietnamese"),
        ("tr", "Turkish"),
        ("ko", "Korean"),
        ("ja", "Japanese"),
        ("ru", "Russian"),
        ("es", "Spanish"),
        ("pt", "Portuguese"),
        ("de", "German"),
        ("id", "Indonesian"),
        ("bn", "Bengali"),
        ("fr", "French"),
        ("it", "Italian"),
        ("nl", "Dutch"),
        ("sv", "Swedish"),
        ("da", "Danish"),
        ("pl", "Polish"),
        ("cs", "Czech"),
        ("ro", "Romanian"),
        ("hu", "Hungarian"),
        ("fi", "Finnish"),
        ("uk", "Ukrainian"),
        ("el", "Greek"),
        ("ur", "Urdu"),
        ("he", "Hebrew"),
        ("sw", "Swahili"),
        ("tl", "Tagalog"),
    ];
    let known = NAMES.iter().find(|(known, _)| *known == code);
    known.map_or(code, |(_, name)| name)
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
        let all: Vec<&str> = everyday_messages().map(|message| message.text).collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert!(all.len() >= 500, "{}", all.len());
        assert_eq!(distinct.len(), all.len());
        let han = |message: &&&str| message.chars().any(|c| ('一'..='鿿').contains(&c));
        let chinese = all.iter().filter(han).count();
        assert!((200..all.len() - 200).contains(&chinese), "{chinese}");
    }

    #[test]
    fn there_are_words_of_many_languages_and_each_has_a_name() {
        let mut counts = std::collections::BTreeMap::new();
        for word in everyday_words() {
            assert!(word.text.chars().count() > 1, "{word:?}");
            *counts.entry(word.language).or_insert(0) += 1;
        }
        assert!(counts.len() >= 30, "{counts:?}");
        for (language, count) in counts {
            assert!(count >= 20, "{language}: {count}");
            assert_ne!(language_name(language), language);
        }
    }

    #[test]
    fn every_language_has_forty_and_a_name() {
        let mut counts = std::collections::BTreeMap::new();
        for message in everyday_messages() {
            *counts.entry(message.language).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 16, "{counts:?}");
        for (language, count) in counts {
            assert!(count >= 40, "{language}: {count}");
            assert_ne!(language_name(language), language);
        }
    }
}
