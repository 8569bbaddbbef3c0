//! What to do about each fault. Faults in what an answer means say it themselves, with what it would
//! have to be.

use super::fault::FaultKind as Kind;
use super::said::{Said, said};

/// What the author of the business server, or of the policy, does about a fault; empty where the
/// fault says it. `status`: of the answer, where one came.
pub(super) fn way_out(fault: Kind, status: Option<u16>) -> Said {
    match fault {
        Kind::Unresolved
        | Kind::Unreachable
        | Kind::BlockedAddress
        | Kind::Loop
        | Kind::Callgate
        | Kind::Secret
        | Kind::NotCalled
        | Kind::ClosesUnanswered
        | Kind::Tls
        | Kind::NotHttp
        | Kind::TlsPort => of_way(fault),
        Kind::HttpStatus => of_status(status),
        other => of_answer(other),
    }
}

/// The way to it, or back from it, is wrong.
fn of_way(fault: Kind) -> Said {
    match fault {
        Kind::Unresolved => said(
            "write a name into `url` that this machine resolves (`getent hosts NAME` shows it), or \
             the address",
            "在 `url` 中写本机能解析的名称（用 `getent hosts 名称` 查看），或直接写地址",
        ),
        Kind::Unreachable => said(
            "start it, let this machine through to its port, or mend host and port in `url`",
            "启动它，允许本机访问它的端口，或改正 `url` 中的主机和端口",
        ),
        Kind::BlockedAddress => said(
            "name the address in `allow_addresses` if it is meant to be called",
            "如果确实要调用这个地址，请写入 `allow_addresses`",
        ),
        Kind::Loop | Kind::Callgate => said(
            "write the business server's own address into `url`, and not one that leads to \
             callgate, whatever proxy or name stands between",
            "在 `url` 中写业务服务器自己的地址，而不是经由任何代理或名称又回到 callgate 的地址",
        ),
        Kind::Secret => said(
            "see that `sign` names a secret that can be read and is one",
            "检查 `sign` 所指的密钥能否读取、是否有效",
        ),
        Kind::NotCalled => said(
            "look again once callgate is less busy",
            "等 callgate 空闲一些再检查一次",
        ),
        Kind::ClosesUnanswered => said(
            "look at its log, and that of a proxy before it, at this time: it broke on the call, or \
             nothing listens behind the proxy",
            "查看它以及它前面的代理此时的日志：它处理调用时出错，或代理后面没有程序在监听",
        ),
        Kind::Tls => said(
            "`openssl s_client -connect HOST:PORT` shows its certificate and what it speaks: TLS 1.2 \
             or 1.3 is taken; where it speaks plain text, write http://",
            "用 `openssl s_client -connect 主机:端口` 查看它的证书和协议：接受 TLS 1.2 或 1.3；\
             如果它使用明文，请写 http://",
        ),
        Kind::NotHttp => said(
            "mend the port in `url`; if it speaks TLS there, write https://",
            "改正 `url` 中的端口；如果那里使用 TLS，请写 https://",
        ),
        Kind::TlsPort => said(
            "write https:// in `url`, or the port that speaks plain text",
            "在 `url` 中写 https://，或写使用明文的端口",
        ),
        _ => said("", ""),
    }
}

