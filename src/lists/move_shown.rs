//! What entries that go to another list lead to there, as far as it is otherwise.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::edit::{Known, Lists, Moved, NotSaved};
use super::made::{Made, entry_of};
use super::place::read_only;
use crate::editor::{Document, What};
use crate::filter::Identity;
use crate::policy::{ListRules, Snapshot};

/// So many entries that are there already are named.
const LISTED_MAX: usize = 20;

/// What becomes of entries that go to another list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoveShown {
    pub to: String,
    /// Its file, in the policy directory.
    pub file: String,
    /// Why that can only be had as a patch.
    pub read_only: Option<String>,
    /// How many the other list has already; its own lines of them stay as they are.
    pub listed: usize,
    /// The first of them.
    pub listed_entries: Vec<String>,
    /// What entries lead to here and there, and how many do.
    pub actions: Vec<ActionShown>,
    /// Hooks that look for the entries now and would not any more.
    pub hooks_left: Vec<String>,
    /// Hooks that do not look for them now and would.
    pub hooks_new: Vec<String>,
    /// The other list folds texts otherwise, and may find an entry where this one does not.
    pub other_options: bool,
}

/// Entries that lead to one thing here and to one there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionShown {
    /// `None` where the entry is not in force; `allow` for one that spares.
    pub from: Option<String>,
    pub to: Option<String>,
    pub entries: usize,
}

impl Moved {
    /// The entries that were there already, as far as they are named.
    pub fn named(&self) -> &[String] {
        &self.listed[..self.listed.len().min(LISTED_MAX)]
    }
}

/// `new` is the policy that would be.
pub(super) fn move_shown(
    lists: &Lists,
    (from, to): (&Known, &Known),
    made: &Made,
    new: &Snapshot,
) -> Result<MoveShown, NotSaved> {
    let moved = made.moved.as_ref();
    let moved = moved.expect("there is a list that they go to");
    let old = &from.snapshot;
    let in_force = lists.policies.in_force(&from.file).unwrap_or_default();
    let here = actions(lists, from, old.list(&from.name), &in_force, made)?;
    let there = made.changes.iter().find(|change| change.file == to.file);
    let there = there.map(|change| &*change.after).unwrap_or_default();
    let there = actions(lists, to, new.list(&to.name), there, made)?;
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for pair in here.into_iter().zip(there) {
        *counts.entry(pair).or_default() += 1;
    }
    let counts = counts.into_iter().map(|((from, to), entries)| ActionShown {
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        entries,
    });
    let only = |has: &Known, has_not: &Known| {
        let hooks = old.hooks_of(&has.name);
        let hooks = hooks.filter(|rules| !rules.has(&has_not.name));
        hooks.map(|rules| rules.hook.name.to_owned()).collect()
    };
    let options = |list: &Known| list.words().map(|words| words.options.clone());
    Ok(MoveShown {
        to: moved.to.clone(),
        file: to.file.to_string(),
        read_only: read_only(lists.policies.directory(), &to.file),
        listed: moved.listed.len(),
        listed_entries: moved.named().to_vec(),
        actions: counts.collect(),
        hooks_left: only(from, to),
        hooks_new: only(to, from),
        other_options: options(from) != options(to),
    })
}

/// What each of the lines that are moved leads to in a list with this content.
fn actions(
    lists: &Lists,
    list: &Known,
    rules: Option<&ListRules>,
    content: &[u8],
    made: &Made,
) -> Result<Vec<Option<&'static str>>, NotSaved> {
    let identities = lists.identities(list)?;
    let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = made
        .taken
        .iter()
        .map(|line| identities.identity(entry_of(line)));
    let wanted: Vec<Identity> = wanted.collect();
    let mut found: HashMap<&Identity, u32> = wanted.iter().map(|one| (one, u32::MAX)).collect();
    let document = Document::read(content);
    let entries = document.rows().filter_map(|row| match row.what {
        What::Entry(line) => Some(line.text()),
        _ => None,
    });
    // Words of policy.yaml come last.
    for (number, entry) in (0..).zip(entries.chain(list.inline())) {
        if let Some(known) = found.get_mut(&identities.identity(entry)) {
            *known = number.min(*known);
        }
    }
    let action = |identity: &Identity| {
        let (rules, number) = (rules?, found[identity]);
        let is_there = number != u32::MAX;
        match rules.action_of(number) {
            Some(action) if is_there => Some(action.name()),
            None if is_there => Some("allow"),
            _ => None,
        }
    };
    Ok(wanted.iter().map(action).collect())
}
