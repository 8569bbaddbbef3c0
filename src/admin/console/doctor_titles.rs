//! The faults in a few words, for those who read Chinese: what was found exactly is said in English,
//! as on the command line and in the API.

use super::language::Language;

/// `None`: what is said beside it needs no title.
pub(super) fn title(language: Language, fault: &str) -> Option<&'static str> {
    if language == Language::English {
        return None;
    }
    Some(match fault {
        "unresolved" => "域名无法解析",
        "unreachable" => "无法连接",
        "blocked_address" => "不允许调用的地址",
        "tls" => "TLS 失败",
        "tls_port" => "用 http:// 调用了 TLS 端口",
        "not_http" => "回答不是 HTTP",
        "closes_unanswered" => "没有回答就关闭连接",
        "timeout" => "没有按时回答",
        "loop" => "调用回到了 callgate 自己",
        "callgate" => "回答来自另一个 callgate",
        "secret" => "签名密钥无法使用",
        "stalls" => "回答中途停住",
        "cut_off" => "回答被截断",
        "too_large" => "回答过长",
        "slow" => "回答太慢",
        "redirect" => "回答是重定向",
        "http_status" => "HTTP 状态码表示失败",
        "compressed" => "回答被压缩",
        "html" => "回答是 HTML 页面",
        "empty" => "回答为空",
        "array" => "回答是数组",
        "not_json" => "回答不是 JSON",
        "broken_json" => "JSON 不完整",
        "not_a_number" => "JSON 中有 NaN 或 Infinity",
        "invalid_answer" => "回答不符合此格式",
        "byte_order_mark" => "以 BOM 开头",
        "charset" => "字符集不是 UTF-8",
        "duplicate_keys" => "同一个键出现两次",
        "deep_nesting" => "嵌套过深",
        "wrong_type" => "字段类型错误",
        "action_code" => "actionCode 与意图不符",
        "action_and_err_code" => "actionCode 与 errCode 矛盾",
        "next_code" | "next_code_unknown" => "nextCode 与意图不符",
        "err_code_alone" => "只有 errCode，并不拒绝",
        "refusal_ignored" => "此版本忽略拒绝",
        "refusal_code" => "拒绝的错误码不可用",
        "refusal_status" => "拒绝带有失败的状态码",
        "framework_error" => "Web 框架的错误页",
        "nothing_known" => "没有可识别的字段",
        "content_not_object" => "content 不是 JSON 对象",
        "content_missing" => "缺少 content",
        "unusable_field" => "字段无法使用",
        "extra_key" => "有多余的键",
        "reason_code" => "reason_code 无效",
        "unusable_payload" => "payload 无效",
        "unknown_command" => "不接受未知的命令",
        "content_type" => "Content-Type 不是 JSON",
        "closes_connection" => "不保持连接",
        "http_1_0" => "使用 HTTP/1.0",
        "refuses" => "拒绝了无害的调用",
        "changes" => "修改了无害的调用",
        "file" => "文件本身",
        "pointed_here" => "指向 callgate",
        "pointed_elsewhere" => "没有指向 callgate",
        "wrong_port" => "指向了错误的端口",
        "wrong_path" => "路径不对",
        "sent" => "会发送，并在此判定",
        "unseen" => "会发送，但策略没有开启",
        "not_sent" => "策略已开启，但不会发送",
        "waits_less" => "等待时间短于策略",
        "types_left_out" => "只发送部分消息",
        "failed_continue" => "failedContinue 不起作用",
        "lets_through" => "callgate 不可用时放行",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::AnswerWarning;

    #[test]
    fn every_fault_in_what_an_answer_means_has_a_title() {
        for warning in AnswerWarning::ALL {
            let title = title(Language::Chinese, warning.name());
            assert!(title.is_some(), "{warning}");
        }
    }
}
