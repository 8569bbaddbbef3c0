//! YAML, read as the JSON that says the same, with every value in its line.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Whether a text without a name that says so is YAML with more than the items of one list.
pub(super) fn is_yaml(text: &str) -> bool {
    let lines = text.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#') && line != "---"
    });
    let mut lines = lines.peekable();
    let first = lines.peek().map_or("", |line| line.trim());
    let named = first.trim_start_matches("- ").split_once(':');
    let is_name = |name: &str| {
        let name = name.trim();
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "_- ".contains(c))
    };
    let opens = |rest: &str| {
        let rest = rest.trim();
        matches!(rest, "" | "|" | ">" | "|-" | ">-") || rest.starts_with(['[', '&'])
    };
    let begins = named.is_some_and(|(name, rest)| {
        is_name(name) && (opens(rest) || first.starts_with("- ") && rest.starts_with(' '))
    });
    // What belongs to the first line stands deeper, or is an item.
    let goes_on = |line: &str| {
        line.starts_with([' ', '-', ']'])
            || line.split_once(':').is_some_and(|(name, _)| is_name(name))
    };
    begins && lines.skip(1).all(goes_on) && as_json(text).is_ok()
}

/// The JSON of each document, one behind the other. Errors: it is no YAML, with line and column.
pub(super) fn as_json(text: &str) -> Result<String, String> {
    let mut writing = Writing::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let at = error.marker();
            format!(
                "this is no YAML: {} at line {} column {}",
                error.info(),
                at.line(),
                at.col() + 1
            )
        })?;
        writing.go_to(span.start.line());
        let is_list = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if is_list && writing.is_name() {
            let line = span.start.line();
            return Err(format!("line {line}: a list as a name is no word list"));
        }
        match event {
            Event::SequenceStart(..) => writing.open('['),
            Event::MappingStart(..) => writing.open('{'),
            Event::SequenceEnd => writing.close(']'),
            Event::MappingEnd => writing.close('}'),
            Event::Scalar(text, style, ..) => writing.scalar(&text, style == ScalarStyle::Plain),
            Event::Alias(_) => writing.scalar("null", true),
            _ => {}
        }
    }
    Ok(writing.json)
}

#[derive(Default)]
struct Writing {
    json: String,
    line: usize,
    /// Open arrays and objects, with the values in each.
    open: Vec<(char, usize)>,
}

impl Writing {
    fn go_to(&mut self, line: usize) {
        let line = line.max(1);
        self.line = self.line.max(1);
        for _ in self.line..line {
            self.json.push('\n');
        }
        self.line = self.line.max(line);
    }

    /// Writes what stands before a value.
    fn part(&mut self) {
        if let Some((sign, count)) = self.open.last_mut() {
            let is_value = *sign == '{' && *count % 2 == 1;
            match (*count, is_value) {
                (_, true) => self.json.push(':'),
                (0, false) => {}
                (_, false) => self.json.push(','),
            }
            *count += 1;
        }
    }

    fn open(&mut self, sign: char) {
        self.part();
        self.json.push(sign);
        self.open.push((sign, 0));
    }

    fn close(&mut self, sign: char) {
        self.open.pop();
        self.json.push(sign);
    }

    fn is_name(&self) -> bool {
        matches!(self.open.last(), Some(('{', count)) if count % 2 == 0)
    }

    fn scalar(&mut self, text: &str, is_plain: bool) {
        let is_field = matches!(self.open.last(), Some(('{', count)) if count % 2 == 1);
        self.part();
        // An item is a word whatever it looks like.
        let is_literal = is_plain && is_field && is_literal(text);
        match is_literal {
            true if text.is_empty() || text == "~" => self.json.push_str("null"),
            true => self.json.push_str(text),
            false => {
                let text = serde_json::to_string(text).expect("a text is JSON");
                self.json.push_str(&text);
            }
        }
    }
}

fn is_literal(text: &str) -> bool {
    let is_number = serde_json::from_str::<serde_json::Number>(text).is_ok();
    is_number || matches!(text, "" | "~" | "null" | "true" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, json: &str) {
        assert_eq!(as_json(yaml).as_deref(), Ok(json), "{yaml}");
    }

    #[test]
    fn values_stand_in_their_lines() {
        check("- a\n- b\n", "[\"a\"\n,\"b\"\n]");
        check(
            "w:\n- a: 1\n  b: x y\n",
            "{\"w\"\n:[{\"a\":1\n,\"b\":\"x y\"\n}]}",
        );
        check("w: |\n  a\n  b\n", "{\"w\"\n:\"a\\nb\\n\"\n\n}");
        check("- 138\n- ~\n", "[\"138\"\n,\"~\"\n]");
        check("- a\n---\n- b\n", "[\"a\"\n]\n[\"b\"\n]");
    }

    #[test]
    fn a_list_in_a_name_is_no_panic() {
        for text in [
            "? [a]\n: b\n",
            "[a: b]",
            "{a}",
            "&a [*a]",
            "a: b: c",
            "\t- x",
            "*a",
        ] {
            if let Ok(json) = as_json(text) {
                assert!(
                    serde_json::from_str::<serde_json::Value>(&json).is_ok(),
                    "{text}: {json}"
                );
            }
        }
    }
}
