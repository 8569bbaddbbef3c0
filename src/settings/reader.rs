//! Reads a tree of settings with types, and collects everything that is wrong with it.
//!
//! A value that cannot be read is reported and its type's default returned: the caller goes on,
//! so that every problem is found at once, and nothing is compiled after an error.

use std::cell::RefCell;
use std::time::Duration;

use strum::VariantArray;

use super::item::{DURATION_SECONDS_MAX, Item};
use super::problem::{At, Problems, suggest};
use super::shown::shown_key;
use super::tree::{Entry, Map, Node, Value, in_file_order};

/// A map whose keys we know.
pub struct Section<'a> {
    at: At,
    map: Option<&'a Map>,
    problems: &'a Problems,
    known: RefCell<Vec<&'static str>>,
    /// The section itself cannot be read, which was reported: its fields are not missing.
    muted: bool,
}

impl<'a> Section<'a> {
    pub fn root(map: &'a Map, file: At, problems: &'a Problems) -> Section<'a> {
        Section {
            at: file,
            map: Some(map),
            problems,
            known: RefCell::default(),
            muted: false,
        }
    }

    pub fn at(&self) -> &At {
        &self.at
    }

    pub fn field(&self, name: &'static str) -> Field<'a> {
        self.known.borrow_mut().push(name);
        let entry = self.map.and_then(|map| map.get(&name.to_lowercase()));
        self.child(name, entry)
    }

    /// The fields of a map whose keys the operator chooses, in the order of the file.
    pub fn fields(&self) -> Vec<(String, Field<'a>)> {
        let entries = self.map.map(in_file_order).unwrap_or_default();
        entries
            .into_iter()
            .map(|entry| (entry.key.clone(), self.child(&entry.key, Some(entry))))
            .collect()
    }

    /// Reports the keys that nobody asked for. Comes after the last [`Section::field`].
    pub fn finish(&self) {
        let known = self.known.borrow();
        for entry in self.map.into_iter().flat_map(Map::values) {
            if known
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&entry.key))
            {
                continue;
            }
            let at = At {
                place: entry.key_place.clone(),
                path: self.at.path.clone(),
            };
            let what = format!("there is no setting `{}`", shown_key(&entry.key));
            let hint = suggest(&entry.key, known.iter().copied());
            self.problems.error(&at, what, hint);
        }
    }

    fn child(&self, name: &str, entry: Option<&'a Entry>) -> Field<'a> {
        let path = match self.at.path.as_str() {
            "" => shown_key(name).into_owned(),
            path => format!("{path}.{}", shown_key(name)),
        };
        let place = match entry {
            Some(entry) if matches!(entry.node.value, Value::Scalar(_)) => &entry.node.place,
            Some(entry) => &entry.key_place,
            None => &self.at.place,
        };
        Field {
            at: At {
                place: place.clone(),
                path,
            },
            node: entry.map(|entry| &entry.node),
            problems: self.problems,
            muted: self.muted,
        }
    }
}

/// The value of one key, or its absence.
#[derive(Clone)]
pub struct Field<'a> {
    at: At,
    node: Option<&'a Node>,
    problems: &'a Problems,
    muted: bool,
}

impl<'a> Field<'a> {
    pub fn at(&self) -> &At {
        &self.at
    }

    pub fn is_set(&self) -> bool {
        self.node.is_some_and(|node| node.value != Value::Null)
    }

    pub fn is_map(&self) -> bool {
        matches!(self.node.map(|node| &node.value), Some(Value::Map(_)))
    }

    pub fn error(&self, what: impl Into<String>, hint: impl Into<String>) {
        if !self.muted {
            self.problems.error(&self.at, what, hint);
        }
    }

    pub fn warning(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.warning(&self.at, what, hint);
    }

