//! The tags of XML and of web pages, well-formed or not, and the texts behind them.

/// What a tag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Opens,
    Closes,
    /// `<br/>`
    Alone,
}

/// A tag, and the text up to the next.
#[derive(Debug)]
pub(super) struct Tag {
    /// In small letters; empty for the text before the first tag.
    pub name: String,
    pub kind: Kind,
    pub attributes: Vec<(String, String)>,
    /// Where it begins, from 1.
    pub line: u32,
    /// Without entities.
    pub text: String,
    /// Line breaks before the text begins.
    lead: u32,
}

impl Tag {
    pub(super) fn is_open(&self, name: &str) -> bool {
        self.kind == Kind::Opens && self.name == name
    }

    /// Ends the text before it; others stand within a text, as `<b>` does.
    pub(super) fn is_block(&self) -> bool {
        const INLINE: [&str; 17] = [
            "a", "b", "i", "u", "em", "strong", "span", "code", "font", "small", "mark", "tt",
            "kbd", "s", "sub", "sup", "abbr",
        ];
        !INLINE.contains(&&*self.name)
    }

    /// The line in which its text begins.
    pub(super) fn text_line(&self) -> u32 {
        self.line + self.lead
    }
}

/// The tags of a text; comments, declarations, scripts and styles are passed over.
pub(super) struct Tags<'a> {
    rest: &'a str,
    line: u32,
    started: bool,
    /// It is a whole page, whose title is none of its texts.
    has_body: bool,
    /// Bytes behind the last `>`.
    tail: usize,
}

impl<'a> Tags<'a> {
    pub(super) fn of(text: &'a str) -> Tags<'a> {
        Tags {
            rest: text,
            line: 1,
            started: false,
            has_body: ["<body", "<BODY"].iter().any(|tag| text.contains(tag)),
            tail: text.rfind('>').map_or(text.len(), |at| text.len() - at - 1),
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        let breaks = taken.matches('\n').count();
        self.line += u32::try_from(breaks).unwrap_or(0);
        self.rest = rest;
        taken
    }

    /// Passes over what ends so.
    fn skip(&mut self, end: &str) {
        let at = self.rest.find(end).map(|at| at + end.len());
        self.take(at.unwrap_or(self.rest.len()));
    }

    /// Passes over what stands in an element, and over its end.
    fn skip_element(&mut self, name: &str) {
        let is_end = |at: &usize| {
            let behind = self.rest.get(at + 2..at + 2 + name.len());
            behind.is_some_and(|behind| behind.eq_ignore_ascii_case(name))
        };
        let mut ends = self.rest.match_indices("</").map(|(at, _)| at);
        let end = ends.find(is_end).unwrap_or(self.rest.len());
        self.take(end);
        self.skip(">");
    }

    fn begins_tag(&self) -> bool {
        let next = self.rest.chars().nth(1);
        let is_name = next.is_some_and(|next| next.is_alphabetic() || next == '/');
        is_name && self.rest.len() > self.tail
    }

    /// The text up to the next tag.
    fn text(&mut self) -> String {
        let mut text = String::new();
        loop {
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            text.push_str(&unescaped(self.take(end)));
            if self.rest.starts_with("<!--") {
                self.skip("-->");
            } else if let Some(data) = self.rest.strip_prefix("<![CDATA[") {
                let end = data.find("]]>").unwrap_or(data.len());
                text.push_str(&data[..end]);
                self.skip("]]>");
            } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
                self.skip(">");
            } else if self.rest.is_empty() || self.begins_tag() {
                return text;
            } else {
                // `<3` is a text.
                text.push_str(self.take(1));
            }
        }
    }
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let (mut tag, line) = match self.started {
            true if self.rest.is_empty() => return None,
            true => {
                let line = self.line;
                let end = self.rest.find('>').map_or(self.rest.len(), |end| end + 1);
                (tag(self.take(end)), line)
            }
            false => (tag("</>"), 1),
        };
        self.started = true;
        tag.line = line;
        let is_aside = ["script", "style"].contains(&&*tag.name);
        if tag.kind == Kind::Opens && (is_aside || tag.name == "title" && self.has_body) {
            self.skip_element(&tag.name);
        }
        let behind = self.line;
        tag.text = self.text();
        let start = tag.text.len() - tag.text.trim_start().len();
        let breaks = tag.text[..start].matches('\n').count();
        tag.lead = behind - line + u32::try_from(breaks).unwrap_or(0);
        Some(tag)
    }
}

