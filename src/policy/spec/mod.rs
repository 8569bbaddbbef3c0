//! What the policy files say, read but not yet checked against each other.
//!
//! Order, downward: `candidate`, `callers`, `endpoint`, `hook`, `list`, `parts`.

mod callers;
mod candidate;
mod endpoint;
mod hook;
mod list;
mod parts;

use ipnet::IpNet;

use super::budget::Budget;
use super::callers::CALLERS_MAX;
use super::failure::FailureRefusal;
use super::texts::{NestedText, ReplaceInSendHook, TextCosts};
use super::trial::TrialRules;
use super::type_set::TypeSet;
use crate::settings::{At, Field, Section};
use parts::{code, names, types_or_all};

pub(super) use callers::CallerSpec;
pub use callers::LOCAL_NAME;
pub(super) use endpoint::EndpointSpec;
pub(super) use hook::{AskWhom, HookSpec};
pub use list::TRIAL;
pub(super) use list::{ListDoes, ListLimits, ListSpec, OwnSettings, read_own};
pub(super) use parts::{Named, unknown};

#[derive(Debug)]
pub(super) struct Spec {
    pub endpoints: Vec<EndpointSpec>,
    pub lists: Vec<ListSpec>,
    pub filters: FiltersSpec,
    pub failure: FailureRefusal,
    pub lint: LintSpec,
    pub hooks: Vec<HookSpec>,
    pub callers: Vec<CallerSpec>,
    pub proxies: Vec<IpNet>,
    /// Only a policy that passes its own cases comes into force.
    pub tests_required: bool,
    /// What is expected of a change.
    pub budget: Option<Budget>,
    /// Another policy that is tried beside this one.
    pub candidate: Option<TrialRules>,
}

#[derive(Debug)]
pub(super) struct FiltersSpec {
    /// `None` when the key is absent: every list.
    pub lists: Option<Vec<Named>>,
    pub nested_text: NestedText,
    pub replace_in_send_hook: ReplaceInSendHook,
    pub at_replace: At,
    pub defer_types: TypeSet,
    pub limits: ListLimits,
    pub costs: TextCosts,
    pub tells_list: bool,
}

/// How `callgate check` judges word lists.
#[derive(Clone, Debug)]
pub(super) struct LintSpec {
    /// Warnings of one kind about one list.
    pub warnings_max: usize,
    /// The largest share of everyday messages in which a good entry is found.
    pub everyday_share_max: f64,
}

/// Reads merged settings. Everything wrong is reported; the spec is only good without errors.
pub(super) fn read(root: &Section<'_>, is_candidate: bool) -> Spec {
    // It was used before the layers were merged.
    root.field("include");
    Spec {
        endpoints: named(&root.field("endpoints"))
            .into_iter()
            .map(|(name, field)| endpoint::read(name, &field))
            .collect(),
        lists: named(&root.field("lists"))
            .into_iter()
            .map(|(name, field)| list::read(name, &field))
            .collect(),
        filters: read_filters(&root.field("filters")),
        failure: read_failure(&root.field("failure")),
        lint: read_lint(&root.field("lint")),
        hooks: root
            .field("hooks")
            .section()
            .fields()
            .into_iter()
            .filter_map(|(name, field)| hook::read(&name, &field))
            .collect(),
        callers: read_callers(&root.field("callers")),
        tests_required: root
            .field("tests")
            .one_of(&[("required", true), ("optional", false)])
            .unwrap_or_default(),
        budget: Budget::read(&root.field("expect")),
        candidate: candidate::read(&root.field("candidate"), is_candidate),
        proxies: {
            let proxies = root.field("trusted_proxies").items();
            proxies.iter().filter_map(callers::read_net).collect()
        },
    }
}

fn read_callers(field: &Field<'_>) -> Vec<CallerSpec> {
    let named = named(field);
    if named.len() > CALLERS_MAX {
        let what = format!("{} callers are too many", named.len());
        field.error(what, format!("name at most {CALLERS_MAX}"));
    }
    let read = named.into_iter();
    let read: Vec<_> = read
        .map(|(name, field)| callers::read(name, &field))
        .collect();
    callers::tell_apart(&read, field);
    read
}

const NAME_CHARS_MAX: usize = 64;

fn named<'a>(field: &Field<'a>) -> Vec<(String, Field<'a>)> {
    let fields = field.section().fields();
    for (name, field) in &fields {
        let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) || name.eq_ignore_ascii_case("none") {
            let hint = format!("use 1 to {NAME_CHARS_MAX} characters and not `none`");
            field.error(format!("`{name}` cannot be a name"), hint);
        }
    }
    fields
}

fn read_filters(field: &Field<'_>) -> FiltersSpec {
    let section = field.section();
    let lists = section.field("lists");
    let replace = section.field("replace_in_send_hook");
    let spec = FiltersSpec {
        lists: lists.is_set().then(|| names(&lists)),
        nested_text: section
            .field("nested_text")
            .choice::<NestedText>()
            .unwrap_or_default(),
        replace_in_send_hook: replace.choice::<ReplaceInSendHook>().unwrap_or_default(),
        at_replace: replace.at().clone(),
        defer_types: types_or_all(&section.field("defer_types")),
        limits: ListLimits {
            entries_max: section.field("entries_max").size(10_000_000),
            list_bytes_max: section.field("list_bytes_max").bytes(),
            entry_chars_max: section.field("entry_chars_max").size(10_000),
        },
        costs: TextCosts {
            text_bytes_max: usize::try_from(section.field("text_bytes_max").bytes())
                .unwrap_or(usize::MAX),
            scan_steps_max: section.field("scan_steps_max").size(u32::MAX) as u64,
            regex_work_max: section.field("regex_work_max").size(u32::MAX) as u64,
            masked_bytes_max: usize::try_from(section.field("masked_bytes_max").bytes())
                .unwrap_or(usize::MAX),
        },
        tells_list: section.field("tell_list").flag(),
    };
    section.finish();
    spec
}

fn read_failure(field: &Field<'_>) -> FailureRefusal {
    let section = field.section();
    let spec = FailureRefusal {
        code: code(&section.field("code")),
        reason: section.field("reason").text(),
        final_reason: section.field("final_reason").text(),
        tells_class: section.field("tell_class").flag(),
    };
    section.finish();
    spec
}

fn read_lint(field: &Field<'_>) -> LintSpec {
    let section = field.section();
    let spec = LintSpec {
        warnings_max: section.field("warnings_max").size(1_000_000),
        everyday_share_max: section.field("everyday_share_max").share(),
    };
    section.finish();
    spec
}
