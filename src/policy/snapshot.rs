//! A policy that is in force: checked, compiled, numbered, never changed.
//!
//! Only `compile` makes one, so a snapshot is never half valid and nobody checks it again.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::UrlPrefix;
use super::spec::{FailureSpec, NestedText, ReplaceInSendHook};
use crate::decision::{FailureAction, FailureClass, ListAction, SkipReason};
use crate::dialect::Answers;
use crate::event::{DialectId, Event, Hook};
use crate::filter::{EntryId, Filter, ListSet};

/// Which policy decided; reads as `3-9f2c01ab34de`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Counts the policies that came into force since the start, from 1.
    pub number: u64,
    /// The first 12 hex digits of SHA-256 over the files and the policy's part of the
    /// environment: equal on all machines that decide alike.
    pub hash: Arc<str>,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.hash)
    }
}

/// Everything that decides on an event.
pub struct Snapshot {
    pub version: Version,
    pub(super) hooks: BTreeMap<&'static str, HookRules>,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) filter: Filter,
    pub(super) lists: BTreeMap<Arc<str>, ListRules>,
    pub(super) texts: TextRules,
    pub(super) failure: FailureSpec,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .field("hooks", &self.hooks)
            .field("endpoints", &self.endpoints)
            .field("lists", &self.lists)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// The rules of an enabled hook.
    pub fn rules(&self, hook: Hook) -> Option<&HookRules> {
        self.hooks.get(hook.name)
    }

    /// The rules that hold for an event, or why none do.
    pub fn select(&self, event: &Event) -> Result<&HookRules, SkipReason> {
        let rules = self.rules(event.hook).ok_or(SkipReason::Disabled)?;
        if event.room.as_ref().is_some_and(|room| room.by_robot) {
            return Err(SkipReason::Robot);
        }
        if let Some(message) = &event.message {
            if rules.denied_types.holds(message.content_type) {
                return Err(SkipReason::DeniedTypes);
            }
            if !rules.allowed_types.is_empty() && !rules.allowed_types.holds(message.content_type) {
                return Err(SkipReason::AllowedTypes);
            }
        }
        let ids = &rules.attention_ids;
        if !ids.is_empty() && !ids.contains(event.sender()) && !ids.contains(event.target()) {
            return Err(SkipReason::AttentionIds);
        }
        Ok(rules)
    }

    /// The enabled hooks, by name.
    pub fn hooks(&self) -> impl Iterator<Item = &HookRules> {
        self.hooks.values()
    }

    /// Without regard to letter case.
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        let mut endpoints = self.endpoints.iter();
        endpoints.find(|endpoint| endpoint.name.eq_ignore_ascii_case(name))
    }

    /// Every endpoint of the policy, used or not.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.iter()
    }

    /// The word lists, by name.
    pub fn lists(&self) -> impl Iterator<Item = &ListRules> {
        self.lists.values()
    }
}

/// What holds for the events of one enabled hook.
#[derive(Clone, Debug)]
pub struct HookRules {
    pub hook: Hook,
    /// A before hook has at most one.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// How long an endpoint may take.
    pub timeout: Duration,
    /// How long the IM server waits for us where it does not say so.
    pub caller_timeout: Duration,
    pub failure: FailureActions,
    pub allowed_types: TypeSet,
    pub denied_types: TypeSet,
    /// Empty is no limit.
    pub attention_ids: HashSet<String>,
    /// Fields of an answer that may change who gets the message.
    pub pass_fields: Vec<String>,
    /// The word lists in order of rank: the first that blocks gives code and reason.
    pub(super) lists: Vec<Arc<str>>,
    pub(super) list_set: ListSet,
}

impl HookRules {
    /// What this hook does about a class of failure.
    pub fn action(&self, class: FailureClass) -> FailureAction {
        self.failure.of(class)
    }

    pub fn list_names(&self) -> Vec<String> {
        self.lists.iter().map(ToString::to_string).collect()
    }

    pub(super) fn rank(&self, list: &str) -> usize {
        let position = self.lists.iter().position(|name| &**name == list);
        position.unwrap_or(usize::MAX)
    }
}

/// An action for each class of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureActions([FailureAction; FailureClass::ALL.len()]);

impl FailureActions {
    /// One action for all classes, except that a call which cannot be read stays blocked:
    /// otherwise padding would be a way past the filter.
    pub fn all(action: FailureAction) -> FailureActions {
        let mut actions = FailureActions([action; FailureClass::ALL.len()]);
        actions.set(FailureClass::UnreadableCall, FailureAction::Block);
        actions
    }

    pub fn set(&mut self, class: FailureClass, action: FailureAction) {
        self.0[class as usize] = action;
    }

    pub fn of(&self, class: FailureClass) -> FailureAction {
        self.0[class as usize]
    }
}

/// A set of message types, as ranges whose ends are included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(Vec<RangeInclusive<i32>>);

impl TypeSet {
    pub fn of(ranges: Vec<RangeInclusive<i32>>) -> TypeSet {
        TypeSet(ranges)
    }

