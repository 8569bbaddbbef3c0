//! Ready-made detectors of contacts: phone numbers, e-mail addresses, URLs and bare domains, IP
//! addresses, and handles of messengers.
//!
//! They read the folded text, in which digits and letters are plain whatever they looked like.
//! What only looks like a contact is left alone: dates, versions, file names, order numbers,
//! private and loopback addresses.

use std::ops::Range;
use std::sync::OnceLock;

use regex::Regex;

use super::address::{
    ENDS_OF_NAME, end_of_name, is_name, is_of_this_net, is_public, start_of_name,
};
use super::folded::Folded;
use crate::filter::options::SkipClasses;
use crate::filter::text::Stream;

/// A detector, by its name in lists.
pub(super) struct Contact {
    kind: Kind,
    regexes: &'static [Regex],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Phone,
    Email,
    Url,
    Ip,
    Handle,
}

const KINDS: [(&str, Kind); 5] = [
    ("phone", Kind::Phone),
    ("email", Kind::Email),
    ("url", Kind::Url),
    ("ip", Kind::Ip),
    ("handle", Kind::Handle),
];

/// Short links, which always have a path.
const SHORT_LINKS: &str =
    r"t\.me|wa\.me|bit\.ly|is\.gd|t\.cn|goo\.gl|dwz\.cn|u\.nu|line\.me|discord\.gg|youtu\.be";

/// What parts the labels of a name: browsers read all of these as a dot.
const DOT: &str = "[.。｡]";

impl Contact {
    /// The detector of this name, for a list that skips these. Errors: there is none.
    pub(super) fn named(name: &str, skip: SkipClasses) -> Result<Contact, String> {
        let kind = KINDS.into_iter().find(|(known, _)| *known == name);
        let Some((_, kind)) = kind else {
            let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "no detector `contact:{name}`; there are {}",
                known.join(", ")
            ));
        };
        Ok(Contact {
            kind,
            regexes: kind.compiled(skip),
        })
    }

    /// What looking for it costs in a text of so many bytes.
    pub(super) fn steps(&self, bytes: usize) -> usize {
        bytes.saturating_mul(self.regexes.len())
    }
}

/// What a list skips that may stand between spelled-out digits.
const BETWEEN: [SkipClasses; 3] = [SkipClasses::SPACE, SkipClasses::PUNCT, SkipClasses::SYMBOL];

/// By kind, and by which of [`BETWEEN`] are skipped. They are the same for every list and text, and take
/// longer to compile than most lists.
static COMPILED: [[OnceLock<Vec<Regex>>; 1 << BETWEEN.len()]; KINDS.len()] =
    [const { [const { OnceLock::new() }; 1 << BETWEEN.len()] }; KINDS.len()];

