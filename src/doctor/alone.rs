//! What an IM server would do with an answer if it asked the endpoint itself.
//!
//! Source: `docs/message-service`, from the servers' own sources.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::body::{TOO_DEEP, depth};
use crate::callback::{Heard, Probed};
use crate::decision::{Answer, Failure, FailureClass, Outcome};
use crate::dialect::{self, AnswerRules, Answers, Protections};
use crate::event::{DialectId, Event};

/// More of a compressed answer is not looked at.
const UNPACKED_MAX: u64 = 1 << 20;

/// In words: `OpenIM alone blocks it (90007)`.
pub(super) fn alone(dialect: DialectId, event: &Event, probed: &Probed) -> String {
    match dialect {
        DialectId::OpenIm => openim(event, probed),
        DialectId::OpenImV2 => openim_v2(event, probed),
        DialectId::WukongIm => wukongim(event, probed),
        DialectId::ChatServer => other("chatServer", event, probed, dialect),
        DialectId::Funtek => other("the room's server", event, probed, dialect),
    }
}

/// It does not look at the status, has no limit, and takes none of our protections.
fn read_alone(dialect: DialectId, event: &Event, heard: &Heard, status: u16) -> Outcome {
    let rules = AnswerRules {
        answers: Answers::OpenIm,
        protect: Protections::of(|_| false),
    };
    let unread = |what: &str| Outcome::Failure(Failure::new(FailureClass::InvalidAnswer, what));
    let Some(body) = unpacked(heard) else {
        return unread("it is not compressed as it says");
    };
    if is_go(dialect) && depth(&String::from_utf8_lossy(&body)) >= TOO_DEEP {
        return unread("it is nested too deep");
    }
    let dialect = dialect::of(dialect);
    dialect.read_answer(event, status, &body, rules).outcome
}

/// Written in Go, whose client asks for gzip and unpacks it by itself. `None`: it is no gzip.
fn unpacked(heard: &Heard) -> Option<Bytes> {
    if !heard.encoding.eq_ignore_ascii_case("gzip") {
        return Some(heard.body.clone());
    }
    let mut body = Vec::new();
    let mut unpacking = GzDecoder::new(&*heard.body).take(UNPACKED_MAX);
    unpacking.read_to_end(&mut body).ok()?;
    Some(body.into())
}

fn is_go(dialect: DialectId) -> bool {
    matches!(
        dialect,
        DialectId::OpenIm | DialectId::OpenImV2 | DialectId::WukongIm
    )
}

/// What OpenIM does with a redirect; `None`: the answer is none.
fn follows(probed: &Probed) -> Option<&'static str> {
    match probed.heard.as_ref()?.status {
        301..=303 => Some("follows it with a GET that has nothing of the call"),
        307 | 308 => Some("follows it with the same call"),
        _ => None,
    }
}

fn is_read_whole(probed: &Probed) -> Option<&Heard> {
    let cut = |outcome: &Outcome| match outcome {
        Outcome::Failure(failure) => {
            matches!(
                failure.class,
                FailureClass::TooLarge | FailureClass::Timeout
            ) || failure.detail.contains("cut off")
        }
        Outcome::Answer(_) => false,
    };
    probed.heard.as_ref().filter(|_| !cut(&probed.outcome))
}

fn is_too_large(probed: &Probed) -> bool {
    matches!(&probed.outcome, Outcome::Failure(failure) if failure.class == FailureClass::TooLarge)
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Allow | Answer::Reply(_) => "lets it through".to_owned(),
        Answer::Block(refusal) => format!("refuses it with code {}", refusal.code),
        Answer::Replace(_) => "lets it through changed".to_owned(),
    }
}

fn openim(event: &Event, probed: &Probed) -> String {
    if let Some(follows) = follows(probed) {
        return format!("OpenIM 3.7 and later alone {follows}");
    }
    let does = match is_read_whole(probed) {
        _ if is_too_large(probed) => "reads all of it, however long".to_owned(),
        None => "blocks it (90004), whatever failedContinue says".to_owned(),
        Some(heard) => match read_alone(DialectId::OpenIm, event, heard, 200) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => "blocks it (90007), whatever failedContinue says".to_owned(),
        },
    };
    format!("OpenIM 3.7 and later alone {does}")
}

fn openim_v2(event: &Event, probed: &Probed) -> String {
    if let Some(follows) = follows(probed) {
        return format!("OpenIM v2 alone {follows}");
    }
    let does = match is_read_whole(probed) {
        _ if is_too_large(probed) => "reads all of it, however long".to_owned(),
        None => "does what callbackFailedContinue says".to_owned(),
        Some(heard) => match read_alone(DialectId::OpenImV2, event, heard, 200) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => "does what callbackFailedContinue says".to_owned(),
        },
    };
    format!("OpenIM v2 alone {does}")
}

fn wukongim(event: &Event, probed: &Probed) -> String {
    let does = match is_read_whole(probed) {
        None => "does what on_timeout or on_error says (deny, unless set)".to_owned(),
        Some(heard) => match read_alone(DialectId::WukongIm, event, heard, heard.status) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => "does what on_error says (deny, unless set)".to_owned(),
        },
    };
    format!("WuKongIM alone {does}")
}

fn other(server: &str, event: &Event, probed: &Probed, dialect: DialectId) -> String {
    let does = match is_read_whole(probed) {
        None => "has no answer".to_owned(),
        Some(heard) => match read_alone(dialect, event, heard, heard.status) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => "has no answer that it can read".to_owned(),
        },
    };
    format!("{server} alone {does}")
}