    /// A map of further keys; absent reads as an empty one.
    pub fn section(&self) -> Section<'a> {
        let map = match self.node.map(|node| &node.value) {
            Some(Value::Map(map)) => Some(map),
            None | Some(Value::Null) => None,
            Some(Value::Scalar(_) | Value::List(_)) => {
                self.error(
                    "this must be a map of keys",
                    "write `key: value` lines below it",
                );
                None
            }
        };
        Section {
            at: self.at.clone(),
            map,
            problems: self.problems,
            known: RefCell::default(),
            muted: self.muted || (map.is_none() && self.is_set()),
        }
    }

    /// A list of maps, each with keys that we know; one map stands for a list of one.
    pub fn sections(&self) -> Vec<Section<'a>> {
        let Some(Value::List(nodes)) = self.node.map(|node| &node.value) else {
            return match self.is_set() {
                true => vec![self.section()],
                false => Vec::new(),
            };
        };
        let nodes = nodes.iter().enumerate();
        let each = nodes.map(|(index, node)| Field {
            at: At {
                place: node.place.clone(),
                path: format!("{}[{index}]", self.at.path),
            },
            node: Some(node),
            problems: self.problems,
            muted: self.muted,
        });
        each.map(|field| field.section()).collect()
    }

    /// A list of single values; one value stands for a list of one, and commas separate the
    /// items in an environment variable.
    pub fn items(&self) -> Vec<Item<'a>> {
        match self.node.map(|node| &node.value) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Scalar(text)) if self.at.place.line == 0 => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| self.item_at(self.at.clone(), part))
                .collect(),
            Some(Value::Scalar(text)) => vec![self.item_at(self.at.clone(), text)],
            Some(Value::List(nodes)) => {
                let nodes = nodes.iter().enumerate();
                nodes
                    .filter_map(|(index, node)| self.item_of(index, node))
                    .collect()
            }
            Some(Value::Map(_)) => {
                self.error("this must be a list", "write `[a, b]`");
                Vec::new()
            }
        }
    }

    fn item_of(&self, index: usize, node: &Node) -> Option<Item<'a>> {
        let at = At {
            place: node.place.clone(),
            path: format!("{}[{index}]", self.at.path),
        };
        match &node.value {
            Value::Scalar(text) => Some(self.item_at(at, text)),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.problems
                    .error(&at, "this must be one value", "write `[a, b]`");
                None
            }
        }
    }

    fn item_at(&self, at: At, text: &str) -> Item<'a> {
        Item {
            text: text.to_owned(),
            at,
            problems: self.problems,
        }
    }

    /// The single value; a missing one is a problem.
    fn item(&self) -> Option<Item<'a>> {
        match self.node.map(|node| &node.value) {
            Some(Value::Scalar(text)) => Some(self.item_at(self.at.clone(), text)),
            None | Some(Value::Null) => {
                self.error("a value is missing", "write one or remove the key");
                None
            }
            Some(Value::List(_) | Value::Map(_)) => {
                self.error("this must be one value", "write it behind the key");
                None
            }
        }
    }

    pub fn text(&self) -> String {
        self.item().map(|item| item.text).unwrap_or_default()
    }

    pub fn flag(&self) -> bool {
        self.item().and_then(|item| item.flag()).unwrap_or_default()
    }

    /// A whole number; both ends of the range are included.
    pub fn number(&self, min: i64, max: i64) -> i64 {
        self.item()
            .and_then(|item| item.number(min, max))
            .unwrap_or(min)
    }

    /// A whole number of at least 1.
    pub fn count(&self, max: u32) -> u32 {
        u32::try_from(self.number(1, i64::from(max))).unwrap_or(max)
    }

    pub fn size(&self, max: u32) -> usize {
        usize::try_from(self.count(max)).unwrap_or(usize::MAX)
    }

    /// A share from 0, excluded, to 1, included.
    pub fn share(&self) -> f64 {
        let share = self.item().map(|item| (item.text.parse::<f64>(), item));
        match share {
            Some((Ok(share), _)) if share > 0.0 && share <= 1.0 => share,
            Some((_, item)) => {
                item.error(
                    "this must be a share above 0 and up to 1",
                    "write 0.5 for a half",
                );
                1.0
            }
            None => 1.0,
        }
    }

    /// A time with its unit, such as `500ms`, `2s`, `5m`, `1h` or `1d`.
    pub fn duration(&self) -> Duration {
        self.item()
            .and_then(|item| item.duration())
            .unwrap_or_default()
    }

    /// As [`Field::duration`], but more than nothing.
    pub fn duration_above_zero(&self) -> Duration {
        let time = self.item().and_then(|item| item.duration());
        if time == Some(Duration::ZERO) {
            self.error("a time above 0 is needed", "write 1s, or 500ms");
        }
        time.unwrap_or_default()
    }

    /// As [`Field::duration`], and a bare number counts seconds, as OpenIM writes it.
    pub fn seconds(&self) -> Option<Duration> {
        self.item().and_then(|item| match item.text.parse::<f64>() {
            Ok(seconds) if (0.0..=DURATION_SECONDS_MAX).contains(&seconds) => {
                Some(Duration::from_secs_f64(seconds))
            }
            _ => item.duration(),
        })
    }

    /// A number of bytes, such as `512`, `64KiB`, `1MiB` or `1GiB`.
    pub fn bytes(&self) -> u64 {
        self.item().and_then(|item| item.bytes()).unwrap_or(1)
    }

    /// A text that `parse` can make something of.
    pub fn parsed<T>(
        &self,
        noun: &str,
        hint: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let item = self.item()?;
        let parsed = parse(&item.text);
        if parsed.is_none() {
            self.error(format!("`{}` is not a valid {noun}", item.text), hint);
        }
        parsed
    }

    /// One of a closed set of words, in any letter case.
    pub fn one_of<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        self.item().and_then(|item| item.one_of(choices))
    }

    /// A member of a closed set, by its name in any letter case.
    pub fn choice<T: VariantArray + Copy + Into<&'static str>>(&self) -> Option<T> {
        let choices = T::VARIANTS.iter().map(|member| ((*member).into(), *member));
        self.one_of(&choices.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::parse;
    use super::*;

    /// Reads `x` of a document with `read` and prints the value and the problems.
    fn check<T: std::fmt::Debug>(yaml: &str, read: impl Fn(Field<'_>) -> T, expected: &str) {
        let problems = Problems::default();
        let file = "f".into();
        let node = parse(&file, yaml.as_bytes(), &problems);
        let Some(Value::Map(map)) = node.unwrap().map(|node| node.value) else {
            panic!("no map: {yaml}");
        };
        let section = Section::root(&map, At::file(&file), &problems);
        let mut lines = vec![format!("{:?}", read(section.field("x")))];
        section.finish();
        lines.extend(problems.into_sorted().iter().map(ToString::to_string));
        assert_eq!(lines.join("\n"), expected, "{yaml}");
    }

    #[test]
    fn times_have_units() {
        check("x: 500ms", |x| x.duration(), "500ms");
        check("x: 1.5s", |x| x.duration(), "1.5s");
        check("x: 2m", |x| x.duration(), "120s");
        check("x: 2", |x| x.seconds(), "Some(2s)");
        check("x: 0.25", |x| x.seconds(), "Some(250ms)");
        check("x: 250ms", |x| x.seconds(), "Some(250ms)");
        let hint = "write a number with its unit: 500ms, 2s, 5m, 1h or 1d";
        check(
            "x: 2",
            |x| x.duration(),
            &format!("0ns\nf:1:4: x: `2` is not a valid duration; {hint}"),
        );
        check(
            "x: -2s",
            |x| x.duration(),
            &format!("0ns\nf:1:4: x: `-2s` is not a valid duration; {hint}"),
        );
        check(
            "x: 2 weeks",
            |x| x.duration(),
            &format!("0ns\nf:1:4: x: `2 weeks` is not a valid duration; {hint}"),
        );
        check(
            "x: 999999d",
            |x| x.seconds(),
            &format!("None\nf:1:4: x: `999999d` is not a valid duration; {hint}"),
        );
    }

    #[test]
    fn sizes_have_units() {
        check("x: 64KiB", |x| x.bytes(), "65536");
        check("x: 1 gib", |x| x.bytes(), "1073741824");
        check("x: 12", |x| x.bytes(), "12");
        let hint = "write bytes, or a number with KiB, MiB or GiB";
        check(
            "x: 0",
            |x| x.bytes(),
            &format!("1\nf:1:4: x: `0` is not a valid size; {hint}"),
        );
        check(
            "x: 1T",
            |x| x.bytes(),
            &format!("1\nf:1:4: x: `1T` is not a valid size; {hint}"),
        );
    }

    #[test]
    fn words_numbers_and_shares_are_checked() {
        check("x: TRUE", |x| x.flag(), "true");
        check(
            "x: yes",
            |x| x.flag(),
            "false\nf:1:4: x: `yes` is not possible here; known are `true`, `false`",
        );
        check("x: 7", |x| x.count(9), "7");
        check(
            "x: 70",
            |x| x.count(9),
            "1\nf:1:4: x: 70 is out of range; use 1 to 9",
        );
        check(
            "x: 7.5",
            |x| x.count(9),
            "1\nf:1:4: x: `7.5` is not a whole number; use 1 to 9",
        );
        check("x: 0.5", |x| x.share(), "0.5");
        check(
            "x: 1.5",
            |x| x.share(),
            "1.0\nf:1:4: x: this must be a share above 0 and up to 1; write 0.5 for a half",
        );
        check(
            "x: [1]",
            |x| x.flag(),
            "false\nf:1:1: x: this must be one value; write it behind the key",
        );
        check(
            "x:",
            |x| x.text(),
            "\"\"\nf:1:1: x: a value is missing; write one or remove the key",
        );
    }

    #[test]
    fn a_list_may_be_one_value_and_names_the_bad_item() {
        let texts = |x: Field<'_>| {
            x.items()
                .iter()
                .map(|item| item.text.clone())
                .collect::<Vec<_>>()
        };
        check("x: [a, 'b c']", texts, r#"["a", "b c"]"#);
        check("x: a, b", texts, r#"["a, b"]"#);
        check(
            "x: [a, [b]]",
            texts,
            "[\"a\"]\nf:1:8: x[1]: this must be one value; write `[a, b]`",
        );
    }

    #[test]
    fn unknown_keys_are_reported_with_the_nearest_known_one() {
        check(
            "x: 1\nxx: 2",
            |x| x.text(),
            "\"1\"\nf:2:1: there is no setting `xx`; did you mean `x`?",
        );
        check(
            "X: 1\nother: 2",
            |x| x.text(),
            "\"1\"\nf:2:1: there is no setting `other`; known is only `x`",
        );
    }
}
