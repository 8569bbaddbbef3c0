//! One entry of `hooks:`.

use std::collections::HashSet;
use std::time::Duration;

use super::super::failure::FailureActions;
use super::super::texts::CannotReplace;
use super::super::type_set::TypeSet;
use super::parts::{Named, names, types};
use crate::decision::{FailureAction, FailureClass};
use crate::dialect;
use crate::event::Hook;
use crate::settings::{At, Field};

/// Hooks of OpenIM's configuration that none of its versions ever calls.
const NEVER_CALLED: [&str; 2] = ["afterGroupMsgRevoke", "afterUserKickOff"];

/// OpenIM's own limit for one call of a hook.
const TIMEOUT_MAX: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct HookSpec {
    pub hook: Hook,
    pub enable: bool,
    pub endpoints: AskWhom,
    pub timeout: Duration,
    pub caller_timeout: Duration,
    pub failure: FailureActions,
    pub allowed_types: TypeSet,
    pub denied_types: TypeSet,
    pub attention_ids: HashSet<String>,
    /// `None` when the key is absent: what `filters.lists` says.
    pub filters: Option<Vec<Named>>,
    pub pass_fields: Vec<String>,
    pub cannot_replace: CannotReplace,
    pub at: At,
    pub at_enable: At,
    pub at_timeout: At,
    pub at_caller_timeout: At,
    pub at_endpoint: At,
    /// Of what is done about each class of failure.
    pub at_failure: Vec<At>,
}

/// Who is asked or told.
#[derive(Debug)]
pub(crate) enum AskWhom {
    /// The key is absent: `callbackUrl`, if there is one.
    Default,
    Nobody,
    These(Vec<Named>),
}

/// `None` for a hook that does not exist.
pub(super) fn read(name: &str, field: &Field<'_>) -> Option<HookSpec> {
    let Some(hook) = dialect::hook(name) else {
        let hint = match dialect::near_names(name).first() {
            None => "`callgate dialects` lists every hook".to_owned(),
            Some(near) => format!("did you mean `{near}`?"),
        };
        field.error(format!("no hook named `{name}`"), hint);
        return None;
    };
    let section = field.section();
    let enable = section.field("enable");
    let timeout = section.field("timeout");
    let caller_timeout = section.field("caller_timeout");
    let endpoint = section.field("endpoint");
    let filters = section.field("filters");
    let allowed_types = section.field("allowedTypes");
    let denied_types = section.field("deniedTypes");
    let (failure, at_failure) = read_failure(&section.field("failedContinue"));
    let spec = HookSpec {
        hook,
        enable: enable.flag(),
        endpoints: read_endpoints(&endpoint),
        timeout: read_timeout(&timeout),
        caller_timeout: above_zero(&caller_timeout),
        failure,
        allowed_types: types(&allowed_types.items()),
        denied_types: types(&denied_types.items()),
        attention_ids: read_ids(&section.field("attentionIds")),
        filters: filters.is_set().then(|| names(&filters)),
        pass_fields: read_pass_fields(&section.field("pass_fields"), hook),
        cannot_replace: section
            .field("cannot_replace")
            .choice::<CannotReplace>()
            .unwrap_or_default(),
        at: field.at().clone(),
        at_enable: enable.at().clone(),
        at_timeout: timeout.at().clone(),
        at_caller_timeout: caller_timeout.at().clone(),
        at_endpoint: endpoint.at().clone(),
        at_failure,
    };
    section.finish();
    if spec.enable && NEVER_CALLED.contains(&hook.name) {
        let what = format!("no version of OpenIM ever calls `{hook}`");
        field.warning(what, "remove it or write `enable: false`");
    }
    if !dialect::info(hook).has_message() {
        for field in [allowed_types, denied_types] {
            if !field.items().is_empty() {
                field.warning("this hook has no message, so no type either", "remove it");
            }
        }
    }
    Some(spec)
}

fn read_pass_fields(field: &Field<'_>, hook: Hook) -> Vec<String> {
    let items = field.items();
    for item in &items {
        if !dialect::info(hook).holds_back(&item.text) {
            let what = format!("`{}` is no field that would be held back", item.text);
            item.warning(
                what,
                "only fields that change who gets a message, or that do harm, need to be named",
            );
        }
    }
    items.into_iter().map(|item| item.text).collect()
}

fn read_endpoints(field: &Field<'_>) -> AskWhom {
    let names = names(field);
    match names.as_slice() {
        _ if !field.is_set() => AskWhom::Default,
        [] => AskWhom::Nobody,
        [only] if only.name.eq_ignore_ascii_case("none") => AskWhom::Nobody,
        _ => AskWhom::These(names),
    }
}

fn read_timeout(field: &Field<'_>) -> Duration {
    let timeout = above_zero(field);
    if timeout > TIMEOUT_MAX {
        field.warning(
            format!("{timeout:?} is longer than OpenIM waits for any hook, so 15s is used"),
            "use at most 15s",
        );
    }
    timeout.min(TIMEOUT_MAX)
}

fn above_zero(field: &Field<'_>) -> Duration {
    let time = field.seconds();
    if time == Some(Duration::ZERO) {
        field.error("a time above 0 is needed", "write seconds, or 500ms");
    }
    time.unwrap_or_default()
}

/// One boolean for all classes, or an action for each; and where each is said.
fn read_failure(field: &Field<'_>) -> (FailureActions, Vec<At>) {
    let booleans = [
        ("true", FailureAction::Allow),
        ("false", FailureAction::Block),
    ];
    let actions = FailureAction::ALL.map(|action| (action.name(), action));
    let choices: Vec<_> = actions.into_iter().chain(booleans).collect();
    if !field.is_map() {
        let choice = field.one_of(&booleans);
        let actions = FailureActions::all(choice.unwrap_or(FailureAction::Block));
        let everywhere = FailureClass::ALL.map(|_| field.at().clone());
        return (actions, everywhere.to_vec());
    }
    let section = field.section();
    let default = section.field("default");
    let mut places = FailureClass::ALL.map(|_| default.at().clone());
    let default = match default.is_set() {
        true => default.one_of(&choices),
        false => Some(FailureAction::Allow),
    };
    let mut actions = FailureActions::all(default.unwrap_or(FailureAction::Block));
    for class in FailureClass::ALL {
        let field = section.field(class.name());
        if field.is_set() {
            places[class as usize] = field.at().clone();
        }
        if field.is_set()
            && let Some(action) = field.one_of(&choices)
        {
            actions.set(class, action);
        }
    }
    section.finish();
    (actions, places.to_vec())
}

fn read_ids(field: &Field<'_>) -> HashSet<String> {
    let items = field.items();
    for item in &items {
        if item.text.is_empty() {
            item.error("the id is empty, so it is nobody's", "remove it");
        }
        if item.text.contains(['"', '\'', '[', ']']) {
            item.warning(
                format!("the id `{}` contains a quote or a bracket", item.text),
                "in an environment variable ids are separated by commas, without brackets or quotes",
            );
        }
    }
    items.into_iter().map(|item| item.text).collect()
}
