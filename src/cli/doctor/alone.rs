//! What an IM server would do with an answer if it asked the endpoint itself.
//!
//! Source: `docs/message-service`, from the servers' own sources.

use crate::callback::{Heard, Probed};
use crate::decision::{Answer, FailureClass, Outcome};
use crate::dialect::{self, AnswerRules, Answers, Protections};
use crate::event::{DialectId, Event};

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
    let dialect = dialect::of(dialect);
    dialect
        .read_answer(event, status, &heard.body, rules)
        .outcome
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
