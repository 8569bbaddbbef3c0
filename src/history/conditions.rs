//! What is looked for, and how SQL asks for it.

use rusqlite::types::Value;

use super::hash::hash_of;
use super::id_form::Ids;
use super::prepare::form_of;
use super::record::pair;
use crate::policy::Snapshot;

/// What to look for; what is empty or `None` asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Microseconds since 1970; `to_us` is not included.
    pub from_us: Option<u64>,
    pub to_us: Option<u64>,
    /// The server's id of the message, or the client's.
    pub message: Option<String>,
    pub operation: Option<String>,
    pub sender: Option<String>,
    pub target: Option<String>,
    pub conversation: Option<String>,
    pub hook: Option<String>,
    pub caller: Option<String>,
    /// Names of [`Kind`](super::Kind); one of them.
    pub outcomes: Vec<String>,
    pub class: Option<String>,
    pub reviewed: Option<bool>,
    pub version: Option<u64>,
    pub endpoint: Option<String>,
    pub list: Option<String>,
    pub line: Option<u32>,
    pub word: Option<WordForms>,
    /// The hash of an entry, as a decision shows it.
    pub entry: Option<u64>,
}

/// What a word is known by: its entries, however they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordForms {
    hashes: Vec<u64>,
}

impl WordForms {
    /// Of a word as each list of a policy reads it.
    pub fn of(snapshot: &Snapshot, word: &str) -> WordForms {
        let lists = snapshot.lists();
        let forms = lists.map(|list| form_of(snapshot, &list.name, word));
        let mut hashes: Vec<u64> = forms.chain([hash_of(word)]).collect();
        hashes.sort_unstable();
        hashes.dedup();
        WordForms { hashes }
    }
}

impl Filter {
    /// What of a file is sought; `ids` says how ids are written in it.
    pub(super) fn conditions(&self, form: Option<&Ids>) -> Conditions {
        let filter = self;
        let mut sought = Conditions::default();
        let ids = |id: &str| match form {
            Some(form) => form.sought(id),
            None => vec![id.to_owned()],
        };
        if let Some(id) = &filter.message {
            sought.one_of(&["message", "client_message"], &ids(id));
        }
        for (column, id) in [
            ("operation", &filter.operation),
            ("sender", &filter.sender),
            ("target", &filter.target),
        ] {
            if let Some(id) = id {
                sought.one_of(&[column], &ids(id));
            }
        }
        if let Some(conversation) = &filter.conversation {
            let mut known = ids(conversation);
            if let Some((one, other)) = conversation.split_once(':') {
                known.extend(ids(&pair(one, other)));
            }
            sought.one_of(&["conversation"], &known);
        }
        for (column, name) in [
            ("hook", &filter.hook),
            ("caller", &filter.caller),
            ("class", &filter.class),
            ("endpoint", &filter.endpoint),
        ] {
            if let Some(name) = name {
                sought.named(column, std::slice::from_ref(name));
            }
        }
        if !filter.outcomes.is_empty() {
            sought.named("outcome", &filter.outcomes);
        }
        if let Some(reviewed) = filter.reviewed {
            sought.equal("reviewed", Value::from(reviewed));
        }
        if let Some(version) = filter.version {
            sought.equal("version", Value::from(version as i64));
        }
        sought.matching(filter);
        sought
    }
}

/// Conditions of SQL with their values.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub sql: String,
    pub values: Vec<Value>,
}

impl Conditions {
    fn equal(&mut self, column: &str, value: Value) {
        self.values.push(value);
        self.sql += &format!(" AND {column} = ?{}", self.values.len());
    }

    fn one_of(&mut self, columns: &[&str], values: &[String]) {
        let places = self.places(values.iter().map(|value| Value::from(value.clone())));
        // An index is partial, and its condition must be seen.
        let each = columns
            .iter()
            .map(|column| format!("({column} <> '' AND {column} IN ({places}))"));
        let each: Vec<_> = each.collect();
        self.sql += &format!(" AND ({})", each.join(" OR "));
    }

    fn named(&mut self, column: &str, names: &[String]) {
        let places = self.places(names.iter().map(|name| Value::from(name.clone())));
        self.sql += &format!(" AND {column} IN (SELECT id FROM names WHERE name IN ({places}))");
    }

    fn matching(&mut self, filter: &Filter) {
        let mut inner = Conditions {
            sql: String::new(),
            values: std::mem::take(&mut self.values),
        };
        if let Some(list) = &filter.list {
            inner.named("list", std::slice::from_ref(list));
        }
        if let Some(line) = filter.line {
            inner.equal("line", Value::from(line));
        }
        if let Some(entry) = filter.entry {
            inner.equal("entry", Value::from(entry as i64));
        }
        if let Some(word) = &filter.word {
            let places = inner.places(word.hashes.iter().map(|hash| Value::from(*hash as i64)));
            inner.sql += &format!(" AND (form IN ({places}) OR entry IN ({places}))");
        }
        self.values = inner.values;
        if !inner.sql.is_empty() {
            self.sql += &format!(
                " AND id IN (SELECT decision FROM matches WHERE 1{})",
                inner.sql
            );
        }
    }

    fn places(&mut self, values: impl Iterator<Item = Value>) -> String {
        let first = self.values.len() + 1;
        self.values.extend(values);
        let places = (first..=self.values.len()).map(|number| format!("?{number}"));
        places.collect::<Vec<_>>().join(",")
    }
}