    pub fn all() -> TypeSet {
        TypeSet(vec![i32::MIN..=i32::MAX])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn holds(&self, content_type: i32) -> bool {
        self.0.iter().any(|range| range.contains(&content_type))
    }

    /// Reads `101` or `200-500`.
    pub fn range_of(text: &str) -> Option<RangeInclusive<i32>> {
        let text = text.trim();
        if let Ok(single) = text.parse::<i32>() {
            return Some(single..=single);
        }
        let (low, high) = text.split_once('-')?;
        let range = low.trim().parse().ok()?..=high.trim().parse().ok()?;
        (range.start() <= range.end()).then_some(range)
    }
}

/// A business server, with how it is asked and how it is protected.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub name: Arc<str>,
    pub url: String,
    pub dialect: DialectId,
    pub answers: Answers,
    pub in_flight_max: usize,
    pub answer_bytes_max: usize,
    pub connect_timeout: Duration,
    pub pool_idle_max: usize,
    /// Addresses that may be called although the address guard refuses them.
    pub allow_addresses: Vec<IpNet>,
    /// Where the sender's client says which URL is called, those that may be; empty: `url` is.
    pub client_urls: Vec<UrlPrefix>,
    /// Sent with a recall; empty is none.
    pub im_api_key: Secret,
    pub breaker: BreakerSettings,
    /// After hooks: the wait before the second attempt, the third, and so on; after the last an
    /// event is dead.
    pub retry_waits: Vec<Duration>,
    pub events: EventSettings,
    /// `None`: its calls are not signed.
    pub sign: Option<SignSettings>,
}

/// How an endpoint is told of after events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSettings {
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Requests at the same time.
    pub in_flight_max: usize,
    /// Requests a second; 0 is no limit.
    pub rate_max: u32,
    pub format: EventFormat,
    /// Events in one request, where the format has room for several.
    pub batch_events_max: usize,
    /// Bytes of the bodies in one request, unless one alone has more.
    pub batch_bytes_max: usize,
    /// How long after its acceptance an event may wait for others.
    pub batch_wait: Duration,
    /// Failing for so long pauses the endpoint.
    pub pause_after: Duration,
    /// How often a paused endpoint is tried, at the least.
    pub probe_every: Duration,
    /// An event that has waited for so long is discarded; zero is never.
    pub pending_age_max: Duration,
    /// A lane whose head was retried for so long goes on without it; zero is never.
    pub lane_block_max: Duration,
    /// The statuses that count as delivered; empty: those that the dialect's server counts.
    pub success: Vec<u16>,
}

/// What the body of a request to an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFormat {
    /// As the IM server of the endpoint's dialect writes it.
    Dialect,
    /// A batch of CloudEvents 1.0 in JSON, each with the dialect's body as its data.
    CloudEvents,
}

/// How calls are signed, as Standard Webhooks say.
#[derive(Clone, Debug, PartialEq)]
pub struct SignSettings {
    pub secret: SecretSource,
    /// Calls of before hooks are signed as well.
    pub before: bool,
}

/// Where a secret comes from; never the secret itself.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretSource {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file, read again when it changes.
    File(String),
}

/// What must not be seen in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Secret {
        Secret(value)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "secret" })
    }
}

/// When to stop calling an endpoint that fails, and when to try it again.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// The share of failed calls in `window` that opens it, above 0 and up to 1.
    pub failure_ratio: f64,
    /// Calls in `window` before the share counts.
    pub calls_min: u32,
    pub window: Duration,
    /// How long it stays open the first time.
    pub open: Duration,
    pub open_max: Duration,
    /// Calls at a time that try it, and successes that close it.
    pub probes: u32,
}

/// What a word list leads to.
#[derive(Clone, Debug)]
pub struct ListRules {
    pub name: Arc<str>,
    /// `None` for a list of phrases that spare what other lists find.
    pub action: Option<ListAction>,
    pub entries: usize,
    /// What entries lead to that do not lead to `action`, by their number.
    pub(super) own_actions: BTreeMap<EntryId, ListAction>,
    pub(super) code: i32,
    pub(super) reason: String,
}

/// How texts are judged, whatever the hook.
#[derive(Clone, Debug)]
pub(super) struct TextRules {
    pub nested_text: NestedText,
    pub replace_in_send_hook: ReplaceInSendHook,
    pub defer_types: TypeSet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_types_are_numbers_and_ranges() {
        let read = |text| TypeSet::range_of(text);
        assert_eq!(read("101"), Some(101..=101));
        assert_eq!(read(" 200-500 "), Some(200..=500));
        assert_eq!(read("-1"), Some(-1..=-1));
        assert_eq!(read("500-200"), None);
        assert_eq!(read("1-2-3"), None);
        assert_eq!(read("text"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("99999999999"), None);
    }

    #[test]
    fn one_action_for_all_leaves_unreadable_calls_blocked() {
        for action in [FailureAction::Allow, FailureAction::Block] {
            let actions = FailureActions::all(action);
            for class in FailureClass::ALL {
                let expected = match class {
                    FailureClass::UnreadableCall => FailureAction::Block,
                    _ => action,
                };
                assert_eq!(actions.of(class), expected, "{class}");
            }
        }
    }
}
