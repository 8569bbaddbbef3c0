//! What is wrong with one answer, by name.

use std::time::Duration;

use super::body::of_body;
use super::fault::{Fault, FaultKind as Kind, grave, mild};
use super::meanings::explain;
use super::said::{Said, said};
use crate::callback::{Heard, Probed};
use crate::decision::{Answer, FailureClass, Outcome};

/// Everything that is wrong. `limit` is how long the hook waits, and `own` the hash of the policy,
/// by which callgate knows its own answers.
pub(super) fn judge(probed: &Probed, is_unknown: bool, limit: Duration, own: &str) -> Vec<Fault> {
    let Some(heard) = &probed.heard else {
        return unheard(&probed.outcome).into_iter().collect();
    };
    let mut faults = Vec::new();
    let fault = match is_unknown && !(200..300).contains(&heard.status) {
        true => {
            let status = heard.status;
            let what = said(
                format!(
                    "a command that it does not know is answered with status {status}: a newer IM server sends such, so answer 200 and allow"
                ),
                format!(
                    "对不认识的命令回答了状态码 {status}：新版 IM 服务器会发送这样的命令，请回答 200 并放行"
                ),
            );
            Some(mild(Kind::UnknownCommand, what))
        }
        false => of_answer(probed, heard, own),
    };
    faults.extend(fault);
    faults.extend(of_transport(probed, heard, limit));
    if faults.iter().all(|fault| !fault.is_grave) {
        match &probed.outcome {
            Outcome::Answer(Answer::Block(refusal)) => {
                let code = refusal.code;
                let what = said(
                    format!("a harmless call is refused with code {code}"),
                    format!("以代码 {code} 拒绝了无害的调用"),
                );
                faults.push(mild(Kind::Refuses, what));
            }
            Outcome::Answer(Answer::Replace(new)) if !new.is_empty() => {
                let what = said("a harmless call is changed", "修改了无害的调用");
                faults.push(mild(Kind::Changes, what));
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
    let (kind, chinese) = match failure.class {
        FailureClass::Connect if detail.contains("cannot be resolved") => {
            (Kind::Unresolved, "它的主机名无法解析")
        }
        FailureClass::Connect if detail.contains("TLS with") => (Kind::Tls, "无法与它建立 TLS"),
        FailureClass::Connect
            if detail.contains("cannot be connected") || detail.contains("no connection to") =>
        {
            (Kind::Unreachable, "无法与它建立连接")
        }
        FailureClass::Connect => (Kind::ClosesUnanswered, "没有回答就关闭了连接"),
        FailureClass::Internal => (Kind::Secret, "签名所用的密钥无法使用"),
        FailureClass::InvalidAnswer => {
            let what = Said {
                english: format!("what it says is not HTTP: {detail}").into(),
                ..Said::quoted("它所说的不是 HTTP", detail)
            };
            return Some(grave(Kind::NotHttp, what));
        }
        FailureClass::Timeout => (Kind::Timeout, "没有在规定时间内回答"),
        FailureClass::BlockedAddress => (Kind::BlockedAddress, "不会调用这样的地址"),
        FailureClass::Loop => (Kind::Loop, "调用回到了 callgate 自己"),
        FailureClass::TooLarge => (Kind::TooLarge, "回答过长"),
        FailureClass::HttpStatus => (Kind::HttpStatus, "状态码表示失败"),
        FailureClass::BreakerOpen
        | FailureClass::Overloaded
        | FailureClass::Deadline
        | FailureClass::UnreadableCall
        | FailureClass::Unfiltered
        | FailureClass::StalePolicy => (Kind::NotCalled, "没有调用它"),
    };
    Some(grave(kind, Said::quoted(chinese, detail)))
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
        let what = said(
            "the call came back to callgate: its URL leads here by another name",
            "调用回到了 callgate：它的 URL 以另一个名字指向这里",
        );
        return Some(grave(Kind::Loop, what));
    }
    match (class, &heard.remark) {
        (_, Some(remark)) if (300..400).contains(&heard.status) => {
            let what = Said::quoted("它的回答是重定向，而重定向不会被跟随", remark);
            return Some(grave(Kind::Redirect, what));
        }
        (_, Some(remark)) => {
            let what = Said::quoted("它的回答被压缩，而没有人要求压缩", remark);
            return Some(grave(Kind::Compressed, what));
        }
        (Some(FailureClass::TooLarge), _) => {
            return Some(grave(Kind::TooLarge, Said::quoted("它的回答过长", detail)));
        }
        (Some(FailureClass::Timeout), _) => {
            let what = said(
                "the head of its answer came, and the body did not",
                "回答的头部到了，内容却没有到",
            );
            return Some(grave(Kind::Stalls, what));
        }
        (Some(FailureClass::InvalidAnswer), _) if detail.contains("cut off") => {
            return Some(grave(Kind::CutOff, Said::quoted("它的回答被截断", detail)));
        }
        _ => {}
    }
    if let Some(warning) = probed.warning {
        // How an answer is odd says more than that it is.
        return Some(grave(warning.into(), explain(warning)));
    }
    if class == Some(FailureClass::HttpStatus) {
        let status = heard.status;
        return Some(match is_tls_port(heard) {
            true => grave(
                Kind::TlsPort,
                said(
                    "it speaks TLS there, and is called with http://",
                    "那里使用 TLS，却以 http:// 调用",
                ),
            ),
            false => grave(
                Kind::HttpStatus,
                said(
                    format!("status {status} is a failure, whatever the body says"),
                    format!("状态码 {status} 表示失败，无论内容是什么"),
                ),
            ),
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
        let what = match heard.content_type.as_str() {
            "" => said(
                "its answers have no `Content-Type`; say application/json",
                "它的回答没有 `Content-Type`；请写 application/json",
            ),
            kind => said(
                format!("its answers have `Content-Type: {kind}`; say application/json"),
                format!("它的回答带有 `Content-Type: {kind}`；请写 application/json"),
            ),
        };
        faults.push(mild(Kind::ContentType, what));
    }
    if heard.is_http_1_0 {
        let what = said("it answers as HTTP/1.0", "它以 HTTP/1.0 回答");
        faults.push(mild(Kind::Http10, what));
    }
    if let Some(version) = &heard.callgate {
        let what = said(
            format!("a callgate answers there, by its policy {version}, and no business server"),
            format!("在那里回答的是另一个 callgate（策略 {version}），而不是业务服务器"),
        );
        faults.push(mild(Kind::Callgate, what));
    }
    if !heard.keeps_connection {
        let what = said(
            "it closes the connection after each answer, so that each call pays for a new one",
            "每次回答后它都关闭连接，因此每次调用都要建立新的连接",
        );
        faults.push(mild(Kind::ClosesConnection, what));
    }
    if probed.elapsed > limit / 2 {
        let half = limit / 2;
        let what = said(
            format!("its answer takes {half:?} or more, and the hook waits {limit:?}"),
            format!("它的回答用了 {half:?} 以上，而钩子只等 {limit:?}"),
        );
        faults.push(grave(Kind::Slow, what));
    }
    faults
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
        faults.iter().map(|fault| fault.kind.name()).collect()
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
