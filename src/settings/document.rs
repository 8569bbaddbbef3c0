//! YAML text in, a tree whose every key and value knows its line and column out.
//!
//! Letter case never matters in keys, as in OpenIM's own loader: maps are keyed by the lower-case
//! form, and the spelling is kept beside it.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::problem::{At, Place, Problems};
use super::shown::shown_key;
use super::tree::{Entry, Map, Node, Value};

/// A file larger than this is no policy; word lists have a limit of their own.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Values in one document, what aliases repeat included: an alias bomb ends here.
const DOCUMENT_NODES_MAX: usize = 200_000;
const DOCUMENT_DEPTH_MAX: usize = 32;

/// What is wrong was added to the problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported;

/// Reads one YAML document; `None` when it holds nothing.
///
/// Aliases are followed, merge keys (`<<`) and tags of other programs are refused.
pub fn parse(file: &Arc<str>, bytes: &[u8], problems: &Problems) -> Result<Option<Node>, Reported> {
    let text = text_of(file, bytes, problems)?;
    let mut builder = Builder {
        file,
        problems,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes_left: DOCUMENT_NODES_MAX,
    };
    match builder.document() {
        Ok(node) => Ok(node.filter(|node| node.value != Value::Null)),
        Err(fault) => {
            let place = Place {
                file: Arc::clone(file),
                line: fault.line,
                column: fault.column,
            };
            let hint = fault.hint_in(text);
            let at = At {
                place,
                path: String::new(),
            };
            problems.error(&at, fault.what, hint);
            Err(Reported)
        }
    }
}

/// The text of a file without its byte-order mark.
fn text_of<'a>(file: &Arc<str>, bytes: &'a [u8], problems: &Problems) -> Result<&'a str, Reported> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        problems.error(
            &At::file(file),
            format!("the file has {} bytes", bytes.len()),
            format!("at most {DOCUMENT_BYTES_MAX} are read"),
        );
        return Err(Reported);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let place = place_of_byte(file, bytes, error.valid_up_to());
            let at = At {
                place,
                path: String::new(),
            };
            problems.error(&at, "this is not UTF-8", "save the file as UTF-8");
            Err(Reported)
        }
    }
}

/// The line and column of a byte; what stands before it must be UTF-8.
pub fn place_of_byte(file: &Arc<str>, bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        file: Arc::clone(file),
        line: small(before.matches('\n').count() + 1),
        column: small(before[line_start..].chars().count() + 1),
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Fault {
    line: u32,
    column: u32,
    what: String,
    hint: &'static str,
}

impl Fault {
    fn new(span: Span, what: impl Into<String>, hint: &'static str) -> Fault {
        Fault {
            line: small(span.start.line()),
            column: small(span.start.col() + 1),
            what: what.into(),
            hint,
        }
    }

    /// The parser's own words do not say what a tab in the indentation leads to.
    fn hint_in(&self, text: &str) -> &'static str {
        let line = text.lines().nth(self.line.saturating_sub(1) as usize);
        let indent = |line: &str| line.trim_start().len();
        match line {
            Some(line) if line[..line.len() - indent(line)].contains('\t') => {
                "YAML is indented with spaces, not with tabs"
            }
            _ => self.hint,
        }
    }
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Fault {
        Fault {
            line: small(error.marker().line()),
            column: small(error.marker().col() + 1),
            what: format!("this is not YAML: {}", error.info()),
            hint: "check indentation, quotes and colons here and just before",
        }
    }
}

struct Builder<'a> {
    file: &'a Arc<str>,
    problems: &'a Problems,
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Fault> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Fault::new(
                        span,
                        "a second document begins here",
                        "keep one document in a file",
                    ));
                }
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                other => root = Some(self.node(other, span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(event) => Ok(event?),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        if depth > DOCUMENT_DEPTH_MAX {
            let what = format!("more than {DOCUMENT_DEPTH_MAX} levels of nesting");
            return Err(Fault::new(span, what, "no setting is that deep"));
        }
        self.count(1, span)?;
        let place = self.place(span);
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = is_text_tag(tag.as_deref(), span)?;
                (scalar(&text, style, quoted), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), span)?;
                (Value::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                is_text_tag(tag.as_deref(), span)?;
                (Value::Map(self.entries(depth)?), anchor)
            }
            _ => return Err(Fault::new(span, "a value is missing here", "")),
        };
        let node = Node { place, value };
        if anchor > 0 {
            self.count(node.size(), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Map, Fault> {
        let mut map = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(map),
                Event::Scalar(key, style, ..) if key == "<<" && style == ScalarStyle::Plain => {
                    return Err(Fault::new(
                        span,
                        "merge keys (`<<`) are not supported",
                        "write the keys out",
                    ));
                }
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(Fault::new(span, "a key must be a plain text", "")),
            };
            self.count(1, span)?;
            let key_place = self.place(span);
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            self.add(&mut map, key, key_place, node);
        }
    }

    fn add(&self, map: &mut Map, key: String, key_place: Place, node: Node) {
        if let Some(first) = map.get(&key.to_lowercase()) {
            let (shown, first_shown) = (shown_key(&key), shown_key(&first.key));
            let line = first.key_place.line;
            let what = match first.key == key {
                true => format!("the key `{shown}` is already at line {line}"),
                false => format!("`{shown}` is the same key as `{first_shown}` at line {line}"),
            };
            let at = At {
                place: key_place,
                path: String::new(),
            };
            self.problems.error(&at, what, "remove one of the two");
            return;
        }
        let entry = Entry {
            key: key.clone(),
            key_place,
            node,
        };
        map.insert(key.to_lowercase(), entry);
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return Err(Fault::new(
                span,
                "an alias inside of its own anchor",
                "a value cannot contain itself",
            ));
        };
        self.count(node.size(), span)?;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fault> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) => {
                self.nodes_left = left;
                Ok(())
            }
            None => Err(Fault::new(
                span,
                format!("more than {DOCUMENT_NODES_MAX} values, repeated aliases included"),
                "put long lists into list files",
            )),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.file),
            line: small(span.start.line()),
            column: small(span.start.col() + 1),
        }
    }
}

