//! A decision as it is kept and shown.

use serde::{Serialize, Serializer};

use super::id::{DecisionId, time_text};

/// A decision of some time ago: neither the text nor what matched in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    #[serde(serialize_with = "as_text")]
    pub id: DecisionId,
    /// Microseconds since 1970; as RFC 3339 in JSON.
    #[serde(rename = "time", serialize_with = "as_time")]
    pub at_us: u64,
    pub hook: String,
    pub dialect: String,
    pub caller: Option<String>,
    /// The server's id of the message, and the client's.
    pub message_id: String,
    pub client_message_id: String,
    pub operation_id: String,
    pub sender: String,
    pub target: String,
    /// A group, a room, or two people as `a:b` in the order of the alphabet.
    pub conversation: String,
    pub content_type: i32,
    /// A name of [`Kind`](super::Kind).
    pub outcome: String,
    pub action: String,
    pub code: Option<i32>,
    pub decided_by: String,
    pub class: Option<String>,
    pub skipped: Option<String>,
    pub reviewed: bool,
    pub why: String,
    pub version: RowVersion,
    pub matches: Vec<RowMatch>,
    /// Matches beyond those that are kept.
    pub matches_left_out: u64,
    pub endpoint: Option<String>,
    /// What the endpoint said, or a class of failure.
    pub answer: Option<String>,
    pub filter_us: u64,
    pub endpoint_us: u64,
    pub total_us: u64,
    /// For how many it stands.
    pub weight: u32,
}

/// Which policy decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowVersion {
    pub number: u64,
    pub hash: String,
}

/// What matched, without the words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowMatch {
    pub list: String,
    /// The line of the entry in its file, from 1; 0 where it stands in the policy itself.
    pub line: u32,
    /// A hash of the entry as its file had it.
    #[serde(serialize_with = "as_hex")]
    pub entry: u64,
    /// The same of what the list compares it as: equal for two ways to write one word.
    #[serde(serialize_with = "as_hex")]
    pub form: u64,
    pub action: String,
    pub place: String,
    /// Where in the text, the end not included: in bytes and in characters.
    pub bytes: (u64, u64),
    pub chars: (u64, u64),
    /// What it was seen through.
    pub folds: Vec<String>,
}

impl Row {
    /// RFC 3339 with milliseconds.
    pub fn time(&self) -> String {
        time_text(self.at_us)
    }
}

fn as_text<S: Serializer>(id: &DecisionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn as_time<S: Serializer>(at_us: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*at_us))
}

fn as_hex<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{hash:016x}"))
}
