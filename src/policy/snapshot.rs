//! A policy that is in force: checked, compiled, numbered, never changed.
//!
//! Only `compile` makes one, so a snapshot is never half valid and nobody checks it again.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::callers::CallerRules;
use super::endpoint::Endpoint;
use super::failure::{FailureActions, FailureRefusal};
use super::overrides::Override;
use super::texts::{CannotReplace, TextRules};
use super::trial::TrialRules;
use super::type_set::TypeSet;
use crate::decision::{FailureAction, FailureClass, ListAction, SkipReason};
use crate::event::{Event, Hook};
use crate::filter::{self, EntryId, Filter, ListSet};

/// Which policy decided; reads as `3-9f2c01ab34de`, or `candidate-9f2c01ab34de`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Counts the policies that came into force, from 1; 0 is a candidate, which is in none.
    pub number: u64,
    /// The first 12 hex digits of SHA-256 over the files and the policy's part of the
    /// environment: equal on all machines that decide alike.
    pub hash: Arc<str>,
}

impl Version {
    /// It is tried beside the policy in force.
    pub fn is_candidate(&self) -> bool {
        self.number == 0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_candidate() {
            true => write!(f, "candidate-{}", self.hash),
            false => write!(f, "{}-{}", self.number, self.hash),
        }
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
    pub(super) failure: FailureRefusal,
    /// What is expected of the change to it.
    pub(super) budget: Option<Budget>,
    pub(super) overrides: Vec<Override>,
    /// Another policy that is tried beside this one.
    pub candidate: Option<Arc<TrialRules>>,
    /// Who may call.
    pub callers: Arc<CallerRules>,
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
        if !ids.is_empty() && !event.concerns(|id| ids.contains(id)) {
            return Err(SkipReason::AttentionIds);
        }
        Ok(rules)
    }

    /// What included files say in vain, by hook and key.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
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

    /// A word list by its name as the policy writes it.
    pub fn list(&self, name: &str) -> Option<&ListRules> {
        self.lists.get(name)
    }

    /// What a list compares an entry of this text as: equal for two ways to write one word. `None`
    /// for a list that cannot match.
    pub fn entry_form(&self, list: &str, entry: &str) -> Option<String> {
        let bare = entry.trim().trim_matches('*');
        let folded = self.filter.folded(list, bare)?;
        Some(folded.trim().to_owned())
    }

    /// Tells of each entry of a list its line and its text, those of combinations included.
    pub fn each_entry(&self, list: &str, mut tell: impl FnMut(u32, &str)) {
        let list = self
            .filter
            .lists()
            .iter()
            .find(|known| *known.name == *list);
        for entry in list.iter().flat_map(|list| list.entries.iter()) {
            tell(entry.line, entry.text);
        }
    }

    /// The entries of a list with its options, as they were compiled.
    pub fn words(&self, list: &str) -> Option<&filter::ListSpec> {
        let mut lists = self.filter.lists().iter();
        lists.find(|words| &*words.name == list)
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
    pub(super) cannot_replace: CannotReplace,
}

impl HookRules {
    /// What this hook does about a class of failure.
    pub fn action(&self, class: FailureClass) -> FailureAction {
        self.failure.of(class)
    }

    /// Its texts go through word lists.
    pub fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Whether texts of this hook go through the list of this name, written as the policy has it.
    pub fn has(&self, list: &str) -> bool {
        self.lists.iter().any(|name| **name == *list)
    }

    pub fn list_names(&self) -> Vec<String> {
        self.lists.iter().map(ToString::to_string).collect()
    }

    pub(super) fn rank(&self, list: &str) -> usize {
        let position = self.lists.iter().position(|name| &**name == list);
        position.unwrap_or(usize::MAX)
    }
}

/// What a word list leads to.
#[derive(Clone, Debug)]
pub struct ListRules {
    pub name: Arc<str>,
    /// `None` for a list of phrases that spare what other lists find.
    pub action: Option<ListAction>,
    pub entries: usize,
    /// Its file, relative to the policy directory.
    pub file: Option<Arc<str>>,
    /// How many of the entries stand in the policy itself; they come last.
    pub words: usize,
    /// What entries on trial lead to.
    pub trial: ListAction,
    /// What entries lead to that do not lead to `action`, by their number.
    pub(super) own_actions: BTreeMap<EntryId, ListAction>,
    pub(super) code: i32,
    pub(super) reason: String,
}

impl ListRules {
    /// What an entry leads to, by its number; `None` in a list that only spares.
    pub fn action_of(&self, entry: u32) -> Option<ListAction> {
        let own = self.own_actions.get(&EntryId::new(entry)).copied();
        self.action.map(|action| own.unwrap_or(action))
    }
}
