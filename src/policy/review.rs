//! Findings: what the files may say, but what cannot work or will surprise.

use std::time::Duration;

use super::overrides::Override;
use super::sources::{CompileContext, FileSet, inside};
use super::spec::{AskWhom, HookSpec, ListDoes, Named, Spec};
use super::texts::ReplaceInSendHook;
use super::times::{self, uses_endpoint};
use crate::decision::ListAction;
use crate::dialect;
use crate::event::Moment;
use crate::settings::{At, Problems};

/// OpenIM's clients wait this long for the whole of one send.
const CLIENT_WAITS: Duration = Duration::from_secs(10);

const SEND_HOOKS: [&str; 2] = ["beforeSendSingleMsg", "beforeSendGroupMsg"];
const MODIFY_HOOK: &str = "beforeMsgModify";

/// Reports every finding about a spec.
pub(super) fn review(
    spec: &Spec,
    files: &FileSet,
    context: &CompileContext,
    file: &At,
    overrides: &[Override],
    problems: &Problems,
) {
    let review = Review {
        spec,
        file,
        problems,
    };
    review.endpoints(context);
    review.lists(files);
    review.hooks();
    times::review(spec, file, overrides, problems);
    review.time_of_a_send();
    review.deferred_masks();
}

struct Review<'a> {
    spec: &'a Spec,
    file: &'a At,
    problems: &'a Problems,
}

impl<'a> Review<'a> {
    fn endpoints(&self, context: &CompileContext) {
        for endpoint in &self.spec.endpoints {
            let name = &endpoint.endpoint.name;
            let mut listeners = context.listeners.iter();
            let own = endpoint
                .address
                .as_ref()
                .and_then(|address| listeners.find(|listener| address.reaches(listener)));
            if let Some(own) = own {
                self.problems.error(
                    &endpoint.at_url,
                    format!("this is callgate's own listener {own}, so every call would come back"),
                    "write the business server's url",
                );
            }
            if !self.enabled().any(|hook| uses_endpoint(hook, name)) {
                let what = format!("no enabled hook uses the endpoint `{name}`");
                let hint = "name it as the `endpoint` of a hook, or remove it";
                self.problems.warning(&endpoint.at, what, hint);
            }
        }
    }

    fn lists(&self, files: &FileSet) {
        for list in &self.spec.lists {
            let is_used = |hook| {
                self.lists_of(hook)
                    .any(|name| name == list.name.to_lowercase())
            };
            if !self.before().any(is_used) {
                let what = format!("no enabled hook uses the list `{}`", list.name);
                self.problems
                    .warning(&list.at, what, "name it in `filters`");
            }
        }
        let read: Vec<&str> = self
            .spec
            .lists
            .iter()
            .filter_map(|list| list.file.as_ref())
            .map(|file| inside(&file.name))
            .collect();
        for path in files.files.keys() {
            if path.starts_with("lists/") && !read.contains(&path.as_str()) {
                self.problems.warning(
                    &At::file(&files.shown(path)),
                    "no list reads this file",
                    "name it below `lists:` in policy.yaml",
                );
            }
        }
    }

    fn hooks(&self) {
        if self.enabled().next().is_none() {
            let hint = "enable the hooks that callgate shall decide on";
            let what = "no hook is enabled, so every message passes unseen";
            self.problems.warning(self.file, what, hint);
        }
        for hook in &self.spec.hooks {
            match hook.hook.moment {
                Moment::Before => self.before_hook(hook),
                Moment::After => self.after_hook(hook),
            }
            self.forms(hook);
            let elsewhere =
                hook.at_enable.place.file != hook.at.place.file && hook.at_enable.place.line > 0;
            if !hook.enable && hook.at.place.file == self.file.place.file && elsewhere {
                let place = &hook.at_enable.place;
                let what = format!("the hook is off in {}:{}", place.file, place.line);
                let hint = "to turn it on here, write `enable: true`";
                self.problems.warning(&hook.at, what, hint);
            }
        }
    }