impl Kind {
    fn compiled(self, skip: SkipClasses) -> &'static [Regex] {
        let skipped = BETWEEN.iter().enumerate();
        let skipped = skipped.filter(|(_, class)| skip.contains(**class));
        let skipped = skipped.fold(0, |all, (nth, _)| all | 1 << nth);
        COMPILED[self as usize][skipped].get_or_init(|| {
            let regexes = self.regexes(skip).into_iter();
            let compile = |regex: String| Regex::new(&regex).expect("a test compiles all of them");
            regexes.map(compile).collect()
        })
    }

    fn regexes(self, skip: SkipClasses) -> Vec<String> {
        let path = r#"[^\s，。；！？、“”‘’（）【】《》<>"']"#;
        match self {
            Kind::Phone if !between(skip).is_empty() => {
                let mut regexes = Kind::Phone.regexes(SkipClasses::NONE);
                let gap = between(skip);
                let prefix = format!("(?:(?:\\+|0{gap}0){gap}?)?8{gap}6{gap}");
                regexes.push(format!("(?:{prefix})?1{gap}[3-9](?:{gap}[0-9]){{9}}"));
                regexes
            }
            Kind::Phone => vec![
                r"(?:(?:\+|00)?86[- ]{0,2})?1[3-9][0-9][-. ]{0,2}[0-9]{4}[-. ]{0,2}[0-9]{4}".to_owned(),
                r"\(?0[1-9][0-9]{1,2}\)?[- ]{1,2}[1-9][0-9]{6,7}".to_owned(),
                r"\+[1-9][0-9]{0,2}(?:[-. ]?\(?[0-9]{1,4}\)?){2,5}".to_owned(),
                // The prefix of a call abroad. Numbers of orders begin so too, but are shorter.
                r"00[1-9][0-9]{10,13}".to_owned(),
                r"00[1-9][0-9]{0,2}[-. ]\(?[0-9]{1,4}\)?(?:[-. ]?[0-9]{2,4}){2,4}".to_owned(),
                r"\(?[2-9][0-9]{2}\)?[-. ][2-9][0-9]{2}[-. ][0-9]{4}".to_owned(),
            ],
            Kind::Email => vec![
                r"[a-zA-Z0-9][a-zA-Z0-9._%+-]{0,63}(?: ?@ ?| ?[(\[]at[)\]] ?)(?:[a-zA-Z0-9-]+(?:\.| ?[(\[]dot[)\]] ?)){1,5}[a-zA-Z]{2,24}".to_owned(),
            ],
            Kind::Url => vec![
                format!("(?i)[a-z][a-z0-9+.-]{{1,15}}://{path}+"),
                format!(r"(?i)www\.[a-z0-9-]+\.{path}+"),
                format!(r"(?i)(?:{SHORT_LINKS})/{path}+"),
                format!(
                    r"[\pL\pN][\pL\pM\pN-]*(?:{DOT}[\pL\pN][\pL\pM\pN-]*)+(?::[0-9]{{1,5}})?(?:/{path}*|[?#][A-Za-z0-9_]{path}*)?"
                ),
            ],
            Kind::Ip => vec![
                r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}".to_owned(),
                r"(?i)[0-9a-f:]{2,39}".to_owned(),
            ],
            Kind::Handle => vec![
                r"(?i)(?:微信号?|v信|vx|wx|weixin|wechat|加v|加微|薇信)[ :：号是]{0,4}(?:[a-z][a-z0-9_-]{5,19}|[0-9]{5,12})".to_owned(),
                r"(?i)(?:qq群?|扣扣|企鹅群?)[ :：号是]{0,4}[1-9][0-9]{4,11}".to_owned(),
                r"(?i)(?:telegram|tg|电报|飞机|whatsapp)[ :：号是]{0,4}(?:@[a-z][a-z0-9_]{4,31}|\+?[0-9]{7,15})".to_owned(),
            ],
        }
    }

    /// The part of a candidate that is a contact; `None` if it only looks like one.
    fn checked(self, folded: &Folded, candidate: Range<usize>) -> Option<Range<usize>> {
        let text = &folded.text[..];
        let found = &text[candidate.clone()];
        let before = text[..candidate.start].chars().next_back();
        let behind = text[candidate.end..].chars().next();
        let after_word = before.is_some_and(|c| c.is_ascii_alphanumeric());
        let before_word = behind.is_some_and(|c| c.is_ascii_alphanumeric());
        match self {
            Kind::Phone => {
                let digits = found.bytes().filter(u8::is_ascii_digit).count();
                let longer = behind_is_number(&text[candidate.end..])
                    || is_part(before, text, candidate.start);
                let open = found.contains('(') != found.contains(')');
                (!after_word && !before_word && !longer && !open && (8..=15).contains(&digits))
                    .then_some(candidate)
            }
            Kind::Email => (!after_word && !before_word).then_some(candidate),
            Kind::Url => {
                let trimmed =
                    found.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}', '|']);
                let end = candidate.start + end_of_name(trimmed).unwrap_or(trimmed.len());
                let joined = before.is_some_and(|c| matches!(c, '@' | '.' | '-' | '_' | '/'));
                let goes_on = before_word && !trimmed.contains('/');
                let start = candidate.start + start_of_name(trimmed);
                (!after_word && !joined && !goes_on)
                    .then(|| url_in(folded, start..end))
                    .flatten()
                    .filter(|url| !is_of_this_net(&text[url.clone()]))
            }
            Kind::Ip => {
                let joined =
                    |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                let dotted = before == Some('.')
                    || text[candidate.end..].starts_with('.')
                        && behind_is_number(&text[candidate.end..]);
                let colon = before == Some(':');
                (!joined(before) && !joined(behind) && !dotted && !colon && is_public(found))
                    .then_some(candidate)
            }
            Kind::Handle => {
                let keyword_in_word =
                    after_word && found.starts_with(|c: char| c.is_ascii_alphabetic());
                (!keyword_in_word && !before_word && is_handle(found)).then_some(candidate)
            }
        }
    }
}