/// Reads `<word value="one">`.
fn tag(text: &str) -> Tag {
    let inner = text.trim_start_matches('<').trim_end_matches('>');
    let closes = inner.starts_with('/');
    let alone = inner.ends_with('/') || inner.trim().eq_ignore_ascii_case("br");
    let inner = inner.trim_matches('/');
    let name_end = inner.find(char::is_whitespace).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at(name_end);
    Tag {
        name: name.to_lowercase(),
        kind: match (closes, alone) {
            (true, _) => Kind::Closes,
            (false, true) => Kind::Alone,
            (false, false) => Kind::Opens,
        },
        attributes: read_attributes(attributes),
        line: 0,
        text: String::new(),
        lead: 0,
    }
}

fn read_attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, behind)) = rest.split_once('=') {
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|c| "\"'".contains(*c));
        let (value, left) = match quote {
            Some(quote) => behind[1..].split_once(quote).unwrap_or((&behind[1..], "")),
            None => behind
                .split_once(char::is_whitespace)
                .unwrap_or((behind, "")),
        };
        found.push((name.trim().to_owned(), unescaped(value)));
        rest = left;
    }
    found
}

/// With entities written out, those of XML and the letters of HTML.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| &rest[1..end]);
        let character = entity.and_then(character_of);
        match (entity, character) {
            (Some(entity), Some(character)) => {
                out.push(character);
                rest = &rest[entity.len() + 2..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The entities of HTML for U+00A0 to U+00FF, in their order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg \
    macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 \
    iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave \
    Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc \
    Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc \
    euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave \
    uacute ucirc uuml yacute thorn yuml";

fn character_of(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let code = match hex {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let mut latin = LATIN.split_whitespace().zip('\u{A0}'..='\u{FF}');
            let found = latin.find(|(name, _)| *name == entity);
            found.map(|(_, character)| character)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, u32, &str)]) {
        let tags = Tags::of(text).map(|tag| (tag.name.clone(), tag.text_line(), tag.text));
        let tags: Vec<_> = tags.filter(|(.., text)| !text.trim().is_empty()).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, line, text)| (name.to_string(), *line, text.to_string()))
            .collect();
        assert_eq!(tags, expected, "{text}");
    }

    #[test]
    fn texts_follow_tags() {
        check(
            "<LI>a &eacute;&#33;<li>b",
            &[("li", 1, "a é!"), ("li", 1, "b")],
        );
        check("<w>\n  a<!-- \n x -->\n</w>", &[("w", 2, "\n  a\n")]);
        check("<w><![CDATA[<a> & b]]></w>", &[("w", 1, "<a> & b")]);
        check("I <3 you <b>x</b>", &[("", 1, "I <3 you "), ("b", 1, "x")]);
        check("<script>if (a<b) {}</script><p>x", &[("p", 1, "x")]);
        check("&nosuch; &", &[("", 1, "&nosuch; &")]);
    }

    #[test]
    fn attributes_are_read_with_and_without_quotes() {
        let tags: Vec<Tag> = Tags::of("<w a=\"x &amp; y\" b='z' c=1 />").collect();
        let expected = [("a", "x & y"), ("b", "z"), ("c", "1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(tags[1].attributes, expected);
        assert_eq!(tags[1].kind, Kind::Alone);
    }
}
