//! What can never do anything: tags that no entry has, lists that spare nothing, hooks that let
//! everything pass.
//!
//! Lists without entries and lists and endpoints that no hook uses are told wherever a policy is
//! compiled.

use std::collections::BTreeSet;

use super::entries::spares;
use super::findings::Findings;
use super::subject::{Lint, List};
use crate::dialect;
use crate::event::Moment;
use crate::filter::{AllowMode, Role, Scratch, is_pattern};
use crate::policy::snapshot::HookRules;
use crate::policy::spec::HookSpec;
use crate::settings::suggest;

impl Lint<'_> {
    pub(super) fn idle(&self, findings: &mut Findings) {
        for list in &self.lists {
            tell_unused_tags(list, findings);
            if list.words.role == Role::Allow {
                self.idle_phrases(list, findings);
            }
        }
        for hook in self.spec.hooks.iter().filter(|hook| hook.enable) {
            if let Some(rules) = self.snapshot.rules(hook.hook) {
                self.idle_hook(hook, rules, findings);
            }
        }
    }

    /// An allow list of which no phrase holds what the lists beside it find.
    fn idle_phrases(&self, list: &List, findings: &mut Findings) {
        let name = &list.words.name;
        let is_used = self
            .snapshot
            .hooks()
            .any(|rules| rules.lists.contains(name));
        if list.words.written().len() == 0 || !is_used {
            return;
        }
        let beside: Vec<&List> = self
            .lists
            .iter()
            .filter(|other| spares(self, list, other) && finds(other))
            .collect();
        // A part of an entry spares it then.
        let overlaps = |list: &&&List| list.words.options.allow_mode == AllowMode::Overlap;
        if beside.iter().chain([&list]).any(|list| overlaps(&list)) {
            return;
        }
        let beside: Vec<&str> = beside.iter().map(|other| &*other.words.name).collect();
        if beside.is_empty() {
            let what = format!(
                "the list `{name}` spares nothing: no hook that uses it has a list that finds anything"
            );
            let hint = "name it in the `filters` of a hook with other lists, or remove it";
            return findings.add_at(&list.spec.at, what, hint);
        }
        let set = self.filter().list_set(&beside);
        let mut scratch = Scratch::default();
        let mut holds = |phrase: &str| {
            let mut matches = Vec::new();
            self.filter().scan(phrase, &set, &mut scratch, &mut matches);
            !matches.is_empty()
        };
        // What a pattern or an open end spares nobody can say.
        let is_open = |phrase: &str| is_pattern(phrase) || phrase.contains('*');
        let phrases = list.words.written();
        let mut phrases = phrases.map(|entry| entry.text);
        if !phrases.any(|phrase| is_open(phrase) || holds(phrase)) {
            let what = format!(
                "the list `{name}` spares nothing: no phrase of it holds what the lists beside it find"
            );
            let hint = "write phrases with a listed word in them, or remove the list";
            findings.add_at(&list.spec.at, what, hint);
        }
    }

    fn idle_hook(&self, hook: &HookSpec, rules: &HookRules, findings: &mut Findings) {
        let (allowed, denied) = (&hook.allowed_types, &hook.denied_types);
        if denied.covers(allowed) {
            let what = "`deniedTypes` denies every type that `allowedTypes` allows, so nothing is looked at";
            let hint = "take away from one of the two, or write `enable: false`";
            return findings.add_at(&hook.at, what.to_owned(), hint);
        }
        if hook.hook.moment == Moment::After || !rules.endpoints.is_empty() {
            return;
        }
        let mut lists = self.lists.iter().filter(|list| finds(list));
        let has_list = lists.any(|list| rules.lists.contains(&list.words.name));
        let info = dialect::info(hook.hook);
        let has_text = info.has_message() || !info.texts.is_empty();
        let hint = "name an `endpoint` or `filters` with a list that finds something, or write `enable: false`";
        if !has_list {
            let what =
                "the hook asks nobody and has no list that finds anything, so everything passes";
            findings.add_at(&hook.at, what.to_owned(), hint);
        } else if !has_text {
            let what =
                "the hook asks nobody, and its calls hold no text to search, so everything passes";
            let hint = "name an `endpoint`, or write `enable: false`";
            findings.add_at(&hook.at, what.to_owned(), hint);
        }
    }
}

/// The list looks for something.
fn finds(list: &List) -> bool {
    let is_empty = list.words.written().len() == 0 && list.words.options.combos.is_empty();
    list.words.role == Role::Match && !is_empty
}

fn tell_unused_tags(list: &List, findings: &mut Findings) {
    let name = &list.words.name;
    let entries = list.words.written();
    let tags = entries.flat_map(|entry| entry.tags.iter().map(String::as_str));
    let combos = list.words.options.combos.iter();
    let known: BTreeSet<&str> = tags.chain(combos.map(|combo| &*combo.id)).collect();
    for one in &list.spec.tag_actions {
        if list.words.role == Role::Allow {
            let what = format!("the list `{name}` only spares, so no tag of it leads to anything");
            findings.add_at(&one.at, what, "remove `tag_actions`");
        } else if !known.contains(&*one.tag) {
            let what = format!("no entry of the list `{name}` has the tag `{}`", one.tag);
            let near = suggest(&one.tag, known.iter().copied());
            let hint = match near.starts_with("did you mean") {
                true => near,
                false => "write the tag behind a word, after a TAB, or remove the line".to_owned(),
            };
            findings.add_at(&one.at, what, hint);
        }
    }
}