/// What may stand between digits that are spelled out, as a regular expression; empty for nothing.
fn between(skip: SkipClasses) -> String {
    let signs = [
        (SkipClasses::SPACE, " "),
        (SkipClasses::PUNCT, "-._,、·*/"),
        (SkipClasses::SYMBOL, "~+|^=★☆"),
    ];
    let signs = signs.iter().filter(|(class, _)| skip.contains(*class));
    let signs: String = signs.map(|(_, signs)| regex::escape(signs)).collect();
    match signs.is_empty() {
        true => signs,
        false => format!("[{signs}]{{1,2}}"),
    }
}

/// The part of a candidate that is a URL: all of it if it has a scheme or says `www`; else a name
/// whose last labels are a public suffix that leaves no doubt, or have a path.
fn url_in(folded: &Folded, candidate: Range<usize>) -> Option<Range<usize>> {
    let found = &folded.text[candidate.clone()];
    let lower = found.to_lowercase();
    if lower.contains("://") || lower.starts_with("www.") {
        return Some(candidate);
    }
    let length = found.find(ENDS_OF_NAME).unwrap_or(found.len());
    let path = found[length..].contains('/');
    let name = candidate.start..candidate.start + length;
    // Folding drops marks and forms of letters, which a public suffix may need.
    let written = folded.written(name.clone());
    let is_name = |name: &str| is_name(&name.to_lowercase(), path);
    (is_name(&found[..length]) || is_name(&written)).then_some(candidate)
}

/// A number goes on behind a sign: `.5`, `-3`.
fn behind_is_number(behind: &str) -> bool {
    let mut chars = behind.chars();
    matches!(chars.next(), Some('.' | '-' | '/'))
        && chars.next().is_some_and(|c| c.is_ascii_digit())
}

