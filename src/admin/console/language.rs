//! The languages of the pages, and texts that are there in each of them.

use http::{HeaderMap, header};

/// A language that all pages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::admin) enum Language {
    #[default]
    English,
    Chinese,
}

/// A text, or a struct of texts, in every language: one that lacks a text does not compile.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct Both<T> {
    pub english: T,
    pub chinese: T,
}

/// A single text in every language.
pub(in crate::admin) const fn both(
    english: &'static str,
    chinese: &'static str,
) -> Both<&'static str> {
    Both { english, chinese }
}

impl<T> Both<T> {
    pub(in crate::admin) fn of(&self, language: Language) -> &T {
        match language {
            Language::English => &self.english,
            Language::Chinese => &self.chinese,
        }
    }
}

impl Language {
    pub(in crate::admin) const ALL: [Language; 2] = [Language::English, Language::Chinese];

    /// As HTML names it.
    pub(in crate::admin) fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
    }

    /// As those call it who read it.
    pub(in crate::admin) fn own_name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Chinese => "中文",
        }
    }

    /// Reads a tag such as `zh-CN`.
    pub(in crate::admin) fn from_tag(tag: &str) -> Option<Language> {
        let tag = tag.trim().to_lowercase();
        let first = tag.split('-').next()?;
        Language::ALL.into_iter().find(|one| one.tag() == first)
    }

    /// The first language of the browser's that there is, by its own order.
    pub(in crate::admin) fn wanted(headers: &HeaderMap) -> Language {
        let wanted = headers.get(header::ACCEPT_LANGUAGE);
        let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or("");
        let weighted = wanted.split(',').filter_map(|one| {
            let (tag, rest) = one.split_once(';').unwrap_or((one, ""));
            let weight: f32 = match rest.trim().strip_prefix("q=") {
                Some(weight) => weight.parse().ok()?,
                None => 1.0,
            };
            let language = Language::from_tag(tag)?;
            (weight > 0.0).then_some((weight, language))
        });
        // Of equals the first.
        let best = weighted.reduce(|best, one| if one.0 > best.0 { one } else { best });
        best.map(|(_, language)| language).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_counts() {
        let check = |wanted: &'static str, language: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, wanted.parse().unwrap());
            assert_eq!(Language::wanted(&headers).tag(), language, "{wanted}");
        };
        check("zh-CN,zh;q=0.9,en;q=0.8", "zh");
        check("en-US,en;q=0.9,zh;q=0.8", "en");
        check("de, zh-Hant;q=0.5, en;q=0.3", "zh");
        check("zh;q=0, en;q=0.1", "en");
        check("de", "en");
        check("", "en");
        check(";;q=,zh", "zh");
    }
}
