//! What is wrong with one answer, by name.

use std::time::Duration;

use crate::callback::{Heard, Probed};
use crate::decision::{Answer, FailureClass, Outcome};
use crate::dialect::AnswerWarning;

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub name: &'static str,
    /// It makes callgate or the IM server do another thing than its author thinks.
    pub is_grave: bool,
    pub what: String,
}

fn grave(name: &'static str, what: impl Into<String>) -> Fault {
    Fault {
        name,
        is_grave: true,
        what: what.into(),
    }
}

fn mild(name: &'static str, what: impl Into<String>) -> Fault {
    Fault {
        is_grave: false,
        ..grave(name, what)
    }
}

/// Everything that is wrong. `limit` is how long the hook waits.
pub(super) fn judge(probed: &Probed, is_unknown: bool, limit: Duration) -> Vec<Fault> {
    let Some(heard) = &probed.heard else {
        return unheard(&probed.outcome).into_iter().collect();
    };
    let mut faults = Vec::new();
    let fault = match is_unknown && !(200..300).contains(&heard.status) {
        true => Some(mild(
            "unknown_command",
            format!(
                "a command that it does not know is answered with status {}: a newer IM server sends such, so answer 200 and allow",
                heard.status
            ),
        )),
        false => of_answer(probed, heard),
    };
    faults.extend(fault);
    faults.extend(of_transport(probed, heard, limit));
    if faults.iter().all(|fault| !fault.is_grave) {
        match &probed.outcome {
            Outcome::Answer(Answer::Block(refusal)) => faults.push(mild(
                "refuses",
                format!("a harmless call is refused with code {}", refusal.code),
            )),
            Outcome::Answer(Answer::Replace(new)) if !new.is_empty() => {
                faults.push(mild("changes", "a harmless call is changed"));
            }
            _ => {}
        }
    }
    faults
}

/// No head of an answer came.
fn unheard(outcome: &Outcome) -> Option<Fault> {
    let Outcome::Failure(failure) = outcome else {
        return None;
    };
    let detail = failure.detail.as_str();
    let name = match failure.class {
        FailureClass::Connect if detail.contains("cannot be resolved") => "unresolved",
        FailureClass::Connect if detail.contains("TLS with") => "tls",
        FailureClass::Connect if detail.contains("cannot be connected") => "unreachable",
        FailureClass::Connect if detail.contains("no connection to") => "unreachable",
        FailureClass::Connect => "closes_unanswered",
        FailureClass::Internal => "secret",
        class => class.name(),
    };
    Some(grave(name, detail))
}

/// The gravest thing about the answer itself: others often follow from it.
fn of_answer(probed: &Probed, heard: &Heard) -> Option<Fault> {
    let failure = match &probed.outcome {
        Outcome::Failure(failure) => Some(failure),
        Outcome::Answer(_) => None,
    };
    let class = failure.map(|failure| failure.class);
    let detail = failure.map_or("", |failure| failure.detail.as_str());
    match (class, &heard.remark) {
        (_, Some(remark)) if (300..400).contains(&heard.status) => {
            return Some(grave("redirect", remark.clone()));
        }
        (Some(_), Some(remark)) => return Some(grave("compressed", remark.clone())),
        (Some(FailureClass::TooLarge), _) => return Some(grave("too_large", detail)),
        (Some(FailureClass::Timeout), _) => {
            return Some(grave(
                "stalls",
                "the head of its answer came, and the body did not",
            ));
        }
        (Some(FailureClass::InvalidAnswer), _) if detail.contains("cut off") => {
            return Some(grave("cut_off", detail));
        }
        (Some(FailureClass::Loop), _) => return Some(grave("loop", detail)),
        _ => {}
    }
    if let Some(warning) = probed.warning {
        // How an answer is odd says more than that it is.
        return Some(grave(warning.name(), warning.explain()));
    }
    if class == Some(FailureClass::HttpStatus) {
        let what = format!(
            "status {} is a failure, whatever the body says",
            heard.status
        );
        return Some(grave("http_status", what));
    }
    of_body(heard, class == Some(FailureClass::InvalidAnswer), detail)
}

fn of_body(heard: &Heard, is_invalid: bool, detail: &str) -> Option<Fault> {
    let body = heard.body.as_ref();
    let charset = || {
        let words = heard.content_type.to_ascii_lowercase();
        let (_, charset) = words.split_once("charset=")?;
        let charset = charset.trim_matches(['"', ' ']).to_owned();
        (!matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")).then_some(charset)
    };
    if body.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Some(grave(
            "byte_order_mark",
            "its body begins with a byte-order mark, which no reader of JSON takes",
        ));
    }
    if std::str::from_utf8(body).is_err() {
        return Some(grave(
            "charset",
            "its body is not UTF-8, so texts in it arrive as other texts",
        ));
    }
    if let Some(charset) = charset() {
        return Some(grave(
            "charset",
            format!("its body is said to be `{charset}`, and is read as UTF-8"),
        ));
    }
    if !is_invalid {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start();
    Some(if text.is_empty() {
        grave(
            "empty",
            "its body is empty, which is no answer: send at least {}",
        )
    } else if text.starts_with('<') || heard.content_type.contains("html") {
        grave(
            "html",
            format!(
                "an HTML page with status {} instead of an answer",
                heard.status
            ),
        )
    } else if text.starts_with('[') {
        grave("array", "its body is an array, and an answer is an object")
    } else if !text.starts_with('{') {
        grave("not_json", format!("its body is no JSON object: {detail}"))
    } else if serde_json::from_str::<serde_json::Value>(text).is_err() {
        grave(
            "broken_json",
            format!("its body is no whole JSON object: {detail}"),
        )
    } else {
        grave("invalid_answer", detail)
    })
}

fn of_transport(probed: &Probed, heard: &Heard, limit: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_html = heard.content_type.contains("html");
    if !heard.content_type.contains("json") && !is_html && (200..300).contains(&heard.status) {
        let said = match heard.content_type.as_str() {
            "" => "no `Content-Type`".to_owned(),
            said => format!("`Content-Type: {said}`"),
        };
        faults.push(mild(
            "content_type",
            format!("its answers have {said}; say application/json"),
        ));
    }
    if !heard.keeps_connection {
        faults.push(mild(
            "closes_connection",
            "it closes the connection after each answer, so that each call pays for a new one",
        ));
    }
    if probed.elapsed > limit / 2 {
        let what = format!(
            "its answer takes {:?} or more, and the hook waits {limit:?}",
            limit / 2
        );
        faults.push(grave("slow", what));
    }
    faults
}

/// The faults that lie in how an answer is read, and not in whether there is one.
pub(super) fn is_of_reading(name: &str) -> bool {
    AnswerWarning::ALL
        .iter()
        .any(|warning| warning.name() == name)
}
