//! CloudEvents that the mock is told, one or a batch: whether they are whole, and what is in them.
//!
//! Source: CloudEvents 1.0.2, JSON format and HTTP binding.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::dialect;
use crate::event::{DialectId, Event, Hook};

const BATCH: &str = "application/cloudevents-batch+json";
const ONE: &str = "application/cloudevents+json";
/// What callgate calls where the form of the data stands, and what happened.
const SOURCE: &str = "/callgate/";
const KIND: &str = "callgate.v1.";

/// One of them, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct CloudEvent {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sequence: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What a body of CloudEvents holds.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub told: Vec<CloudEvent>,
    /// Those whose data can be read.
    pub events: Vec<Event>,
    /// What is wrong with the whole.
    pub fault: Option<String>,
}

/// `None`: the content type says that it is something else.
pub(super) fn read(content_type: &str, body: &[u8]) -> Option<Batch> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let items = match serde_json::from_slice(body) {
        Ok(Value::Array(items)) if kind.eq_ignore_ascii_case(BATCH) => items,
        Ok(one) if kind.eq_ignore_ascii_case(ONE) => vec![one],
        _ if !kind.eq_ignore_ascii_case(BATCH) && !kind.eq_ignore_ascii_case(ONE) => return None,
        Ok(_) => return Some(Batch::of_fault("a batch of CloudEvents is an array")),
        Err(error) => return Some(Batch::of_fault(&format!("the body is no JSON: {error}"))),
    };
    let mut batch = Batch::default();
    let mut ids = HashSet::new();
    for item in &items {
        let mut told = CloudEvent::of(item);
        if !told.id.is_empty() && !ids.insert(told.id.clone()) {
            told.fault
                .get_or_insert("its id is in the batch twice".to_owned());
        }
        match event_of(item) {
            Ok(event) => batch.events.push(event),
            // What came first says more.
            Err(why) => {
                told.fault.get_or_insert(why);
            }
        }
        batch.told.push(told);
    }
    Some(batch)
}

impl Batch {
    fn of_fault(what: &str) -> Batch {
        Batch {
            fault: Some(what.to_owned()),
            ..Batch::default()
        }
    }
}

impl CloudEvent {
    fn of(item: &Value) -> CloudEvent {
        let Value::Object(fields) = item else {
            return CloudEvent {
                fault: Some("it is no object".to_owned()),
                ..CloudEvent::default()
            };
        };
        CloudEvent {
            id: text(fields, "id").to_owned(),
            kind: text(fields, "type").to_owned(),
            subject: text(fields, "subject").to_owned(),
            sequence: text(fields, "sequence").to_owned(),
            fault: fault_of(fields),
        }
    }
}

/// The first thing that CloudEvents 1.0 forbid.
fn fault_of(fields: &Map<String, Value>) -> Option<String> {
    for name in ["id", "source", "type"] {
        if text(fields, name).is_empty() {
            return Some(format!("`{name}` must be a text that is not empty"));
        }
    }
    if text(fields, "specversion") != "1.0" {
        return Some("`specversion` must be \"1.0\"".to_owned());
    }
    let time = fields.get("time");
    if time.is_some() && humantime::parse_rfc3339(text(fields, "time")).is_err() {
        return Some("`time` must be as RFC 3339 has it".to_owned());
    }
    if fields.contains_key("data") && fields.contains_key("data_base64") {
        return Some("`data` and `data_base64` stand beside each other".to_owned());
    }
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name == "data_base64" || name.bytes().all(is_part)
    };
    let odd = fields.keys().find(|name| !is_name(name))?;
    Some(format!(
        "`{odd}` is no name of an attribute: those have small letters and digits"
    ))
}

/// The event in its data, in the form that its source names.
fn event_of(item: &Value) -> Result<Event, String> {
    let fields = item.as_object().ok_or("it is no object")?;
    let source = text(fields, "source");
    let dialect = source.strip_prefix(SOURCE).and_then(DialectId::from_name);
    let dialect = dialect.ok_or_else(|| format!("its source `{source}` is none of callgate's"))?;
    let kind = text(fields, "type");
    let hook = kind.strip_prefix(KIND).and_then(dialect::hook);
    let hook: Hook = hook.ok_or_else(|| format!("its type `{kind}` is no hook of callgate's"))?;
    let data: Bytes = match (fields.get("data"), fields.get("data_base64")) {
        (Some(data), _) => data.to_string().into(),
        (None, Some(Value::String(packed))) => {
            let data = STANDARD.decode(packed);
            data.map_err(|_| "`data_base64` is no base64")?.into()
        }
        (None, _) => return Err("it has no data".to_owned()),
    };
    let read = dialect::of(dialect).decode_one(hook, "", data);
    let event = read.map_err(|unreadable| unreadable.reason)?;
    match event.hook == hook {
        true => Ok(event),
        false => Err(format!(
            "its type is `{kind}`, and its data is of `{}`",
            event.hook
        )),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(content_type: &str, body: &str) -> Vec<String> {
        let batch = read(content_type, body.as_bytes()).expect("it is said to be CloudEvents");
        let told = batch.told.into_iter().filter_map(|one| one.fault);
        batch.fault.into_iter().chain(told).collect()
    }

    fn check(body: &str, part: &str) {
        let found = faults("application/cloudevents-batch+json; charset=utf-8", body);
        assert!(
            found.iter().any(|fault| fault.contains(part)),
            "{part}: {found:?}"
        );
    }

    #[test]
    fn what_is_no_cloud_event_is_told() {
        let good = r#"{"specversion":"1.0","id":"a","source":"/callgate/openim","type":"callgate.v1.afterSendSingleMsg","data":{"callbackCommand":"callbackAfterSendSingleMsgCommand","serverMsgID":"s1","clientMsgID":"c1","operationID":"op1","sendID":"u1","recvID":"u2","sessionType":1,"contentType":101,"sendTime":1795871070373,"content":"{\"content\":\"hi\"}"}}"#;
        let batch = "application/cloudevents-batch+json";
        assert_eq!(faults(batch, &format!("[{good}]")), [""; 0]);
        assert_eq!(faults("application/cloudevents+json", good), [""; 0]);
        check(&format!("[{good},{good}]"), "twice");
        check("{}", "is an array");
        check("[", "no JSON");
        check("[1]", "no object");
        check("[{}]", "`id` must be");
        check(
            &good
                .replace("\"id\":\"a\"", "\"id\":\"\"")
                .replacen('{', "[{", 1)
                .replace("}}", "}}]"),
            "`id` must be",
        );
        for (from, to, part) in [
            ("\"1.0\"", "\"0.3\"", "specversion"),
            ("\"data\":", "\"time\":\"yesterday\",\"data\":", "RFC 3339"),
            ("\"data\":", "\"data_base64\":\"\",\"data\":", "beside"),
            ("\"data\":", "\"Some_Thing\":1,\"data\":", "`Some_Thing`"),
            ("/callgate/openim", "/other", "none of callgate's"),
            ("afterSendSingleMsg", "afterNothing", "no hook"),
            ("\"data\":{", "\"dat\":{", "no data"),
            (
                "callbackAfterSend",
                "callbackBeforeSend",
                "data is of `beforeSendSingleMsg`",
            ),
        ] {
            check(&format!("[{}]", good.replace(from, to)), part);
        }
        assert!(read("application/json", b"{}").is_none());
        assert!(read("", b"[]").is_none());
    }
}
