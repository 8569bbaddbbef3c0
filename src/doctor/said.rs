//! A sentence in both languages of the console.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// What people read of a report. Programs and the command line have the English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub english: Cow<'static, str>,
    pub chinese: Cow<'static, str>,
}

/// A sentence cannot be written in one language alone.
pub(super) fn said(
    english: impl Into<Cow<'static, str>>,
    chinese: impl Into<Cow<'static, str>>,
) -> Said {
    Said {
        english: english.into(),
        chinese: chinese.into(),
    }
}

impl Said {
    /// The words of another part, which are English: in Chinese what they mean stands before them.
    pub(super) fn quoted(meaning: &str, own: impl Into<String>) -> Said {
        let own = own.into();
        let chinese = format!("{meaning}（原文：{own}）");
        said(own, chinese)
    }

    /// There is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.english.is_empty()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.english)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_english_and_a_quotation_stands_behind_its_meaning() {
        let quoted = Said::quoted("无法连接", "connection refused");
        assert_eq!(quoted.chinese, "无法连接（原文：connection refused）");
        let json = serde_json::to_string(&quoted).unwrap();
        assert_eq!(json, "\"connection refused\"");
        assert!(!quoted.is_empty() && said("", "").is_empty());
    }
}
