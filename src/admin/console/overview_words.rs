//! What the overview says.

use super::language::Both;
use super::overview_past::Range;

pub(super) struct OverviewWords {
    pub title: &'static str,
    pub lead: &'static str,
    pub no_calls: &'static str,
    pub try_it: &'static str,
    pub connect: &'static str,
    pub to_hooks: &'static str,
    pub messages: &'static str,
    pub range: &'static str,
    /// The last hour, day and week.
    last: [&'static str; 3],
    /// What a column stands for in each.
    each: [&'static str; 3],
    pub unreviewed: &'static str,
    pub none: &'static str,
    pub a_failure: &'static str,
    pub version: &'static str,
    pub since: &'static str,
    pub outbox: &'static str,
    pub normal: &'static str,
    pub high: &'static str,
    pub critical: &'static str,
    pub rate: &'static str,
    pub passed: &'static str,
    pub flagged: &'static str,
    pub replaced: &'static str,
    pub blocked: &'static str,
    pub refused: &'static str,
    pub let_through: &'static str,
}

impl OverviewWords {
    pub(super) fn last(&self, range: Range) -> &'static str {
        self.last[range as usize]
    }

    pub(super) fn each(&self, range: Range) -> &'static str {
        self.each[range as usize]
    }
}

pub(super) static WORDS: Both<OverviewWords> = Both {
    english: OverviewWords {
        title: "Overview",
        lead: "What becomes of messages, and what needs somebody.",
        no_calls: "No call has come yet.",
        try_it: "Try it from a shell on this machine:",
        connect: "How to connect your message service:",
        to_hooks: "Hooks",
        messages: "Messages",
        range: "How far back",
        last: ["last hour", "last 24 hours", "last 7 days"],
        each: ["a minute, UTC", "in 15 minutes, UTC", "in 2 hours, UTC"],
        unreviewed: "Unreviewed",
        none: "none",
        a_failure: "by a failure",
        version: "Policy version",
        since: "since",
        outbox: "Outbox, pending",
        normal: "normal",
        high: "filling up",
        critical: "nearly full",
        rate: "Messages by outcome",
        passed: "passed",
        flagged: "flagged",
        replaced: "replaced",
        blocked: "Blocked",
        refused: "blocked",
        let_through: "unreviewed",
    },
    chinese: OverviewWords {
        title: "概览",
        lead: "消息的处理结果，以及需要处理的问题。",
        no_calls: "尚未收到任何调用。",
        try_it: "在本机的命令行中试一试：",
        connect: "如何接入您的消息服务：",
        to_hooks: "钩子",
        messages: "消息",
        range: "时间范围",
        last: ["最近 1 小时", "最近 24 小时", "最近 7 天"],
        each: ["每分钟，UTC", "每 15 分钟，UTC", "每 2 小时，UTC"],
        unreviewed: "未经审核",
        none: "无",
        a_failure: "因故障放行",
        version: "策略版本",
        since: "生效：",
        outbox: "发件箱待投递",
        normal: "正常",
        high: "渐满",
        critical: "将满",
        rate: "消息处理结果",
        passed: "通过",
        flagged: "标记",
        replaced: "替换",
        blocked: "拦截",
        refused: "拦截",
        let_through: "未经审核",
    },
};
