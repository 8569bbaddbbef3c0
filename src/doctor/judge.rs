//! What is wrong with one answer, by name.

use std::time::Duration;

use super::body::of_body;
use super::fault::{Fault, grave, mild};
use crate::callback::{Heard, Probed};
use crate::decision::{Answer, FailureClass, Outcome};
use crate::dialect::AnswerWarning;

/// Everything that is wrong. `limit` is how long the hook waits, and `own` the hash of the policy,
/// by which callgate knows its own answers.
pub(super) fn judge(probed: &Probed, is_unknown: bool, limit: Duration, own: &str) -> Vec<Fault> {
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
        false => of_answer(probed, heard, own),
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
        FailureClass::InvalidAnswer => {
            let what = format!("what it says is not HTTP: {detail}");
            return Some(grave("not_http", what));
        }
        class => class.name(),
    };
    Some(grave(name, detail))
}

/// The gravest thing about the answer itself: others often follow from it.
fn of_answer(probed: &Probed, heard: &Heard, own: &str) -> Option<Fault> {
    let failure = match &probed.outcome {
        Outcome::Failure(failure) => Some(failure),
        Outcome::Answer(_) => None,
    };
    let class = failure.map(|failure| failure.class);
    let detail = failure.map_or("", |failure| failure.detail.as_str());
    if class == Some(FailureClass::Loop) || comes_back(heard, own) {
        let what = "the call came back to callgate: its URL leads here by another name";
        return Some(grave("loop", what));
    }
    match (class, &heard.remark) {
        (_, Some(remark)) if (300..400).contains(&heard.status) => {
            return Some(grave("redirect", remark.clone()));
        }
        (_, Some(remark)) => return Some(grave("compressed", remark.clone())),
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
        return Some(match is_tls_port(heard) {
            true => grave(
                "tls_port",
                "it speaks TLS there, and is called with http://",
            ),
            false => grave("http_status", what),
        });
    }
    of_body(heard, class == Some(FailureClass::InvalidAnswer), detail)
}

/// callgate's own word that it was called by itself, or an answer by the very policy that calls.
fn comes_back(heard: &Heard, own: &str) -> bool {
    let by = heard.callgate.as_deref().and_then(|by| by.split_once('-'));
    heard.callgate_failure == FailureClass::Loop.name() || by.is_some_and(|(_, hash)| hash == own)
}

/// Servers that speak TLS answer plain text with 400 and say so.
fn is_tls_port(heard: &Heard) -> bool {
    heard.status == 400 && String::from_utf8_lossy(&heard.body).contains("HTTPS")
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
    if heard.is_http_1_0 {
        faults.push(mild("http_1_0", "it answers as HTTP/1.0"));
    }
    if let Some(version) = &heard.callgate {
        let what =
            format!("a callgate answers there, by its policy {version}, and no business server");
        faults.push(mild("callgate", what));
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// The names of what is wrong with an answer by a callgate of this policy.
    fn names(callgate: &str, callgate_failure: &str) -> Vec<&'static str> {
        let heard = Heard {
            status: 200,
            content_type: "application/json".to_owned(),
            remark: None,
            encoding: String::new(),
            is_http_1_0: false,
            keeps_connection: true,
            was_kept: true,
            callgate: Some(callgate.to_owned()).filter(|version| !version.is_empty()),
            callgate_failure: callgate_failure.to_owned(),
            is_whole: true,
            body: Bytes::from_static(b"{}"),
        };
        let probed = Probed {
            outcome: Outcome::Answer(Answer::Allow),
            warning: None,
            elapsed: Duration::from_millis(1),
            heard: Some(heard),
        };
        let faults = judge(&probed, false, Duration::from_secs(5), "abc123");
        faults.iter().map(|fault| fault.name).collect()
    }

    /// A proxy may take away what our calls are known by; the answer says where it came from.
    #[test]
    fn an_answer_by_the_policy_that_asks_is_a_loop() {
        assert_eq!(names("", ""), [""; 0]);
        assert_eq!(names("7-abc123", ""), ["loop", "callgate"]);
        assert_eq!(names("7-ffffff", ""), ["callgate"]);
        assert_eq!(names("7-ffffff", "timeout"), ["callgate"]);
        assert_eq!(names("7-ffffff", "loop"), ["loop", "callgate"]);
    }
}
