//! What an IM server would do with an answer if it asked the endpoint itself.
//!
//! Source: `docs/message-service`, from the servers' own sources.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::body::{TOO_DEEP, depth};
use super::said::{Said, said};
use crate::callback::{Heard, Probed};
use crate::decision::{Answer, Failure, FailureClass, Outcome};
use crate::dialect::{self, AnswerRules, Answers, Protections};
use crate::event::{DialectId, Event};

/// More of a compressed answer is not looked at.
const UNPACKED_MAX: u64 = 1 << 20;

/// In words: `OpenIM alone blocks it (90007)`.
pub(super) fn alone(dialect: DialectId, event: &Event, probed: &Probed) -> Said {
    let (server, chinese, does) = match dialect {
        DialectId::OpenIm => (
            "OpenIM 3.7 and later",
            "OpenIM 3.7 及以后",
            openim(event, probed),
        ),
        DialectId::OpenImV2 => ("OpenIM v2", "OpenIM v2", openim_v2(event, probed)),
        DialectId::WukongIm => ("WuKongIM", "WuKongIM", wukongim(event, probed)),
        DialectId::ChatServer => ("chatServer", "chatServer", other(event, probed, dialect)),
        DialectId::Funtek => (
            "the room's server",
            "房间的服务器",
            other(event, probed, dialect),
        ),
    };
    said(
        format!("{server} alone {}", does.english),
        format!("没有 callgate 时，{chinese} {}", does.chinese),
    )
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
fn follows(probed: &Probed) -> Option<Said> {
    match probed.heard.as_ref()?.status {
        301..=303 => Some(said(
            "follows it with a GET that has nothing of the call",
            "会以 GET 跟随重定向，其中没有调用的内容",
        )),
        307 | 308 => Some(said(
            "follows it with the same call",
            "会以同样的调用跟随重定向",
        )),
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

fn in_words(answer: &Answer) -> Said {
    match answer {
        Answer::Allow | Answer::Reply(_) => said("lets it through", "放行"),
        Answer::Block(refusal) => said(
            format!("refuses it with code {}", refusal.code),
            format!("以代码 {} 拒绝", refusal.code),
        ),
        Answer::Replace(_) => said("lets it through changed", "修改后放行"),
    }
}

fn reads_all() -> Said {
    said("reads all of it, however long", "会全部读完，无论多长")
}

fn openim(event: &Event, probed: &Probed) -> Said {
    if let Some(follows) = follows(probed) {
        return follows;
    }
    let blocks = |code: u32| {
        said(
            format!("blocks it ({code}), whatever failedContinue says"),
            format!("会拒绝（{code}），无论 failedContinue 怎么写"),
        )
    };
    match is_read_whole(probed) {
        _ if is_too_large(probed) => reads_all(),
        None => blocks(90004),
        Some(heard) => match read_alone(DialectId::OpenIm, event, heard, 200) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => blocks(90007),
        },
    }
}

fn openim_v2(event: &Event, probed: &Probed) -> Said {
    if let Some(follows) = follows(probed) {
        return follows;
    }
    let does_as_set = || {
        said(
            "does what callbackFailedContinue says",
            "按 callbackFailedContinue 处理",
        )
    };
    match is_read_whole(probed) {
        _ if is_too_large(probed) => reads_all(),
        None => does_as_set(),
        Some(heard) => match read_alone(DialectId::OpenImV2, event, heard, 200) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => does_as_set(),
        },
    }
}

fn wukongim(event: &Event, probed: &Probed) -> Said {
    match is_read_whole(probed) {
        None => said(
            "does what on_timeout or on_error says (deny, unless set)",
            "按 on_timeout 或 on_error 处理（未设置时为 deny）",
        ),
        Some(heard) => match read_alone(DialectId::WukongIm, event, heard, heard.status) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => said(
                "does what on_error says (deny, unless set)",
                "按 on_error 处理（未设置时为 deny）",
            ),
        },
    }
}

fn other(event: &Event, probed: &Probed, dialect: DialectId) -> Said {
    match is_read_whole(probed) {
        None => said("has no answer", "得不到回答"),
        Some(heard) => match read_alone(dialect, event, heard, heard.status) {
            Outcome::Answer(answer) => in_words(&answer),
            Outcome::Failure(_) => said("has no answer that it can read", "得不到能读懂的回答"),
        },
    }
}