/// Its answer is wrong, or how it comes.
fn of_answer(fault: Kind) -> Said {
    match fault {
        Kind::Timeout | Kind::Slow => said(
            "answer at once and do the rest afterwards, or let the hook wait longer (`timeout`), as \
             long as the IM server waits for callgate",
            "先立即回答，其余的事随后再做；或让钩子等得更久（`timeout`），但不超过 IM 服务器等待 callgate \
             的时间",
        ),
        Kind::Stalls | Kind::CutOff => said(
            "send as many bytes as `Content-Length` says: it counts bytes, not characters; and see \
             that no proxy cuts answers off",
            "发送的字节数要与 `Content-Length` 一致：它数的是字节而不是字符；并检查没有代理截断回答",
        ),
        Kind::TooLarge => said(
            "answer with the few fields that an answer has; `answer_bytes_max` of the endpoint is \
             the limit",
            "只回答应有的几个字段；上限是端点的 `answer_bytes_max`",
        ),
        Kind::Redirect => said(
            "write the address that it leads to into `url`",
            "在 `url` 中写它所指向的地址",
        ),
        Kind::Compressed => said(
            "switch compression off for this path: nobody asked for it",
            "对此路径关闭压缩：没有人要求压缩",
        ),
        Kind::Html => said(
            "mend the path in `url`: a web server, a login page or a proxy answers there, and not \
             the callback",
            "改正 `url` 中的路径：在那里回答的是网站、登录页或代理，而不是回调",
        ),
        Kind::Empty => said(
            "answer 200 with a body, at least {}",
            "回答 200 并带上内容，至少是 {}",
        ),
        Kind::Array | Kind::NotJson => said(
            "answer with one JSON object, at least {}",
            "回答一个 JSON 对象，至少是 {}",
        ),
        Kind::BrokenJson => said(
            "have a library write the JSON; if it is cut off, `Content-Length` counts characters \
             instead of bytes",
            "用程序库来写 JSON；如果内容被截断，是 `Content-Length` 数了字符而不是字节",
        ),
        Kind::NotANumber => said(
            "write null or a number: JSON has neither NaN nor Infinity",
            "写 null 或数字：JSON 中没有 NaN 和 Infinity",
        ),
        Kind::InvalidAnswer => said(
            "answer in the form of the dialect, or name another `dialect` of the endpoint",
            "按该格式（dialect）回答，或给端点设置另一个 `dialect`",
        ),
        Kind::ByteOrderMark => said(
            "write UTF-8 without a byte-order mark",
            "用不带字节顺序标记的 UTF-8",
        ),
        Kind::Charset => said(
            "write UTF-8, and say no other charset in `Content-Type`",
            "使用 UTF-8，`Content-Type` 中不要写别的字符集",
        ),
        Kind::DuplicateKeys => said("write each key once", "每个键只写一次"),
        Kind::DeepNesting => said(
            "answer with the flat fields that an answer has",
            "只回答应有的字段，不要嵌套",
        ),
        Kind::FrameworkError => said(
            "look at its log at this time: it broke on the call",
            "查看它此时的日志：它处理调用时出错",
        ),
        Kind::NothingKnown | Kind::UnusableField | Kind::ContentMissing => said(
            "answer with the fields of the dialect alone: docs/message-service has them",
            "只回答该格式的字段：见 docs/message-service",
        ),
        Kind::UnknownCommand => said(
            "answer every command that it does not know with 200 and {}",
            "对每个不认识的命令都回答 200 和 {}",
        ),
        Kind::ContentType => said(
            "say `Content-Type: application/json`",
            "写 `Content-Type: application/json`",
        ),
        Kind::ClosesConnection => said(
            "keep connections open for some minutes (keep-alive), in the server and in a proxy \
             before it",
            "在服务器及其前面的代理中，让连接保持几分钟（keep-alive）",
        ),
        Kind::Http10 => said(
            "answer as HTTP/1.1; in nginx that is `proxy_http_version 1.1`",
            "以 HTTP/1.1 回答；在 nginx 中是 `proxy_http_version 1.1`",
        ),
        Kind::Refuses | Kind::Changes => said(
            "see whether it is meant to: the call is harmless, and its users are callgate-doctor",
            "检查这是否是有意的：调用是无害的，其中的用户是 callgate-doctor",
        ),
        _ => said("", ""),
    }
}

fn of_status(status: Option<u16>) -> Said {
    match status {
        Some(401 | 403 | 407) => said(
            "let callgate in: write what it must show into the query of `url`, sign calls (`sign`), \
             or allow its address",
            "让 callgate 进入：把要出示的内容写入 `url` 的查询部分，给调用签名（`sign`），或允许它的地址",
        ),
        Some(404 | 405) => said(
            "mend the path in `url`, and let it take POST; below it OpenIM's dialect writes the \
             command as the last part",
            "改正 `url` 中的路径，并让它接受 POST；OpenIM 格式会在其后把命令写作最后一段",
        ),
        Some(408 | 413 | 414 | 431) => said(
            "let it take calls as long as messages may be",
            "让它接受与消息同样长的调用",
        ),
        Some(429) => said(
            "let callgate call as often as messages are sent",
            "允许 callgate 按发送消息的频率调用",
        ),
        Some(415) => said(
            "let it take `Content-Type: application/json`",
            "让它接受 `Content-Type: application/json`",
        ),
        Some(500..=599) => said(
            "look at its log at this time: it broke on the call",
            "查看它此时的日志：它处理调用时出错",
        ),
        _ => said(
            "answer 200, also to refuse a message",
            "回答 200，拒绝消息时也一样",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::meanings::explain;
    use super::*;
    use crate::dialect::AnswerWarning;

    #[test]
    fn each_fault_has_a_way_out_or_says_it_itself() {
        for kind in Kind::ALL {
            let way = way_out(kind, None);
            let itself = AnswerWarning::ALL
                .into_iter()
                .find(|one| kind == Kind::from(*one));
            let itself = itself.map(explain);
            assert!(itself.is_some() || !way.is_empty(), "{}", kind.name());
            assert_eq!(way.english.is_empty(), way.chinese.is_empty(), "{way}");
        }
    }

    #[test]
    fn what_is_to_be_written_is_the_same_in_both_languages() {
        let of_kinds = Kind::ALL.into_iter().map(|kind| way_out(kind, None));
        let of_statuses = [401, 404, 413, 429, 415, 500].into_iter();
        let of_statuses = of_statuses.map(|status| of_status(Some(status)));
        for way in of_kinds.chain(of_statuses) {
            let quoted = |text: &str| -> Vec<String> {
                let quoted = text.split('`').skip(1).step_by(2);
                // A name in capitals, and what stands for it.
                let plain = quoted.filter(|one| !one.contains("NAME") && !one.contains("HOST"));
                let plain = plain.filter(|one| one.is_ascii());
                plain.map(str::to_owned).collect()
            };
            assert_eq!(quoted(&way.english), quoted(&way.chinese), "{way}");
        }
    }
}
