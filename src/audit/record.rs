//! One record: a line of JSON that ends in its own hash.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::act::{Act, Who};

/// Longest line. What is longer is cut when it is written.
pub(super) const LINE_BYTES_MAX: usize = 128 * 1024;
/// Characters of a target, a reason or an error.
const TEXT_CHARS_MAX: usize = 1000;
/// Details of a record, as JSON.
const DETAILS_BYTES_MAX: usize = 64 * 1024;
/// What `hash` is called in a line, and what comes after it.
const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";
const HASH_CHARS: usize = 64;

/// The hash of a record, as 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash(String);

impl Hash {
    /// What stands for the record before the first.
    fn zero() -> Hash {
        Hash("0".repeat(HASH_CHARS))
    }

    fn of(bytes: &[u8]) -> Hash {
        let hex = |byte: &u8| format!("{byte:02x}");
        Hash(digest(&SHA256, bytes).as_ref().iter().map(hex).collect())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> Result<Hash, ()> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == HASH_CHARS && text.bytes().all(is_hex) {
            true => Ok(Hash(text.to_owned())),
            false => Err(()),
        }
    }
}

/// The last record of a chain: `12:9f86d0…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub number: u64,
    pub hash: Hash,
}

impl Head {
    /// Of a chain without records.
    pub(super) fn none() -> Head {
        Head {
            number: 0,
            hash: Hash::zero(),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = ();

    fn from_str(text: &str) -> Result<Head, ()> {
        let (number, hash) = text.split_once(':').ok_or(())?;
        Ok(Head {
            number: number.parse().map_err(|_| ())?,
            hash: hash.parse()?,
        })
    }
}

/// How an act ended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// It takes a while; another record has its number in `of` and says how it ended.
    Begun,
    Done,
    /// Whoever asked may not, or asked for what cannot be.
    Refused,
    /// It was allowed and did not work, or not to the end.
    Failed,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One act as it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub number: u64,
    /// RFC 3339, by the wall clock.
    pub at: String,
    /// The hash of the record before this one.
    pub prev: Hash,
    pub who: Who,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    #[serde(rename = "act")]
    pub what: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Cow<'static, str>, u64>,
    pub result: Outcome,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The record that says how this began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
}

impl Record {
    /// The record of an act that follows `before`.
    pub(super) fn new(before: &Head, at: SystemTime, act: Act, result: Outcome) -> Record {
        Record {
            number: before.number + 1,
            at: humantime::format_rfc3339_millis(at).to_string(),
            prev: before.hash.clone(),
            who: act.who,
            from: act.from.map(|address| address.to_canonical()),
            what: act.what,
            capability: act.capability,
            target: cut(act.target),
            why: cut(act.why),
            counts: act.counts,
            result,
            error: String::new(),
            of: None,
            details: act.details.map(cut_details),
            hash: None,
        }
    }

    pub(super) fn because(mut self, error: &str) -> Record {
        self.error = cut(error.to_owned());
        self
    }

    pub(super) fn ends(mut self, begun: Option<u64>) -> Record {
        self.of = begun;
        self
    }

    /// The line without its end, and the head that the chain has with it.
    pub(super) fn into_line(mut self) -> (String, Head) {
        self.hash = None;
        let number = self.number;
        let mut line = serde_json::to_string(&self).expect("a record has keys that are text");
        // The closing brace comes after the hash.
        line.pop();
        let hash = Hash::of(line.as_bytes());
        line.push_str(BEFORE_HASH);
        line.push_str(&hash.0);
        line.push_str(AFTER_HASH);
        (line, Head { number, hash })
    }

    /// Reads a line; `None` if it is not, to the byte, what was written.
    pub(super) fn read(line: &[u8]) -> Option<Record> {
        let rest = line.strip_suffix(AFTER_HASH.as_bytes())?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH_CHARS)?)?;
        let hashed = rest.strip_suffix(BEFORE_HASH.as_bytes())?;
        if Hash::of(hashed).0.as_bytes() != hash {
            return None;
        }
        serde_json::from_slice(line).ok()
    }

    /// The head that a chain has with this record.
    pub fn head(&self) -> Head {
        Head {
            number: self.number,
            hash: self.hash.clone().unwrap_or_else(Hash::zero),
        }
    }

    pub(super) fn time(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(&self.at).ok()
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn cut_details(details: Value) -> Value {
    let bytes = details.to_string().len();
    match bytes > DETAILS_BYTES_MAX {
        true => json!({ "left_out_bytes": bytes }),
        false => details,
    }
}
