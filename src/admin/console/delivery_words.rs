//! What the page of the delivery says and is asked for.

use strum::{EnumString, IntoStaticStr, VariantArray};

use super::language::Both;
use crate::proto::v1;

/// Events that stand in one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum View {
    #[default]
    Dead,
    Pending,
    Discarded,
}

impl View {
    pub(super) fn of(name: &str) -> View {
        name.parse().unwrap_or_default()
    }

    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// What the page is asked for, as the outbox is asked for dead or discarded events.
pub(super) fn filter(ask: impl Fn(&'static str) -> String) -> v1::DeadFilter {
    v1::DeadFilter {
        endpoint: ask("endpoint"),
        hook: ask("hook"),
        id: ask("id"),
        reason: ask("reason"),
        ..v1::DeadFilter::default()
    }
}

pub(super) fn pending_filter(ask: impl Fn(&'static str) -> String) -> v1::PendingFilter {
    v1::PendingFilter {
        endpoint: ask("endpoint"),
        hook: ask("hook"),
        id: ask("id"),
        lane: ask("lane"),
    }
}

pub(super) struct DeliveryWords {
    pub title: &'static str,
    pub lead: &'static str,
    pub silent: &'static str,
    pub endpoints: &'static str,
    pub endpoint: &'static str,
    pub state: &'static str,
    pub pending: &'static str,
    pub in_flight: &'static str,
    pub dead: &'static str,
    pub discarded: &'static str,
    pub delivered: &'static str,
    pub oldest: &'static str,
    pub holds: &'static str,
    pub of: &'static str,
    pub events: &'static str,
    pub away: &'static str,
    pub away_hint: &'static str,
    pub spooled: &'static str,
    pub forwarding: &'static str,
    pub replicas: &'static str,
    pub this_one: &'static str,
    pub paused: &'static str,
    pub failing: &'static str,
    pub works: &'static str,
    pub not_conserved: &'static str,
    pub no_events: &'static str,
    pub no_events_hint: &'static str,
    pub kinds: &'static str,
    pub hook: &'static str,
    pub id: &'static str,
    pub lane: &'static str,
    pub reason: &'static str,
    pub attempts: &'static str,
    pub died: &'static str,
    pub accepted: &'static str,
    pub due: &'static str,
    pub given_up: &'static str,
    pub dead_caption: &'static str,
    pub pending_caption: &'static str,
    pub discarded_caption: &'static str,
    pub no_dead: &'static str,
    pub no_dead_hint: &'static str,
    pub no_pending: &'static str,
    pub no_pending_hint: &'static str,
    pub no_discarded: &'static str,
    pub no_discarded_hint: &'static str,
    pub payload: &'static str,
    pub payload_lead: &'static str,
    pub no_payload: &'static str,
    pub answer: &'static str,
    pub replay: &'static str,
    pub discard: &'static str,
    pub discard_pending: &'static str,
    pub retry: &'static str,
    pub why: &'static str,
    pub acts: &'static str,
    pub acts_hint: &'static str,
    pub back: &'static str,
    pub retried: &'static str,
    waits: [(&'static str, &'static str); 4],
}

impl DeliveryWords {
    pub(super) fn view(&self, view: View) -> &'static str {
        match view {
            View::Dead => self.dead,
            View::Pending => self.pending,
            View::Discarded => self.discarded,
        }
    }

    /// What a pending event waits for, by what the outbox calls it.
    pub(super) fn waits<'a>(&self, state: &'a str) -> &'a str {
        let found = self.waits.iter().find(|(known, _)| *known == state);
        found.map_or(state, |(_, words)| *words)
    }
}