/// What stands before a number makes it the rest of a longer one.
fn is_part(before: Option<char>, text: &str, start: usize) -> bool {
    let sign = before.filter(|c| matches!(c, '.' | '-' | '/' | '#'));
    sign.is_some_and(|sign| {
        let earlier = text[..start - sign.len_utf8()].chars().next_back();
        sign == '#' || earlier.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

/// The name behind the keyword is no everyday word: it holds a digit or `_`, or stands behind a
/// colon or `号`.
fn is_handle(found: &str) -> bool {
    let named = found.contains([':', '：', '号', '@']);
    named || found.contains(|c: char| c.is_ascii_digit() || c == '_')
}

impl Contact {
    /// Reports every contact, in bytes of the original.
    pub(super) fn find(&self, folded: &Folded, mut found: impl FnMut(usize, usize)) {
        for regex in self.regexes {
            for candidate in regex.find_iter(&folded.text) {
                if let Some(range) = self.kind.checked(folded, candidate.range())
                    && !range.is_empty()
                {
                    let (start, end) = folded.origin(range);
                    found(start, end);
                }
            }
        }
    }
}

/// Where URLs stand in a text, in bytes; those that touch are one.
pub(crate) fn find_urls(text: &str, stream: &Stream) -> Vec<(u32, u32)> {
    let mut urls: Vec<(u32, u32)> = Vec::new();
    if let Ok(contact) = Contact::named("url", SkipClasses::NONE) {
        contact.find(&Folded::new(text, stream), |start, end| {
            urls.push((start as u32, end as u32));
        });
    }
    urls.sort_unstable();
    urls.dedup_by(|next, one| {
        let touches = next.0 <= one.1;
        one.1 = if touches { one.1.max(next.1) } else { one.1 };
        touches
    });
    urls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::options::Options;
    use crate::filter::text::FoldTable;

    fn check(kind: &str, text: &str, expected: &[&str]) {
        let table = FoldTable::build(&Options::default()).unwrap();
        let mut stream = Stream::default();
        table.fold(text, &mut stream);
        let mut found = Vec::new();
        let contact = Contact::named(kind, SkipClasses::NONE).unwrap();
        contact.find(&Folded::new(text, &stream), |start, end| {
            found.push(&text[start..end])
        });
        // Several of the expressions of one detector may say the same.
        found.dedup();
        assert_eq!(found, expected, "{kind} in {text:?}");
    }

    #[test]
    fn phones() {
        check("phone", "打13812345678", &["13812345678"]);
        check("phone", "电话 138-1234-5678。", &["138-1234-5678"]);
        check(
            "phone",
            "１３８１２３４５６７８",
            &["１３８１２３４５６７８"],
        );
        check("phone", "①③⑧①②③④⑤⑥⑦⑧", &["①③⑧①②③④⑤⑥⑦⑧"]);
        check("phone", "010-12345678", &["010-12345678"]);
        check("phone", "call (212) 555-0123 now", &["(212) 555-0123"]);
        check("phone", "+44 20 7946 0958", &["+44 20 7946 0958"]);
        check("phone", "20240101", &[]);
        check("phone", "订单 1381234567890", &[]);
        check("phone", "单号SF13812345678", &[]);
        check("phone", "2024-01-01 12:30:45", &[]);
        check("phone", "价格 12345.67 元", &[]);
    }

    #[test]
    fn emails() {
        check("email", "邮箱 a.b@example.com", &["a.b@example.com"]);
        check(
            "email",
            "bob (at) example (dot) com",
            &["bob (at) example (dot) com"],
        );
        check("email", "@全体成员 开会", &[]);
        check("email", "a@b", &[]);
    }

    #[test]
    fn urls() {
        check(
            "url",
            "看 https://example.com/a?b=1，快",
            &["https://example.com/a?b=1"],
        );
        check("url", "go to example.com.", &["example.com"]);
        check("url", "加 t.me/abc", &["t.me/abc"]);
        check(
            "url",
            "ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ",
            &["ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ"],
        );
        check("url", "1.jpg v1.2.3 readme.md node.js ok.so", &[]);
        check(
            "url",
            "http://127.0.0.1:8080/x http://localhost/ http://192.168.1.1",
            &[],
        );
        check("url", "a.b@example.com", &[]);
        check("url", "example.community", &[]);
    }

    #[test]
    fn addresses() {
        check("ip", "服务器 8.8.8.8。", &["8.8.8.8"]);
        check("ip", "2001:4860:4860::8888", &["2001:4860:4860::8888"]);
        check("ip", "127.0.0.1 10.0.0.1 192.168.1.1 ::1 fe80::1", &[]);
        check("ip", "v1.2.3.4 1.2.3.4.5 999.1.1.1 12:30:45", &[]);
    }

    #[test]
    fn handles() {
        check("handle", "VX: abc_12345", &["VX: abc_12345"]);
        check("handle", "加微信abc12345聊", &["微信abc12345"]);
        check("handle", "QQ群：123456789", &["QQ群：123456789"]);
        check("handle", "tg @some_body", &["tg @some_body"]);
        check("handle", "微信支付 wechat friends", &[]);
        check("handle", "QQ飞车 2023", &[]);
    }

    #[test]
    fn names_are_known() {
        let error = Contact::named("fax", SkipClasses::NONE).err().unwrap();
        assert_eq!(
            error,
            "no detector `contact:fax`; there are phone, email, url, ip, handle"
        );
    }
}
