//! What the page of the hooks says.

use super::language::Both;
use crate::decision::{FailureClass, SkipReason};

pub(super) struct HooksWords {
    pub title: &'static str,
    pub lead: &'static str,
    pub caption: &'static str,
    pub hook: &'static str,
    pub state: &'static str,
    pub calls: &'static str,
    pub last_call: &'static str,
    pub skipped: &'static str,
    pub lists: &'static str,
    pub asks: &'static str,
    pub never: &'static str,
    pub off: &'static str,
    pub called: &'static str,
    pub not_called: &'static str,
    pub never_called: &'static str,
    pub no_hooks: &'static str,
    pub no_hooks_hint: &'static str,
    pub unknown: &'static str,
    pub unknown_hint: &'static str,
    pub command: &'static str,
    pub failures: &'static str,
    pub failures_hint: &'static str,
    pub class: &'static str,
    pub let_through: &'static str,
    pub block: &'static str,
    pub connect: &'static str,
    /// In the order of [`SkipReason::ALL`].
    reasons: [&'static str; SkipReason::ALL.len()],
    /// In the order of [`FailureClass::ALL`].
    classes: [&'static str; FailureClass::ALL.len()],
    /// What a call of a hook can end as, by what it is called in `/status`.
    ended: [(&'static str, &'static str); 10],
}

impl HooksWords {
    pub(super) fn reason(&self, reason: SkipReason) -> &'static str {
        let at = SkipReason::ALL.iter().position(|one| *one == reason);
        at.map_or(reason.name(), |at| self.reasons[at])
    }

    pub(super) fn class_means(&self, class: FailureClass) -> &'static str {
        let at = FailureClass::ALL.iter().position(|one| *one == class);
        at.map_or(class.name(), |at| self.classes[at])
    }

    pub(super) fn ended(&self, name: &'static str) -> &'static str {
        let found = self.ended.iter().find(|(known, _)| *known == name);
        found.map_or(name, |(_, words)| words)
    }
}

pub(super) static WORDS: Both<HooksWords> = Both {
    english: HooksWords {
        title: "Hooks",
        lead: "Whether each hook is called, what it left out and why, and what a failure leads to.",
        caption: "Hooks of the policy, and hooks that were called, since the start",
        hook: "Hook",
        state: "State",
        calls: "Calls",
        last_call: "Last call",
        skipped: "Left out",
        lists: "Lists",
        asks: "Asks or tells",
        never: "never",
        off: "not in the policy",
        called: "called",
        not_called: "not called yet",
        never_called: "No hook was called since the start.",
        no_hooks: "The policy has no hooks.",
        no_hooks_hint: "Name those that your message service calls under `hooks:` in policies/policy.yaml; `callgate dialects` lists them.",
        unknown: "Commands without a hook",
        unknown_hint: "Calls that this version knows no hook for, since the start",
        command: "Command",
        failures: "Failures",
        failures_hint: "What becomes of a message when asking fails",
        class: "Failure",
        let_through: "let through",
        block: "block",
        connect: "How to connect a message service",
        reasons: [
            "the hook is off",
            "the type is not in allowedTypes",
            "the type is in deniedTypes",
            "nobody of attentionIds",
            "a robot wrote it",
        ],
        classes: [
            "no answer within the timeout",
            "no connection",
            "a status that is not 2xx",
            "the answer cannot be read",
            "the answer is too large",
            "the address is not allowed",
            "the call would come back",
            "not asked, after failures",
            "too many calls at a time",
            "the caller's limit was over",
            "a fault of callgate",
            "the call cannot be read",
            "the text costs too much to look through",
            "the policy is older than the caller asks for",
        ],
        ended: [
            ("none", "none"),
            ("allow", "allowed"),
            ("block", "blocked"),
            ("replace", "replaced"),
            ("reply", "replied"),
            ("skipped", "left out"),
            ("let through by failure policy", "let through by a failure"),
            ("blocked by failure policy", "blocked by a failure"),
            ("stored", "stored"),
            ("not stored", "not stored"),
        ],
    },
    chinese: HooksWords {
        title: "钩子",
        lead: "每个钩子是否被调用、跳过了什么及原因，以及故障时如何处理。",
        caption: "策略中的钩子和启动以来被调用过的钩子",
        hook: "钩子",
        state: "状态",
        calls: "调用次数",
        last_call: "最近调用",
        skipped: "跳过",
        lists: "词表",
        asks: "询问或通知",
        never: "从未",
        off: "不在策略中",
        called: "有调用",
        not_called: "尚未调用",
        never_called: "启动以来没有任何钩子被调用。",
        no_hooks: "策略中没有钩子。",
        no_hooks_hint: "请在 policies/policy.yaml 的 `hooks:` 下列出消息服务调用的钩子；`callgate dialects` 可列出全部钩子。",
        unknown: "没有对应钩子的命令",
        unknown_hint: "启动以来此版本不认识的调用",
        command: "命令",
        failures: "故障处理",
        failures_hint: "询问失败时消息如何处理",
        class: "故障",
        let_through: "放行",
        block: "拦截",
        connect: "如何接入消息服务",
        reasons: [
            "钩子已关闭",
            "类型不在 allowedTypes 中",
            "类型在 deniedTypes 中",
            "与 attentionIds 无关",
            "由机器人发送",
        ],
        classes: [
            "超时未回答",
            "无法连接",
            "状态码不是 2xx",
            "回答无法解析",
            "回答过大",
            "地址不被允许",
            "调用会回到自身",
            "多次失败后暂停询问",
            "同时进行的调用过多",
            "调用方的时限已过",
            "callgate 自身故障",
            "调用无法解析",
            "文本的检查开销过大",
            "策略版本低于调用方的要求",
        ],
        ended: [
            ("none", "无"),
            ("allow", "已放行"),
            ("block", "已拦截"),
            ("replace", "已替换"),
            ("reply", "已回复"),
            ("skipped", "已跳过"),
            ("let through by failure policy", "因故障放行"),
            ("blocked by failure policy", "因故障拦截"),
            ("stored", "已保存"),
            ("not stored", "未保存"),
        ],
    },
};
