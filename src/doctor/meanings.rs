//! What is odd about how an answer is read, in both languages.

use super::said::{Said, said};
use crate::dialect::AnswerWarning;

/// What the IM server makes of it and what to answer instead, for the author of the endpoint.
pub(super) fn explain(warning: AnswerWarning) -> Said {
    said(warning.explain(), in_chinese(warning))
}

fn in_chinese(warning: AnswerWarning) -> &'static str {
    match warning {
        AnswerWarning::ActionCode => {
            "OpenIM 把这个 `actionCode` 当作放行；要拒绝，请回答 `actionCode` 0、`nextCode` 1 和从 20001 起的 `errCode`\
             （v3.7 及以后），或 `actionCode` 1 和 `errCode` 0（v2.0）"
        }
        AnswerWarning::ActionAndErrCode => {
            "OpenIM v2.0 把 `actionCode` 1 加 `errCode` 当作放行；要拒绝，请回答 `actionCode` 1 和 `errCode` 0"
        }
        AnswerWarning::ErrCodeAlone => {
            "只有 `errCode` 并不拒绝；要拒绝，请回答 `nextCode` 1 和 `actionCode` 0（OpenIM v3.7 及以后），\
             或 `actionCode` 1 和 `errCode` 0（v2.0）"
        }
        AnswerWarning::NextCode => {
            "`nextCode` 既不是 0 也不是 1，OpenIM 当作放行；要拒绝，请回答 1"
        }
        AnswerWarning::NextCodeUnknown => {
            "OpenIM v2.0 没有 `nextCode`；要拒绝，请回答 `actionCode` 1 和 `errCode` 0"
        }
        AnswerWarning::RefusalIgnored => {
            "OpenIM v3.6 只记录拒绝，操作照样进行；要拒绝，请把端点的 `answers` 设为另一个版本的"
        }
        AnswerWarning::WrongType => {
            "有字段的类型不是 OpenIM 所读的：代码是 32 位整数，如 1，而不是 \"1\"、true 或 1.0"
        }
        AnswerWarning::RefusalCode => {
            "拒绝的 `errCode` 小于 100：OpenIM 把 0 报告为成功，把 1 到 99 报告为自己的故障；发送者得到 20001"
        }
        AnswerWarning::RefusalStatus => "拒绝带有表示失败的 HTTP 状态码；拒绝有效，但请回答 200",
        AnswerWarning::ContentNotObject => {
            "`content` 必须是整个消息元素：字符串里的 JSON 对象，如文本消息的 \"{\\\"content\\\":\\\"hello\\\"}\""
        }
        AnswerWarning::UnusableField => {
            "回答设置了请求中没有的字段，或没有 id 的条目；OpenIM 会因此失败，所以已略去"
        }
        AnswerWarning::FrameworkError => "这是 Web 框架的错误内容，OpenIM 把它当作放行",
        AnswerWarning::NothingKnown => "回答里没有 OpenIM 所读的字段：它会放行",
        AnswerWarning::ContentMissing => {
            "对 wordFilter 的回答没有 `content`，OpenIM v2.0 会因此清空消息；这里保留了原内容"
        }
        AnswerWarning::ExtraKey => {
            "除 `allow`、`payload` 和 `reason_code` 之外还有别的键时，WuKongIM 把回答当作错误，并可能发送消息；\
             请只回答这三个键"
        }
        AnswerWarning::ReasonCode => {
            "WuKongIM 只在 `allow` 为 false、没有 `payload`、且 `reason_code` 在 128 到 255 之间时把它转告发送者；\
             与 `allow` true 同时出现则是错误"
        }
        AnswerWarning::UnusablePayload => {
            "新的 `payload` 必须是 1 到 32767 字节、带填充的标准 base64；其他的 WuKongIM 都当作错误"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_told_by_a_sentence_of_its_own_in_both_languages() {
        let all = AnswerWarning::ALL.map(explain);
        let chinese: BTreeSet<_> = all.iter().map(|one| &one.chinese).collect();
        assert_eq!(chinese.len(), all.len());
        // What is to be written into an answer is named in both alike.
        for one in all {
            for word in one.chinese.split('`').skip(1).step_by(2) {
                assert!(one.english.contains(word), "{word}: {one}");
            }
        }
    }
}
