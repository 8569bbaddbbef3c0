//! What was found in a few words, for those who read Chinese: the names are English. One that lacks
//! its words does not compile.

use super::language::Language;
use crate::doctor::{FaultKind, RemarkKind};

/// `None`: the name says it.
pub(super) fn of_fault(language: Language, fault: FaultKind) -> Option<&'static str> {
    (language == Language::Chinese).then(|| fault_in_chinese(fault))
}

pub(super) fn of_remark(language: Language, remark: RemarkKind) -> Option<&'static str> {
    (language == Language::Chinese).then(|| remark_in_chinese(remark))
}

fn fault_in_chinese(fault: FaultKind) -> &'static str {
    match fault {
        FaultKind::Unresolved => "域名无法解析",
        FaultKind::Unreachable => "无法连接",
        FaultKind::BlockedAddress => "不允许调用的地址",
        FaultKind::Tls => "TLS 失败",
        FaultKind::TlsPort => "用 http:// 调用了 TLS 端口",
        FaultKind::NotHttp => "回答不是 HTTP",
        FaultKind::ClosesUnanswered => "没有回答就关闭连接",
        FaultKind::Timeout => "没有按时回答",
        FaultKind::Loop => "调用回到了 callgate 自己",
        FaultKind::Callgate => "回答来自另一个 callgate",
        FaultKind::Secret => "签名密钥无法使用",
        FaultKind::NotCalled => "没有调用",
        FaultKind::Stalls => "回答中途停住",
        FaultKind::CutOff => "回答被截断",
        FaultKind::TooLarge => "回答过长",
        FaultKind::Slow => "回答太慢",
        FaultKind::Redirect => "回答是重定向",
        FaultKind::HttpStatus => "HTTP 状态码表示失败",
        FaultKind::Compressed => "回答被压缩",
        FaultKind::Html => "回答是 HTML 页面",
        FaultKind::Empty => "回答为空",
        FaultKind::Array => "回答是数组",
        FaultKind::NotJson => "回答不是 JSON",
        FaultKind::BrokenJson => "JSON 不完整",
        FaultKind::NotANumber => "JSON 中有 NaN 或 Infinity",
        FaultKind::InvalidAnswer => "回答不符合此格式",
        FaultKind::ByteOrderMark => "以 BOM 开头",
        FaultKind::Charset => "字符集不是 UTF-8",
        FaultKind::DuplicateKeys => "同一个键出现两次",
        FaultKind::DeepNesting => "嵌套过深",
        FaultKind::UnknownCommand => "不接受未知的命令",
        FaultKind::ContentType => "Content-Type 不是 JSON",
        FaultKind::ClosesConnection => "不保持连接",
        FaultKind::Http10 => "使用 HTTP/1.0",
        FaultKind::Refuses => "拒绝了无害的调用",
        FaultKind::Changes => "修改了无害的调用",
        FaultKind::ActionCode => "actionCode 与意图不符",
        FaultKind::ActionAndErrCode => "actionCode 与 errCode 矛盾",
        FaultKind::ErrCodeAlone => "只有 errCode，并不拒绝",
        FaultKind::NextCode => "nextCode 与意图不符",
        FaultKind::NextCodeUnknown => "此版本不认识 nextCode",
        FaultKind::RefusalIgnored => "此版本忽略拒绝",
        FaultKind::WrongType => "字段类型错误",
        FaultKind::RefusalCode => "拒绝的错误码不可用",
        FaultKind::RefusalStatus => "拒绝带有失败的状态码",
        FaultKind::ContentNotObject => "content 不是 JSON 对象",
        FaultKind::UnusableField => "字段无法使用",
        FaultKind::FrameworkError => "Web 框架的错误页",
        FaultKind::NothingKnown => "没有可识别的字段",
        FaultKind::ContentMissing => "缺少 content",
        FaultKind::ExtraKey => "有多余的键",
        FaultKind::ReasonCode => "reason_code 无效",
        FaultKind::UnusablePayload => "payload 无效",
    }
}

fn remark_in_chinese(remark: RemarkKind) -> &'static str {
    match remark {
        RemarkKind::File => "文件本身",
        RemarkKind::PointedHere => "指向 callgate",
        RemarkKind::PointedElsewhere => "没有指向 callgate",
        RemarkKind::WrongPort => "指向了错误的端口",
        RemarkKind::WrongPath => "路径不对",
        RemarkKind::Sent => "会发送，并在此判定",
        RemarkKind::Unseen => "会发送，但策略没有开启",
        RemarkKind::NotSent => "策略已开启，但不会发送",
        RemarkKind::WaitsLess => "等待时间短于策略",
        RemarkKind::TypesLeftOut => "只发送部分消息",
        RemarkKind::FailedContinue => "failedContinue 不起作用",
        RemarkKind::LetsThrough => "callgate 不可用时放行",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_are_called_the_same() {
        let faults = FaultKind::ALL.map(fault_in_chinese);
        let remarks = RemarkKind::ALL.map(remark_in_chinese);
        let all: BTreeSet<_> = faults.iter().chain(&remarks).collect();
        assert_eq!(all.len(), faults.len() + remarks.len());
    }
}
