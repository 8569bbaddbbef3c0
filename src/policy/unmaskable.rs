//! Where a word of a `replace` list cannot be masked, and what it leads to there: for `check`.

use serde::Serialize;

use super::snapshot::{HookRules, Snapshot};
use super::texts::ReplaceInSendHook;
use crate::decision::ListAction;
use crate::dialect;
use crate::event::Moment;

/// The fields of a hook in which nothing can be masked over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmaskable {
    pub hook: &'static str,
    pub fields: Vec<String>,
    /// What the hook's `cannot_replace` says: `block`, `allow` or `flag`.
    pub leads_to: &'static str,
}

impl Snapshot {
    /// The enabled hooks with a `replace` list that can find a word where it cannot mask it.
    pub fn unmaskable(&self) -> Vec<Unmaskable> {
        let hooks = self.hooks().filter(|rules| self.replaces(rules));
        let unmaskable = hooks.map(|rules| {
            let info = dialect::info(rules.hook);
            let mut fields = info.fixed_texts();
            if info.asks_again() && self.texts.replace_in_send_hook == ReplaceInSendHook::Defer {
                fields.retain(|field| field != "content");
            }
            Unmaskable {
                hook: rules.hook.name,
                fields,
                leads_to: rules.cannot_replace.into(),
            }
        });
        unmaskable.filter(|one| !one.fields.is_empty()).collect()
    }

    fn replaces(&self, rules: &HookRules) -> bool {
        let mut lists = rules.lists.iter().filter_map(|name| self.lists.get(name));
        rules.hook.moment == Moment::Before
            && lists.any(|list| {
                let mut own = list.own_actions.values();
                list.action == Some(ListAction::Replace)
                    || own.any(|action| *action == ListAction::Replace)
            })
    }
}
