//! What the policy files say, read but not yet checked against each other.

mod endpoint;
mod hook;
mod list;

use super::problem::{At, Problems, suggest};
use super::reader::{Field, Item, Section};
use super::snapshot::TypeSet;

pub use endpoint::EndpointSpec;
pub use hook::{AskWhom, HookSpec};
pub use list::{ListDoes, ListSpec, OwnSettings, read_own};

/// A name that must stand for something, and where it is used.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub at: At,
}

#[derive(Debug)]
pub struct Spec {
    pub endpoints: Vec<EndpointSpec>,
    pub lists: Vec<ListSpec>,
    pub filters: FiltersSpec,
    pub failure: FailureSpec,
    pub lint: LintSpec,
    pub hooks: Vec<HookSpec>,
}

#[derive(Debug)]
pub struct FiltersSpec {
    /// `None` when the key is absent: every list.
    pub lists: Option<Vec<Named>>,
    pub nested_text: NestedText,
    pub replace_in_send_hook: ReplaceInSendHook,
    pub at_replace: At,
    pub defer_types: TypeSet,
    pub limits: ListLimits,
}

/// What a word in a quoted or forwarded message leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NestedText {
    /// As if the sender had said it.
    #[default]
    Block,
    /// It is masked, whatever its list says.
    Mask,
    /// It is not looked at.
    Ignore,
}

/// What a word to be masked leads to where the answer cannot carry new text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplaceInSendHook {
    #[default]
    Block,
    /// The message passes; the call that follows about the same message masks it.
    Defer,
}

/// Limits of word lists.
#[derive(Clone, Copy, Debug)]
pub struct ListLimits {
    pub entries_max: usize,
    pub list_bytes_max: u64,
    pub entry_chars_max: usize,
}

/// What a sender reads when the failure policy blocks.
#[derive(Clone, Debug)]
pub struct FailureSpec {
    pub code: i32,
    pub reason: String,
}

/// How `callgate check` judges word lists.
#[derive(Clone, Debug)]
pub struct LintSpec {
    /// Warnings of one kind about one list.
    pub warnings_max: usize,
    /// The largest share of everyday messages in which a good entry is found.
    pub everyday_share_max: f64,
}

/// Reads merged settings. Everything wrong is reported; the spec is only good without errors.
pub fn read(root: &Section<'_>) -> Spec {
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
    }
}

const NAME_CHARS_MAX: usize = 64;

fn named<'a>(field: &Field<'a>) -> Vec<(String, Field<'a>)> {
    let fields = field.section().fields();
    for (name, field) in &fields {
        let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) || name.eq_ignore_ascii_case("none") {
            let way_out = format!("use 1 to {NAME_CHARS_MAX} characters and not `none`");
            field.error(format!("`{name}` cannot be a name"), way_out);
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
            .one_of(&[
                ("block", NestedText::Block),
                ("mask", NestedText::Mask),
                ("ignore", NestedText::Ignore),
            ])
            .unwrap_or_default(),
        replace_in_send_hook: replace
            .one_of(&[
                ("block", ReplaceInSendHook::Block),
                ("defer", ReplaceInSendHook::Defer),
            ])
            .unwrap_or_default(),
        at_replace: replace.at().clone(),
        defer_types: types_or_all(&section.field("defer_types")),
        limits: ListLimits {
            entries_max: section.field("entries_max").size(10_000_000),
            list_bytes_max: section.field("list_bytes_max").bytes(),
            entry_chars_max: section.field("entry_chars_max").size(10_000),
        },
    };
    section.finish();
    spec
}

fn read_failure(field: &Field<'_>) -> FailureSpec {
    let section = field.section();
    let spec = FailureSpec {
        code: code(&section.field("code")),
        reason: section.field("reason").text(),
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

fn names(field: &Field<'_>) -> Vec<Named> {
    let items = field.items().into_iter();
    items
        .map(|Item { text, at, .. }| Named { name: text, at })
        .collect()
}

/// A code that a refusal can carry to the sender's client.
fn code(field: &Field<'_>) -> i32 {
    let code = field.number(i64::from(i32::MIN), i64::from(i32::MAX));
    let code = i32::try_from(code).unwrap_or_default();
    let range =
        "use 20001 to 29999, OpenIM's range for refusals by a callback, or WuKongIM's 128 to 255";
    if code == 0 {
        field.error("with code 0 a refused message is reported as sent", range);
    } else if code < 100 {
        field.error(
            format!("code {code} becomes 500 on its way to the sender"),
            range,
        );
    } else if !(20_001..=29_999).contains(&code) && !(128..=255).contains(&code) {
        field.warning(
            format!("code {code} may be taken for one of OpenIM's own"),
            range,
        );
    }
    code
}

fn types_or_all(field: &Field<'_>) -> TypeSet {
    match field.items().as_slice() {
        [only] if only.text.eq_ignore_ascii_case("all") => TypeSet::all(),
        items => types(items),
    }
}

/// Message types: numbers and ranges such as `200-500`, both ends included.
fn types(items: &[Item<'_>]) -> TypeSet {
    let ranges = items.iter().filter_map(|item| {
        let range = TypeSet::range_of(&item.text);
        if range.is_none() {
            item.error(
                format!("`{}` is no message type", item.text),
                "write a number such as 101 or a range such as 200-500",
            );
        }
        range
    });
    TypeSet::of(ranges.collect())
}

/// Tells that a name stands for nothing.
pub fn unknown<'a>(
    problems: &Problems,
    named: &Named,
    noun: &str,
    known: impl IntoIterator<Item = &'a str>,
) {
    let what = format!("no {noun} named `{}`", named.name);
    problems.error(&named.at, what, suggest(&named.name, known));
}
