//! What the page of the endpoints says.

use super::language::Both;

pub(super) struct EndpointsWords {
    pub title: &'static str,
    pub lead: &'static str,
    pub caption: &'static str,
    pub endpoint: &'static str,
    pub asking: &'static str,
    pub telling: &'static str,
    pub in_flight: &'static str,
    pub last_call: &'static str,
    pub hooks: &'static str,
    pub of_candidate: &'static str,
    pub never: &'static str,
    pub closed: &'static str,
    pub open: &'static str,
    pub half_open: &'static str,
    pub again_in: &'static str,
    pub none: &'static str,
    pub none_hint: &'static str,
    pub more: &'static str,
    answered: &'static str,
    delivered: &'static str,
}

impl EndpointsWords {
    /// Failures are called as in the policy, where one looks for them.
    pub(super) fn outcome(&self, outcome: &'static str) -> &'static str {
        match outcome {
            "answered" => self.answered,
            "delivered" => self.delivered,
            class => class,
        }
    }
}

pub(super) static WORDS: Both<EndpointsWords> = Both {
    english: EndpointsWords {
        title: "Endpoints",
        lead: "The business servers that are asked and told, and how the last call of each went.",
        caption: "Endpoints of the policy",
        endpoint: "Endpoint",
        asking: "Asking",
        telling: "Telling",
        in_flight: "In flight",
        last_call: "Last call",
        hooks: "Hooks",
        of_candidate: "candidate",
        never: "never called",
        closed: "works",
        open: "not called",
        half_open: "being tried",
        again_in: "again in",
        none: "No hook asks or tells anybody.",
        none_hint: "Name your business server under `endpoints:` in policies/policy.yaml, or set `callbackUrl:`.",
        more: "More that are not shown:",
        answered: "answered",
        delivered: "delivered",
    },
    chinese: EndpointsWords {
        title: "端点",
        lead: "被询问和通知的业务服务器，以及最近一次调用的结果。",
        caption: "策略中的端点",
        endpoint: "端点",
        asking: "询问",
        telling: "通知",
        in_flight: "进行中",
        last_call: "最近调用",
        hooks: "钩子",
        of_candidate: "候选策略",
        never: "从未调用",
        closed: "正常",
        open: "暂停调用",
        half_open: "试探中",
        again_in: "重试还需",
        none: "没有钩子询问或通知任何服务器。",
        none_hint: "请在 policies/policy.yaml 的 `endpoints:` 下填写业务服务器，或设置 `callbackUrl:`。",
        more: "未显示的还有：",
        answered: "已回答",
        delivered: "已投递",
    },
};
