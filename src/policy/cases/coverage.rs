//! What of a policy its cases have seen at work: entries of lists, hooks, failures of hooks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::snapshot::{HookRules, Snapshot};
use super::came::Came;
use super::judge::spared;
use crate::decision::FailureClass;
use crate::dialect;
use crate::event::{Event, Hook};

/// Of what is missing, so much is named.
const MISSING_MAX: usize = 20;

/// What was seen at work.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    hooks: BTreeSet<&'static str>,
    /// List and entry.
    entries: BTreeSet<(String, String)>,
    failures: BTreeSet<(&'static str, &'static str)>,
}

/// How much of one thing was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Covered {
    pub seen: usize,
    pub all: usize,
    /// The first of those that were not.
    pub missing: Vec<String>,
}

/// By list, then hooks, then failures.
#[derive(Clone, Debug, Serialize)]
pub struct Covering {
    pub lists: BTreeMap<String, Covered>,
    pub hooks: Covered,
    /// A hook and a class of failure that it can meet.
    pub failures: Covered,
}

impl Coverage {
    pub(super) fn decided(&mut self, snapshot: &Snapshot, event: &Event, came: &Came) {
        if came.decision.skipped.is_some() || came.is_refused {
            return;
        }
        self.hooks.insert(event.hook.name);
        for hit in &came.decision.hits {
            self.entries
                .insert((hit.list.to_string(), hit.entry.to_string()));
        }
        if snapshot.rules(event.hook).is_some_and(HookRules::has_lists) {
            self.entries.extend(spared(snapshot, event));
        }
    }

    pub(super) fn failed(&mut self, hook: Hook, class: FailureClass) {
        self.failures.insert((hook.name, class.name()));
    }

    /// Compares it with all that the policy has.
    pub fn of(&self, snapshot: &Snapshot) -> Covering {
        let lists = snapshot.filter.lists().iter().map(|list| {
            let mut covered = Covered::default();
            for entry in list.written() {
                let key = (list.name.to_string(), entry.text.to_owned());
                covered.add(self.entries.contains(&key), || entry.text.to_owned());
            }
            (list.name.to_string(), covered)
        });
        let (mut hooks, mut failures) = (Covered::default(), Covered::default());
        for rules in snapshot.hooks() {
            let name = rules.hook.name;
            hooks.add(self.hooks.contains(name), || name.to_owned());
            for class in FailureClass::ALL
                .into_iter()
                .filter(|class| can_meet(rules, *class))
            {
                let seen = self.failures.contains(&(name, class.name()));
                failures.add(seen, || format!("{name}: {class}"));
            }
        }
        Covering {
            lists: lists.collect(),
            hooks,
            failures,
        }
    }
}

impl Covered {
    fn add(&mut self, seen: bool, name: impl Fn() -> String) {
        self.all += 1;
        match seen {
            true => self.seen += 1,
            false if self.missing.len() < MISSING_MAX => self.missing.push(name()),
            false => {}
        }
    }
}

/// Where nobody is asked, only what callgate itself can fail at is left.
fn can_meet(rules: &HookRules, class: FailureClass) -> bool {
    if !dialect::info(rules.hook).may_ask() {
        return false;
    }
    match class {
        // A policy cannot tell whether its callers name versions.
        FailureClass::StalePolicy => false,
        FailureClass::Internal | FailureClass::UnreadableCall => true,
        FailureClass::Unfiltered => rules.has_lists(),
        _ => !rules.endpoints.is_empty(),
    }
}
