//! What several parts of a policy are made of: names, codes, message types.

use super::super::type_set::TypeSet;
use crate::settings::{At, Field, Item, Problems, suggest};

/// A name that must stand for something, and where it is used.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub name: String,
    pub at: At,
}

pub(super) fn names(field: &Field<'_>) -> Vec<Named> {
    let items = field.items().into_iter();
    items
        .map(|Item { text, at, .. }| Named { name: text, at })
        .collect()
}

/// A code that a refusal can carry to the sender's client.
pub(super) fn code(field: &Field<'_>) -> i32 {
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

pub(super) fn types_or_all(field: &Field<'_>) -> TypeSet {
    match field.items().as_slice() {
        [only] if only.text.eq_ignore_ascii_case("all") => TypeSet::all(),
        items => types(items),
    }
}

/// Message types: numbers and ranges such as `200-500`, both ends included.
pub(super) fn types(items: &[Item<'_>]) -> TypeSet {
    let ranges = items.iter().filter_map(|item| {
        let range = TypeSet::range_of(&item.text);
        if range.is_none() {
            item.error(
                format!("`{}` is not a valid message type", item.text),
                "write a number such as 101 or a range such as 200-500",
            );
        }
        range
    });
    TypeSet::of(ranges.collect())
}

/// Tells that a name stands for nothing.
pub(crate) fn unknown<'a>(
    problems: &Problems,
    named: &Named,
    noun: &str,
    known: impl IntoIterator<Item = &'a str>,
) {
    let what = format!("no {noun} named `{}`", named.name);
    problems.error(&named.at, what, suggest(&named.name, known));
}
