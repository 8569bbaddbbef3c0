//! What somebody does, before it is known how it ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// Somebody with a name here; `token` is the id of the token that was shown, if one was.
    Operator {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Somebody of whom a reverse proxy said who he is.
    Proxied { name: String },
    /// A command on this machine, by its token or by opening the files itself.
    Cli {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
    },
    /// Whoever reaches the operators' port where that is enough: from this machine.
    Loopback,
    /// The same from elsewhere, where `admin.unprotected` lets in everybody.
    Anyone,
    /// Nobody that is known here.
    Nobody,
    /// Whoever wrote the policy files: their owner, where the system tells.
    Files {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
    },
    /// callgate itself.
    Callgate,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_uid = |f: &mut fmt::Formatter<'_>, kind: &str, uid: &Option<u32>| match uid {
            Some(uid) => write!(f, "{kind} (uid {uid})"),
            None => f.write_str(kind),
        };
        match self {
            Who::Operator { name, token: None } => f.write_str(name),
            Who::Operator {
                name,
                token: Some(token),
            } => write!(f, "{name} (token {token})"),
            Who::Proxied { name } => write!(f, "{name} (proxy)"),
            Who::Cli { uid } => with_uid(f, "cli", uid),
            Who::Loopback => f.write_str("loopback"),
            Who::Anyone => f.write_str("anyone"),
            Who::Nobody => f.write_str("nobody"),
            Who::Files { uid } => with_uid(f, "files", uid),
            Who::Callgate => f.write_str("callgate"),
        }
    }
}

/// Something that changes what is kept or in force, or shows what people wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub who: Who,
    /// Where it was asked from.
    pub from: Option<IpAddr>,
    /// Noun and verb, such as `outbox.discard`: a closed set, written in the documents.
    pub what: Cow<'static, str>,
    /// The right that it needs.
    pub capability: Option<Cow<'static, str>>,
    /// What it is done to. Never what people wrote, and no secret.
    pub target: String,
    /// The reason that was given.
    pub why: String,
    pub counts: BTreeMap<Cow<'static, str>, u64>,
    pub details: Option<Value>,
}

impl Act {
    pub fn new(what: &'static str, who: Who) -> Act {
        Act {
            who,
            from: None,
            what: what.into(),
            capability: None,
            target: String::new(),
            why: String::new(),
            counts: BTreeMap::new(),
            details: None,
        }
    }

    pub fn from(mut self, address: Option<IpAddr>) -> Act {
        self.from = address;
        self
    }

    pub fn needs(mut self, capability: impl Into<Cow<'static, str>>) -> Act {
        self.capability = Some(capability.into());
        self
    }

    pub fn on(mut self, target: impl Into<String>) -> Act {
        self.target = target.into();
        self
    }

    pub fn because(mut self, why: impl Into<String>) -> Act {
        self.why = why.into();
        self
    }

    pub fn count(mut self, of: &'static str, count: u64) -> Act {
        self.counts.insert(of.into(), count);
        self
    }

    pub fn with(mut self, details: Value) -> Act {
        self.details = Some(details);
        self
    }
}
