//! Times that do not fit: what the endpoint may take, what the IM server waits, what callgate leaves
//! itself.
//!
//! What is wrong for certain is a warning. What is right only with a setting of the IM server, which
//! callgate cannot see, is a note.

use std::time::Duration;

use super::overrides::Override;
use super::sources::{CALLBACK_URL, is_written};
use super::spec::{AskWhom, EndpointSpec, HookSpec, Spec};
use crate::dialect::{self, Patience};
use crate::event::Moment;
use crate::settings::{At, Problems};

/// We answer this much before the caller's limit, or 5 % of it if that is more.
const MARGIN_MIN: Duration = Duration::from_millis(20);

/// What of the caller's limit there is to find an answer in.
pub fn less_margin(limit: Duration) -> Duration {
    limit.saturating_sub(MARGIN_MIN.max(limit / 20))
}

/// Reports what does not fit, hook by hook.
///
/// `file` is policy.yaml: what an included file says is the server's own word.
pub(super) fn review(spec: &Spec, file: &At, overrides: &[Override], problems: &Problems) {
    for hook in spec.hooks.iter().filter(|hook| hook.enable) {
        let uses = |one: &&EndpointSpec| uses_endpoint(hook, &one.endpoint.name);
        let times = Times {
            spec,
            file,
            hook,
            endpoint: spec.endpoints.iter().find(uses),
            overrides,
            problems,
        };
        match hook.hook.moment {
            Moment::Before => times.before(),
            Moment::After => times.after(),
        }
    }
}

struct Times<'a> {
    spec: &'a Spec,
    file: &'a At,
    hook: &'a HookSpec,
    /// Who is asked.
    endpoint: Option<&'a EndpointSpec>,
    overrides: &'a [Override],
    problems: &'a Problems,
}

impl Times<'_> {
    fn before(&self) {
        if let Some(endpoint) = self.endpoint {
            self.of_the_endpoint(endpoint);
        }
        if let Some(patience) = dialect::of(dialect::owner(self.hook.hook)).patience(self.hook.hook)
        {
            self.of_the_server(patience);
        }
    }

    fn of_the_endpoint(&self, endpoint: &EndpointSpec) {
        let HookSpec {
            timeout,
            caller_timeout,
            at_timeout,
            at_caller_timeout,
            ..
        } = self.hook;
        let left = less_margin(*caller_timeout);
        let at = match is_written(at_timeout) || !is_written(at_caller_timeout) {
            true => at_timeout,
            false => at_caller_timeout,
        };
        if timeout > caller_timeout {
            let what = format!(
                "the IM server gives up after caller_timeout ({caller_timeout:?}), so {timeout:?} are never used up"
            );
            let hint = "make it shorter than caller_timeout";
            self.problems.warning(at, what, hint);
        // An included file has one time for both.
        } else if *timeout > left && at_timeout.place != at_caller_timeout.place {
            let what = format!(
                "callgate answers {:?} before caller_timeout ({caller_timeout:?}), so the endpoint has {left:?} and not {timeout:?}",
                *caller_timeout - left
            );
            let hint =
                "make timeout shorter, or caller_timeout and the IM server's own limit longer";
            self.problems.note(at, what, hint);
        }
        let has = left.min(*timeout);
        let connect = endpoint.endpoint.connect_timeout;
        if connect >= has && is_written(&endpoint.at_connect_timeout) {
            let what = format!(
                "{} gives its endpoint {has:?}, so a server that cannot be reached is of class `timeout`, not `connect`, for it",
                self.hook.hook
            );
            let hint = "make connect_timeout shorter than that";
            self.problems.note(&endpoint.at_connect_timeout, what, hint);
        }
    }

    /// Does the server wait as long as the policy says that it does?
    fn of_the_server(&self, patience: Patience) {
        let limit = self.hook.caller_timeout;
        let at = self.at_limit();
        let Patience {
            server,
            usual,
            most,
            setting,
        } = patience;
        let gives_up = |after: String| {
            format!(
                "{server} gives up on {} after {after}, and callgate may take up to {:?} (caller_timeout)",
                self.hook.hook,
                less_margin(limit)
            )
        };
        if let Some(most) = most.filter(|most| limit > *most) {
            let hint = format!("make caller_timeout {most:?} at the most");
            self.problems
                .warning(at, gives_up(format!("{most:?}")), hint);
        } else if let Some((included, place)) = self.included().filter(|(time, _)| limit > *time) {
            let hint = format!("make caller_timeout {included:?}, or change both");
            let what = gives_up(format!("{included:?} ({place})"));
            self.problems.warning(at, what, hint);
        } else if limit > usual && self.is_ours(at) {
            let what = gives_up(format!("{usual:?}, unless its own settings say else"));
            let hint = format!("set {setting} to {limit:?} or more");
            self.problems.note(at, what, hint);
        }
    }

    /// It stands in the policy itself, or in the environment.
    fn is_ours(&self, at: &At) -> bool {
        let is_variable = at.place.line == 0;
        at.place.file == self.file.place.file || (is_written(at) && is_variable)
    }

    /// What an included file of the server says, where something overrides it.
    fn included(&self) -> Option<(Duration, &str)> {
        let is_it = |one: &&Override| {
            one.key == "caller_timeout" && one.hook.eq_ignore_ascii_case(self.hook.hook.name)
        };
        let said = self.overrides.iter().find(is_it)?;
        let seconds: u64 = said.included.strip_suffix('s')?.parse().ok()?;
        Some((Duration::from_secs(seconds), &said.included_from))
    }

    fn at_limit(&self) -> &At {
        match is_written(&self.hook.at_caller_timeout) {
            true => &self.hook.at_caller_timeout,
            false => &self.hook.at,
        }
    }

    /// What is told afterwards has its endpoint's time.
    fn after(&self) {
        let HookSpec {
            at_timeout,
            at_caller_timeout,
            ..
        } = self.hook;
        if dialect::info(self.hook.hook).may_ask() {
            return;
        }
        for (at, name) in [
            (at_timeout, "timeout"),
            (at_caller_timeout, "caller_timeout"),
        ] {
            // What `each_hook` says is for others.
            let is_shared = self.spec.hooks.iter().any(|other| {
                other.hook != self.hook.hook
                    && [&other.at_timeout, &other.at_caller_timeout]
                        .iter()
                        .any(|one| one.place == at.place)
            });
            if self.is_ours(at) && !is_shared {
                let what = format!("nobody waits for an after hook, so `{name}` says nothing here");
                let hint = "its endpoint has `events: {timeout: …}`";
                self.problems.note(at, what, hint);
            }
        }
    }
}

/// The hook asks or tells the endpoint of this name.
pub(super) fn uses_endpoint(hook: &HookSpec, name: &str) -> bool {
    match &hook.endpoints {
        AskWhom::Nobody => false,
        AskWhom::Default => name.eq_ignore_ascii_case(CALLBACK_URL),
        AskWhom::These(names) => names
            .iter()
            .any(|named| named.name.eq_ignore_ascii_case(name)),
    }
}
