//! What to do about each fault. Faults in what an answer means say it themselves, with what it would
//! have to be.

/// What the author of the business server, or of the policy, does about a fault; empty where the
/// fault says it. `status`: of the answer, where one came.
pub(super) fn way_out(fault: &str, status: Option<u16>) -> &'static str {
    match fault {
        "unresolved" => {
            "write a name into `url` that this machine resolves (`getent hosts NAME` shows it), or the \
             address"
        }
        "unreachable" => {
            "start it, let this machine through to its port, or mend host and port in `url`"
        }
        "blocked_address" => "name the address in `allow_addresses` if it is meant to be called",
        "loop" | "callgate" => {
            "write the business server's own address into `url`, and not one that leads to callgate, \
             whatever proxy or name stands between"
        }
        "secret" => "see that `sign` names a secret that can be read and is one",
        "closes_unanswered" => {
            "look at its log, and that of a proxy before it, at this time: it broke on the call, or \
             nothing listens behind the proxy"
        }
        "tls" => {
            "`openssl s_client -connect HOST:PORT` shows its certificate and what it speaks: TLS 1.2 or \
             1.3 is taken; where it speaks plain text, write http://"
        }
        "not_http" => "mend the port in `url`; if it speaks TLS there, write https://",
        "tls_port" => "write https:// in `url`, or the port that speaks plain text",
        "timeout" | "slow" => {
            "answer at once and do the rest afterwards, or let the hook wait longer (`timeout`), as \
             long as the IM server waits for callgate"
        }
        "stalls" | "cut_off" => {
            "send as many bytes as `Content-Length` says: it counts bytes, not characters; and see \
             that no proxy cuts answers off"
        }
        "too_large" => {
            "answer with the few fields that an answer has; `answer_bytes_max` of the endpoint is the \
             limit"
        }
        "redirect" => "write the address that it leads to into `url`",
        "compressed" => "switch compression off for this path: nobody asked for it",
        "http_status" => of_status(status),
        "html" => {
            "mend the path in `url`: a web server, a login page or a proxy answers there, and not the \
             callback"
        }
        "empty" => "answer 200 with a body, at least {}",
        "array" | "not_json" => "answer with one JSON object, at least {}",
        "broken_json" => {
            "have a library write the JSON; if it is cut off, `Content-Length` counts characters \
             instead of bytes"
        }
        "not_a_number" => "write null or a number: JSON has neither NaN nor Infinity",
        "invalid_answer" => {
            "answer in the form of the dialect, or name another `dialect` of the endpoint"
        }
        "byte_order_mark" => "write UTF-8 without a byte-order mark",
        "charset" => "write UTF-8, and say no other charset in `Content-Type`",
        "duplicate_keys" => "write each key once",
        "deep_nesting" => "answer with the flat fields that an answer has",
        "framework_error" => "look at its log at this time: it broke on the call",
        "nothing_known" | "unusable_field" | "content_missing" => {
            "answer with the fields of the dialect alone: docs/message-service has them"
        }
        "unknown_command" => "answer every command that it does not know with 200 and {}",
        "content_type" => "say `Content-Type: application/json`",
        "closes_connection" => {
            "keep connections open for some minutes (keep-alive), in the server and in a proxy before it"
        }
        "http_1_0" => "answer as HTTP/1.1; in nginx that is `proxy_http_version 1.1`",
        "refuses" => {
            "see whether it is meant to: the call is harmless, and its users are callgate-doctor"
        }
        "changes" => {
            "see whether it is meant to: the call is harmless, and its users are callgate-doctor"
        }
        _ => "",
    }
}

fn of_status(status: Option<u16>) -> &'static str {
    match status {
        Some(401 | 403 | 407) => {
            "let callgate in: write what it must show into the query of `url`, sign calls (`sign`), or \
             allow its address"
        }
        Some(404 | 405) => {
            "mend the path in `url`, and let it take POST; below it OpenIM's dialect writes the command \
             as the last part"
        }
        Some(408 | 413 | 414 | 431) => "let it take calls as long as messages may be",
        Some(429) => "let callgate call as often as messages are sent",
        Some(415) => "let it take `Content-Type: application/json`",
        Some(500..=599) => "look at its log at this time: it broke on the call",
        _ => "answer 200, also to refuse a message",
    }
}