/// True for `!!str`; YAML's own other tags say nothing that the reader does not check.
fn is_text_tag(tag: Option<&Tag>, span: Span) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
        Some(tag) => Err(Fault::new(
            span,
            format!("the tag `{tag}` is not supported"),
            "remove it",
        )),
    }
}

fn scalar(text: &str, style: ScalarStyle, quoted: bool) -> Value {
    let plain = style == ScalarStyle::Plain && !quoted;
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ => Value::Scalar(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree::in_file_order;
    use super::*;

    /// Parses and prints the tree as `key@line:column=value`, or the problems.
    fn check(yaml: &str, expected: &str) {
        let problems = Problems::default();
        let node = parse(&"f".into(), yaml.as_bytes(), &problems);
        let mut lines: Vec<String> = problems
            .into_sorted()
            .iter()
            .map(ToString::to_string)
            .collect();
        if lines.is_empty() {
            lines.push(
                node.unwrap()
                    .map_or("nothing".to_owned(), |node| print(&node)),
            );
        }
        assert_eq!(lines.join("\n"), expected, "{yaml}");
    }

    fn print(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(text) => format!("{text}@{}:{}", node.place.line, node.place.column),
            Value::List(items) => {
                format!(
                    "[{}]",
                    items.iter().map(print).collect::<Vec<_>>().join(" ")
                )
            }
            Value::Map(map) => {
                let entries = in_file_order(map);
                let entries = entries.iter().map(|entry| {
                    let Place { line, column, .. } = entry.key_place;
                    format!("{}@{line}:{column}={}", entry.key, print(&entry.node))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        check(
            "a: 1\nb:\n  c: [x, y]\n",
            "{a@1:1=1@1:4 b@2:1={c@3:3=[x@3:7 y@3:10]}}",
        );
        check("中: 文\n", "{中@1:1=文@1:4}");
        check("\u{feff}a: 1\r\nb: 2\r\n", "{a@1:1=1@1:4 b@2:1=2@2:4}");
    }

    #[test]
    fn nothing_and_null_are_told_from_text() {
        check("", "nothing");
        check("# only a comment\n", "nothing");
        check("---\n", "nothing");
        check(
            "a:\nb: ~\nc: ''\nd: !!str null\n",
            "{a@1:1=null b@2:1=null c@3:1=@3:4 d@4:1=null@4:4}",
        );
    }

    #[test]
    fn aliases_are_followed_within_bounds() {
        check("a: &x [1]\nb: *x\n", "{a@1:1=[1@1:8] b@2:1=[1@1:8]}");
        check(
            "a: &x [*x]\n",
            "f:1:8: an alias inside of its own anchor; a value cannot contain itself",
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let item = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [item.as_str(); 10].join(", "));
        }
        check(
            &bomb,
            "f:5:5: more than 200000 values, repeated aliases included; put long lists into list files",
        );
    }

    #[test]
    fn faults_name_their_place_and_a_hint() {
        check(
            "a: 1\na: 2\n",
            "f:2:1: the key `a` is already at line 1; remove one of the two",
        );
        check(
            "a: 1\nA: 2\n",
            "f:2:1: `A` is the same key as `a` at line 1; remove one of the two",
        );
        check(
            "a: 1\n---\nb: 1\n",
            "f:2:1: a second document begins here; keep one document in a file",
        );
        check(
            "a:\n  <<: {}\n",
            "f:2:3: merge keys (`<<`) are not supported; write the keys out",
        );
        check(
            "a: !mine 1\n",
            "f:1:4: the tag `!mine` is not supported; remove it",
        );
        check("? [1]\n: 2\n", "f:1:3: a key must be a plain text");
        check(
            &"[".repeat(40),
            "f:1:34: more than 32 levels of nesting; no setting is that deep",
        );
    }

    #[test]
    fn syntax_errors_have_a_line_and_tabs_an_explanation() {
        check(
            "a:\n\tb: 1\n",
            "f:2:2: this is not YAML: tabs disallowed within this context (block indentation); YAML is indented with spaces, not with tabs",
        );
        check(
            "a: [1, 2\n",
            "f:2:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'; check indentation, quotes and colons here and just before",
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_placed_by_its_first_bad_byte() {
        let problems = Problems::default();
        assert!(parse(&"f".into(), b"a: 1\n\xe4\xb8\xad: \xff\n", &problems).is_err());
        let problems = problems.into_sorted();
        assert_eq!(
            problems[0].to_string(),
            "f:2:4: this is not UTF-8; save the file as UTF-8"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&"f".into(), &bytes, &Problems::default());
        }

        #[test]
        fn any_yaml_like_text_is_read_or_refused(text in "[ \\t\\n\\-:?#&*!|>'\"%@{},a1\\[\\]]{0,120}") {
            let _ = parse(&"f".into(), text.as_bytes(), &Problems::default());
        }
    }
}
