//! Every call that real servers made, made again: through callgate nothing may differ that nobody
//! asked for.
//!
//! The yardstick is the recording itself: a business server that the IM server calls directly
//! would get exactly these targets, content types and bytes, in this order.

mod grpc;
mod openim;
mod wukongim;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use callgate::dialect;
use callgate::event::DialectId;
use serde_json::Value;

use crate::harness::{Request, Setup, calls, http};

/// What OpenIM waits for an answer, less what we leave it.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// After the last call, or the restart, everything has arrived in this.
pub const ARRIVED_WITHIN: Duration = Duration::from_secs(60);
/// Headers of a delivery that the IM server does not send, or sends with other values.
pub const OTHER_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "connection",
    "accept",
    "accept-encoding",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-sequence",
    "webhook-missing",
    "webhook-out-of-order",
    "webhook-replay",
    "x-callback-timeout-ms",
    "x-callgate-hop",
];

/// One recorded call.
pub struct Call {
    /// `/openim/callbackX?key=…`; empty over gRPC.
    pub target: String,
    /// The event's name over gRPC.
    pub event: String,
    pub headers: Vec<(String, String)>,
    body: String,
}

pub fn recording(name: &str) -> Vec<Call> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded");
    let text = fs::read_to_string(root.join(format!("{name}.jsonl"))).unwrap();
    text.lines().map(call).collect()
}

fn call(line: &str) -> Call {
    let call: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
    let header = |pair: &Value| {
        let part = |at: usize| pair[at].as_str().unwrap().to_owned();
        (part(0), part(1))
    };
    let headers = call["headers"].as_array();
    Call {
        target: text("target"),
        event: text("event"),
        headers: headers.map_or_else(Vec::new, |pairs| pairs.iter().map(header).collect()),
        body: text("body"),
    }
}

impl Call {
    pub fn is_before(&self) -> bool {
        self.target.contains("/callbackBefore") && !self.target.contains("callbackBeforeAfterMsg")
    }

    pub fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn post(&self, connection: &mut http::Connection) -> http::Answer {
        let mut bytes = format!("POST {} HTTP/1.1\r\nHost: im\r\n", self.target);
        for (name, value) in &self.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str(&format!(
            "Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        ));
        connection.exchange(bytes.as_bytes()).unwrap()
    }

    /// What the business server gets of it: target, content type and body.
    pub fn delivered(&self) -> Delivered {
        Delivered {
            target: self.target.replace("/openim", "/callback"),
            content_type: self.header("content-type").to_owned(),
            body: self.body.clone(),
        }
    }

    /// The conversation that it belongs to; empty for what has no order.
    pub fn conversation(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        match (text("groupID"), text("sendID"), text("recvID")) {
            ("", "", _) => String::new(),
            ("", a, b) => format!("{} {}", a.min(b), a.max(b)),
            (group, ..) => group.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    pub target: String,
    pub content_type: String,
    pub body: String,
}

impl Delivered {
    pub fn of(request: &Request) -> Delivered {
        Delivered {
            target: request.path.clone(),
            content_type: request.header("content-type").to_owned(),
            body: String::from_utf8(request.body.clone()).unwrap(),
        }
    }
}

/// Every hook of a dialect is on, and asks or tells this server.
pub fn all_hooks(dialect: DialectId, url: &str) -> Setup {
    let hooks: String = dialect::of(dialect)
        .hooks()
        .iter()
        .map(|info| format!("  \"{}\": {{endpoint: business}}\n", info.hook.name))
        .collect();
    Setup::new(&format!(
        "endpoints: {{business: {{url: \"{url}\", dialect: {dialect}, retry_waits: [50ms, 50ms]}}}}\n\
         hooks:\n{hooks}"
    ))
}

pub fn assert_canonical(call: &Call, answer: &http::Answer) {
    assert_eq!(answer.status, 200, "{}", call.target);
    assert!(
        answer.took < ANSWERED_WITHIN,
        "{} {:?}",
        call.target,
        answer.took
    );
    if call.target.starts_with("/wukongim") {
        assert_eq!(answer.text(), "");
        return;
    }
    assert_eq!(answer.header("content-type"), "application/json");
    let echoes = call.target.contains("callbackBeforeSetGroupInfo");
    if !(call.is_before() && echoes) {
        return assert_eq!(answer.text(), calls::ALLOW, "{}", call.target);
    }
    let request: Value = serde_json::from_str(&call.body).unwrap();
    let answer = answer.json();
    for name in ["actionCode", "errCode", "nextCode"] {
        assert_eq!(answer[name], 0, "{answer}");
    }
    for name in ["groupID", "groupName", "introduction", "faceURL"] {
        assert_eq!(answer[name], request[name], "{answer}");
    }
}
