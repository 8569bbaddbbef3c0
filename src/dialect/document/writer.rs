//! Writing a JSON object field by field, as Go's encoder does.

use std::fmt::Write as _;

use super::literal;

/// A JSON object being written field by field.
#[derive(Default)]
pub(crate) struct Fields {
    out: String,
}

impl Fields {
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        literal::encode(value, &mut self.out);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: impl std::fmt::Display) {
        self.name(name);
        write!(self.out, "{json}").expect("writing to a string cannot fail");
    }

    /// An array of strings; Go writes a list that was never made as `null`.
    pub(crate) fn texts(&mut self, name: &str, values: Option<&[String]>) {
        let Some(values) = values else {
            return self.raw(name, "null");
        };
        let values: Vec<String> = values.iter().map(|value| literal::encoded(value)).collect();
        self.raw(name, format_args!("[{}]", values.join(",")));
    }

    /// The object, and what comes after it.
    pub(crate) fn finish(mut self, end: &str) -> String {
        if self.out.is_empty() {
            self.out.push('{');
        }
        self.out.push('}');
        self.out.push_str(end);
        self.out
    }

    fn name(&mut self, name: &str) {
        self.out.push(if self.out.is_empty() { '{' } else { ',' });
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }
}