pub(super) static WORDS: Both<DeliveryWords> = Both {
    english: DeliveryWords {
        title: "Delivery",
        lead: "What your receivers still lack, what they can have again, and what was given up.",
        silent: "The outbox has not answered yet.",
        endpoints: "Events by endpoint, since the outbox was made",
        endpoint: "Endpoint",
        state: "State",
        pending: "Pending",
        in_flight: "In flight",
        dead: "Dead",
        discarded: "Discarded",
        delivered: "Delivered",
        oldest: "Oldest pending",
        holds: "The outbox holds",
        of: "of",
        events: "events",
        away: "PostgreSQL does not answer this replica",
        away_hint: "Messages are decided as ever. The numbers below are the last ones that are known.",
        spooled: "Events in this replica's own file, forwarded when PostgreSQL answers",
        forwarding: "Events of this replica's own file that are being forwarded",
        replicas: "Replicas that share this outbox",
        this_one: "this one",
        paused: "parked",
        failing: "failing",
        works: "works",
        not_conserved: "counts do not add up",
        no_events: "No event was accepted yet.",
        no_events_hint: "Events are what after hooks tell: name one under `hooks:` with an endpoint.",
        kinds: "Events",
        hook: "Hook",
        id: "Id",
        lane: "Conversation",
        reason: "Reason",
        attempts: "Attempts",
        died: "Died",
        accepted: "Accepted",
        due: "Due",
        given_up: "Given up",
        dead_caption: "Events that were tried as often as the policy says, or refused for good",
        pending_caption: "Events that wait, or are on their way",
        discarded_caption: "Events that were given up",
        no_dead: "Nothing died.",
        no_dead_hint: "Everything that was accepted is delivered or on its way.",
        no_pending: "Nothing waits.",
        no_pending_hint: "Everything that was accepted is delivered, or stands under Dead.",
        no_discarded: "Nothing was given up.",
        no_discarded_hint: "What an operator discards is listed here.",
        payload: "Payload",
        payload_lead: "What is sent. That you looked stands in the audit.",
        no_payload: "There is no such event any more.",
        answer: "Last answer",
        replay: "Replay these",
        discard: "Discard these",
        discard_pending: "Discard all that waits for this endpoint",
        retry: "Retry now",
        why: "Reason",
        acts: "What can be done",
        acts_hint: "It is done to everything that the filter above finds, and not only to the rows shown. First a plan says to how much.",
        back: "Back to the delivery",
        retried: "are due now:",
        waits: [
            ("ready", "ready"),
            ("in_flight", "on its way"),
            ("retry", "is tried again"),
            ("waiting", "waits for others"),
        ],
    },
    chinese: DeliveryWords {
        title: "投递",
        lead: "接收方还缺什么、哪些可以重发、哪些已经放弃。",
        silent: "发件箱尚未响应。",
        endpoints: "各端点的事件，自发件箱建立以来",
        endpoint: "端点",
        state: "状态",
        pending: "待投递",
        in_flight: "投递中",
        dead: "死信",
        discarded: "已放弃",
        delivered: "已投递",
        oldest: "最早的待投递",
        holds: "发件箱中有",
        of: "/",
        events: "个事件",
        away: "PostgreSQL 对本副本没有响应",
        away_hint: "消息照常决策。下方是最后已知的数字。",
        spooled: "本副本自己文件中的事件，待 PostgreSQL 恢复后转发",
        forwarding: "本副本自己文件中正在转发的事件",
        replicas: "共用此发件箱的副本",
        this_one: "本副本",
        paused: "已搁置",
        failing: "失败中",
        works: "正常",
        not_conserved: "计数不一致",
        no_events: "尚未接受任何事件。",
        no_events_hint: "事件来自 after 钩子：请在 `hooks:` 中配置带端点的钩子。",
        kinds: "事件",
        hook: "钩子",
        id: "编号",
        lane: "会话",
        reason: "原因",
        attempts: "尝试次数",
        died: "失败时间",
        accepted: "接受时间",
        due: "下次投递",
        given_up: "放弃时间",
        dead_caption: "已达到策略规定的尝试次数，或被永久拒绝的事件",
        pending_caption: "等待中或投递中的事件",
        discarded_caption: "已放弃的事件",
        no_dead: "没有死信。",
        no_dead_hint: "已接受的事件都已投递或正在投递。",
        no_pending: "没有等待中的事件。",
        no_pending_hint: "已接受的事件都已投递，或在死信中。",
        no_discarded: "没有放弃任何事件。",
        no_discarded_hint: "操作员放弃的事件会列在这里。",
        payload: "内容",
        payload_lead: "发送的内容。您的查看会记入审计日志。",
        no_payload: "该事件已不存在。",
        answer: "最近的回答",
        replay: "重发这些",
        discard: "放弃这些",
        discard_pending: "放弃此端点的所有待投递事件",
        retry: "立即重试",
        why: "原因",
        acts: "可执行的操作",
        acts_hint: "操作针对上方筛选出的全部事件，而不只是显示的行。会先生成计划，说明数量。",
        back: "返回投递",
        retried: "已设为立即投递：",
        waits: [
            ("ready", "就绪"),
            ("in_flight", "投递中"),
            ("retry", "待重试"),
            ("waiting", "排队中"),
        ],
    },
};
