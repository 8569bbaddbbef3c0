//! What an endpoint does in a case: an answer, a failure, a delay.
//!
//! The same words make a real server, `callgate mock`, do the same.

use std::time::Duration;

use bytes::Bytes;

use super::super::decide::Ask;
use super::super::sources::FileSet;
use super::super::times::less_margin;
use crate::decision::{
    Answer, Decider, Decision, Failure, FailureClass, Outcome, Refusal, Replacement, Verdict,
};
use crate::dialect::{self, Reply};
use crate::event::{DialectId, Event, TextClass};
use crate::settings::{Field, Problems, Section};

/// The code of a refusal that a case gives none.
const REFUSAL_CODE: i32 = 20001;
const STATUS: std::ops::RangeInclusive<i64> = 100..=599;

/// One step of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// How long it takes before it does anything.
    pub delay: Duration,
    pub does: Does,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Does {
    /// An answer as its dialect writes it.
    Answer(ShortAnswer),
    /// An answer byte for byte.
    Raw {
        status: u16,
        content_type: String,
        body: Bytes,
    },
    Failure(FailureClass),
}

/// An answer in our words.
#[derive(Clone, Debug, PartialEq)]
pub enum ShortAnswer {
    Allow,
    Block(Refusal),
    /// The text that the message gets instead.
    Replace(String),
}

impl Play {
    /// An answer that lets everything pass.
    pub fn allow() -> Play {
        Play {
            delay: Duration::ZERO,
            does: Does::Answer(ShortAnswer::Allow),
        }
    }

    /// How asking ends if the endpoint does this.
    pub(super) fn outcome(&self, ask: &Ask<'_>) -> Outcome {
        let (rules, endpoint, event) = (ask.rules(), ask.endpoint(), ask.event());
        let failed = |class: FailureClass| {
            Outcome::Failure(Failure::new(class, format!("`{}` does so", endpoint.name)))
        };
        let limit = rules.timeout.min(less_margin(rules.caller_timeout));
        if self.delay >= limit {
            return failed(FailureClass::Timeout);
        }
        let (status, body) = match &self.does {
            Does::Failure(class) => return failed(*class),
            // Whether an IM server's answer could carry it is the policy's to say.
            Does::Answer(ShortAnswer::Replace(text)) => {
                return Outcome::Answer(Answer::Replace(with_text(event, text)));
            }
            Does::Answer(answer) => {
                let reply = answer.reply(endpoint.dialect, event);
                (reply.status, reply.body)
            }
            Does::Raw { status, body, .. } => (*status, body.clone()),
        };
        if body.len() > endpoint.answer_bytes_max {
            return failed(FailureClass::TooLarge);
        }
        let dialect = dialect::of(endpoint.dialect);
        let reading = dialect.read_answer(event, status, &body, endpoint.answers);
        reading.outcome
    }
}

impl ShortAnswer {
    /// The answer as a business server of this dialect gives it.
    pub fn reply(&self, dialect: DialectId, event: &Event) -> Reply {
        let verdict = match self {
            ShortAnswer::Allow => Verdict::Allow,
            ShortAnswer::Block(refusal) => Verdict::Block(refusal.clone()),
            ShortAnswer::Replace(text) => Verdict::Replace(with_text(event, text)),
        };
        let decision = Decision {
            verdict,
            decider: Decider::Callback,
            ..Decision::acknowledged()
        };
        dialect::of(dialect).reply(event, &decision)
    }
}

/// The event's first text of its sender, anew.
fn with_text(event: &Event, text: &str) -> Replacement {
    let mut texts = event.texts.iter();
    let first = texts.position(|text| text.class == TextClass::Body && text.replaceable);
    match first {
        Some(index) => dialect::of(event.dialect).replace_texts(event, &[(index, text.to_owned())]),
        None => Replacement::default(),
    }
}

/// Reads `endpoint:` of a case: one step, or several for one message after the other.
pub fn read_plays(field: &Field<'_>, files: &FileSet, problems: &Problems) -> Vec<Play> {
    let sections = field.sections().into_iter();
    sections
        .filter_map(|section| read_play(&section, files, problems))
        .collect()
}

/// `None` after an error.
fn read_play(section: &Section<'_>, files: &FileSet, problems: &Problems) -> Option<Play> {
    let delay = section.field("delay");
    let (answer, failure) = (section.field("answer"), section.field("failure"));
    let (status, content_type) = (section.field("status"), section.field("content_type"));
    let (body, file) = (section.field("body"), section.field("file"));
    let (code, reason) = (section.field("code"), section.field("reason"));
    let (detail, text) = (section.field("detail"), section.field("text"));
    section.finish();
    let is_raw = status.is_set() || body.is_set() || file.is_set();
    let kinds = [answer.is_set(), failure.is_set(), is_raw];
    if kinds.into_iter().filter(|kind| *kind).count() > 1 {
        let what = "an endpoint answers, fails or sends a body as it stands: one of them";
        problems.error(section.at(), what, "make several steps of it: a list");
        return None;
    }
    for field in [&code, &reason, &detail, &text] {
        if field.is_set() && !answer.is_set() {
            let hint = "write `answer: block` or `answer: replace` beside it";
            field.error("this belongs to an `answer`", hint);
        }
    }
    let does = if failure.is_set() {
        Does::Failure(failure.choice::<FailureClass>()?)
    } else if is_raw {
        let body = match file.is_set() {
            true => Bytes::copy_from_slice(files.named(&file.text(), file.at(), problems)?),
            false if body.is_set() => Bytes::from(body.text()),
            false => Bytes::new(),
        };
        Does::Raw {
            status: match status.is_set() {
                true => u16::try_from(status.number(*STATUS.start(), *STATUS.end())).ok()?,
                false => 200,
            },
            content_type: match content_type.is_set() {
                true => content_type.text(),
                false => "application/json".to_owned(),
            },
            body,
        }
    } else if answer.is_set() {
        Does::Answer(
            match answer.one_of(&[("allow", 0), ("block", 1), ("replace", 2)])? {
                0 => ShortAnswer::Allow,
                1 => ShortAnswer::Block(Refusal {
                    code: match code.is_set() {
                        true => i32::try_from(code.number(1, i64::from(i32::MAX))).ok()?,
                        false => REFUSAL_CODE,
                    },
                    public: if reason.is_set() {
                        reason.text()
                    } else {
                        "refused".to_owned()
                    },
                    detail: if detail.is_set() {
                        detail.text()
                    } else {
                        String::new()
                    },
                }),
                _ => ShortAnswer::Replace(text.text()),
            },
        )
    } else {
        Does::Answer(ShortAnswer::Allow)
    };
    Some(Play {
        delay: if delay.is_set() {
            delay.duration()
        } else {
            Duration::ZERO
        },
        does,
    })
}
