//! What a policy's lists make of a text alone, for those who compare two policies.

use std::ops::Range;
use std::sync::Arc;

use super::snapshot::{HookRules, Snapshot};
use crate::decision::ListAction;
use crate::filter::{Match, Scratch};

/// The match that says most, and how many others there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub action: ListAction,
    pub list: Arc<str>,
    pub entry: Arc<str>,
    /// From 1; 0 for a word of the policy itself.
    pub line: u32,
    pub bytes: Range<usize>,
    pub others: usize,
}

impl Snapshot {
    /// The enabled hooks whose texts go through this list.
    pub fn hooks_of<'a>(&'a self, list: &'a str) -> impl Iterator<Item = &'a HookRules> {
        self.hooks().filter(|rules| rules.has(list))
    }

    /// What the lists of a hook lead to in one text; `matches` is room for the work.
    pub fn action_in(
        &self,
        rules: &HookRules,
        text: &str,
        scratch: &mut Scratch,
        matches: &mut Vec<Match>,
    ) -> Option<ListAction> {
        matches.clear();
        self.filter.scan(text, &rules.list_set, scratch, matches);
        let actions = matches.iter().filter_map(|found| self.action_at(found));
        actions.min()
    }

    /// The same with the match that says so; `matches` are those that were found.
    pub fn effect_of(&self, matches: &[Match]) -> Option<Effect> {
        let actions = matches
            .iter()
            .filter_map(|found| Some((self.action_at(found)?, found)));
        let (action, found) = actions.min_by_key(|(action, _)| *action)?;
        let words = self.filter.lists().get(found.list.index())?;
        let entry = words.entries.get(found.entry.index());
        Some(Effect {
            action,
            list: Arc::clone(&words.name),
            entry: entry.text.into(),
            line: entry.line,
            bytes: found.span.bytes.clone(),
            others: matches.len() - 1,
        })
    }

    fn action_at(&self, found: &Match) -> Option<ListAction> {
        let words = self.filter.lists().get(found.list.index())?;
        let rules = self.lists.get(&words.name)?;
        let own = rules.own_actions.get(&found.entry).copied();
        own.or(rules.action)
    }
}