    /// An endpoint is called in its own dialect, which may have no call for this hook.
    fn forms(&self, hook: &HookSpec) {
        let endpoints = self.spec.endpoints.iter();
        for endpoint in endpoints.map(|endpoint| &endpoint.endpoint) {
            let speaks = dialect::of(endpoint.dialect).speaks(hook.hook);
            if hook.enable && !speaks && uses_endpoint(hook, &endpoint.name) {
                let what = format!(
                    "`{}` speaks {}, which has no call for {}",
                    endpoint.name, endpoint.dialect, hook.hook
                );
                let own = dialect::owner(hook.hook);
                let hint = format!("name an endpoint with `dialect: {own}`, or none");
                self.problems.error(&hook.at_endpoint, what, hint);
            }
        }
    }

    fn before_hook(&self, hook: &HookSpec) {
        if let AskWhom::These(names) = &hook.endpoints
            && names.len() > 1
        {
            let what = "a before hook has one answer, so it asks one endpoint";
            self.problems.error(&hook.at_endpoint, what, "name one");
        }
    }

    fn after_hook(&self, hook: &HookSpec) {
        if hook.filters.as_ref().is_some_and(|named| !named.is_empty()) {
            let hint = "remove `filters`, or filter in the before hook";
            let what = "an after hook tells what has happened, so there is nothing to filter";
            self.problems.error(&hook.at, what, hint);
        }
        if hook.enable && !self.asks(hook) {
            let hint = "name an `endpoint`, or write `enable: false`";
            let what = "the hook has no endpoint, so nobody is told";
            self.problems.warning(&hook.at, what, hint);
        }
    }

    /// Both calls about one message wait for the same endpoint, one after the other.
    fn time_of_a_send(&self) {
        let Some(modify) = self.asking(MODIFY_HOOK) else {
            return;
        };
        for name in SEND_HOOKS {
            let Some(send) = self.asking(name) else {
                continue;
            };
            let sum = send.timeout + modify.timeout;
            if sum >= CLIENT_WAITS {
                let what =
                    format!("with {MODIFY_HOOK} a send may take {sum:?}, and clients wait 10s");
                let hint = "shorten one of the two, well below 10s together";
                self.problems.warning(&send.at_timeout, what, hint);
            }
        }
    }

    /// A word that is left to `beforeMsgModify` passes unmasked when that hook is off.
    fn deferred_masks(&self) {
        let is_off = !self.before().any(|hook| hook.hook.name == MODIFY_HOOK);
        if self.spec.filters.replace_in_send_hook != ReplaceInSendHook::Defer || !is_off {
            return;
        }
        let replaces = |name: String| {
            self.spec.lists.iter().any(|list| {
                let tagged = list
                    .tag_actions
                    .iter()
                    .any(|tagged| tagged.action == ListAction::Replace);
                list.name.to_lowercase() == name
                    && (tagged || list.does == ListDoes::Act(ListAction::Replace))
            })
        };
        let mut send_hooks = self
            .before()
            .filter(|hook| SEND_HOOKS.contains(&hook.hook.name));
        if let Some(hook) = send_hooks.find(|hook| self.lists_of(hook).any(replaces)) {
            let what = format!(
                "{} leaves words to {MODIFY_HOOK}, which is off, so they are never masked",
                hook.hook
            );
            let hint = format!("enable {MODIFY_HOOK}, or write `block`");
            self.problems
                .error(&self.spec.filters.at_replace, what, hint);
        }
    }

    fn enabled(&self) -> impl Iterator<Item = &'a HookSpec> {
        self.spec.hooks.iter().filter(|hook| hook.enable)
    }

    fn before(&self) -> impl Iterator<Item = &'a HookSpec> {
        self.enabled()
            .filter(|hook| hook.hook.moment == Moment::Before)
    }

    fn asking(&self, name: &str) -> Option<&'a HookSpec> {
        self.enabled()
            .find(|hook| hook.hook.name == name && self.asks(hook))
    }

    fn asks(&self, hook: &HookSpec) -> bool {
        let mut endpoints = self.spec.endpoints.iter();
        endpoints.any(|endpoint| uses_endpoint(hook, &endpoint.endpoint.name))
    }

    /// The lists of a before hook, in lower case.
    fn lists_of(&self, hook: &'a HookSpec) -> Box<dyn Iterator<Item = String> + 'a> {
        let lower = |named: &Named| named.name.to_lowercase();
        match (&hook.filters, &self.spec.filters.lists) {
            (Some(named), _) | (None, Some(named)) => Box::new(named.iter().map(lower)),
            (None, None) => Box::new(self.spec.lists.iter().map(|list| list.name.to_lowercase())),
        }
    }
}
