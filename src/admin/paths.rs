//! Paths of the operators' port, some with places for names: `/lists/{name}`.
//!
//! What is let in and what answers are found by this one comparison, so no spelling of a path can
//! be one thing for the check and another for what is behind it.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::doors::Door;
use crate::operators::Capability;

/// A path that is longer leads nowhere.
const PATH_BYTES_MAX: usize = 2048;
/// So does one with a name that is longer, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// The names in a path, by what the template calls them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<(&'static str, String)>);

impl Names {
    /// What stands at a place of the template.
    pub(super) fn get(&self, place: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| *name == place);
        found.map(|(_, value)| value.as_str())
    }
}

/// The word list that is changed behind a door, or would be: whoever is limited to others is not
/// let in.
pub(super) fn changed_list<'n>(door: &Door, names: &'n Names) -> Option<&'n str> {
    let is_of_list = |list| {
        let rest = door.path.strip_prefix(list);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut lists = ["/lists/{name}", "/api/v1/lists/{name}"].into_iter();
    match door.capability == Capability::Moderate && lists.any(is_of_list) {
        true => names.get("name"),
        false => None,
    }
}

/// The doors that a path leads to, one for each method, and the names in it. Where a path could be
/// meant by two templates, the one with the earlier fixed part is.
pub(super) fn leads_to<'a>(doors: &'a [Door], path: &str) -> Option<(Vec<&'a Door>, Names)> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let meant = doors
        .iter()
        .filter_map(|door| Some((door, names(door.path, path)?)));
    let (first, names) = meant.min_by_key(|(door, _)| Reverse(fixed(door.path)))?;
    let same = doors.iter().filter(|door| door.path == first.path);
    Some((same.collect(), names))
}

/// The places of a template: `/lists/{name}` has `name`.
pub(super) fn places(template: &'static str) -> impl Iterator<Item = &'static str> {
    template.split('/').filter_map(place)
}

fn place(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// For each part of a template whether it is fixed, so that templates can be compared.
fn fixed(template: &'static str) -> Vec<bool> {
    let parts = template.split('/');
    parts.map(|part| place(part).is_none()).collect()
}

/// The names in `path`, where it is what the template says: fixed parts byte for byte, and names
/// of which there is something.
fn names(template: &'static str, path: &str) -> Option<Names> {
    let (mut parts, mut given) = (template.split('/'), path.split('/'));
    let mut names = Vec::new();
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return Some(Names(names)),
            (Some(part), Some(given)) => match place(part) {
                Some(place) => names.push((place, name(given)?)),
                None if part == given => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

/// A name as it is meant. A slash may be in it, written `%2F`: parts were told apart before.
fn name(written: &str) -> Option<String> {
    let name = decoded(written)?;
    let is_one = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !matches!(&*name, "." | "..")
        && !name.chars().any(char::is_control);
    is_one.then(|| name.into_owned())
}

fn decoded(written: &str) -> Option<Cow<'_, str>> {
    if !written.contains('%') {
        return Some(Cow::Borrowed(written));
    }
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::admin::doors::Kind;
    use crate::operators::Capability;

    fn door(method: Method, path: &'static str) -> Door {
        Door {
            method,
            path,
            capability: Capability::View,
            kind: Kind::Page,
        }
    }

    /// The template that a path leads to and the names in it, as `template a=b`; empty for none.
    fn led(doors: &[Door], path: &str) -> String {
        let Some((doors, names)) = leads_to(doors, path) else {
            return String::new();
        };
        let names = names
            .0
            .iter()
            .map(|(place, name)| format!(" {place}={name}"));
        format!("{}{}", doors[0].path, names.collect::<String>())
    }

    #[test]
    fn a_path_leads_to_one_template_or_nowhere() {
        let doors = [
            door(Method::GET, "/"),
            door(Method::GET, "/lists"),
            door(Method::GET, "/lists/{name}"),
            door(Method::PATCH, "/lists/{name}"),
            door(Method::GET, "/lists/new"),
            door(Method::GET, "/lists/{name}/entries/{id}"),
            door(Method::GET, "/lists/new/entries/{id}"),
            door(Method::GET, "/{any}/deep/entries/all"),
        ];
        let check = |path: &str, expected: &str| assert_eq!(led(&doors, path), expected, "{path}");
        check("/", "/");
        check("/lists", "/lists");
        check("/lists/ads", "/lists/{name} name=ads");
        check("/lists/new", "/lists/new");
        check("/lists/news", "/lists/{name} name=news");
        check("/lists/n%65w", "/lists/{name} name=new");
        check("/lists/a%2Fb", "/lists/{name} name=a/b");
        check("/lists/%E5%B9%BF%e5%91%8a", "/lists/{name} name=广告");
        check("/lists/广告", "/lists/{name} name=广告");
        check("/lists/a+b", "/lists/{name} name=a+b");
        check("/lists/%25", "/lists/{name} name=%");
        check("/lists/{name}", "/lists/{name} name={name}");
        check("/lists/..%2Fx", "/lists/{name} name=../x");
        check(
            "/lists/ads/entries/7",
            "/lists/{name}/entries/{id} name=ads id=7",
        );
        check("/lists/new/entries/7", "/lists/new/entries/{id} id=7");
        check(
            "/lists/deep/entries/all",
            "/lists/{name}/entries/{id} name=deep id=all",
        );
        check("/x/deep/entries/all", "/{any}/deep/entries/all any=x");
        for nowhere in [
            "",
            "lists",
            "/lists/",
            "//lists",
            "/lists//",
            "//",
            "/lists/ads/",
            "/lists//ads",
            "/lists/ads/entries",
            "/lists/ads/entries/",
            "/lists//entries/7",
            "/lists/ads/entries/7/8",
            "/lists/.",
            "/lists/..",
            "/lists/%2e%2E",
            "/lists/%2E",
            "/lists/%",
            "/lists/%2",
            "/lists/%zz",
            "/lists/%+1",
            "/lists/%ff",
            "/lists/%C0%AF",
            "/lists/a%00",
            "/lists/a%0d%0aX: y",
            "/lists/%7F",
            "/lists/\u{85}",
            "/%6Cists",
            "/Lists",
            "/lists%2Fads",
            "/lists;x",
            "/lists?x",
            "*",
        ] {
            check(nowhere, "");
        }
        check(&format!("/lists/{}", "x".repeat(NAME_BYTES_MAX + 1)), "");
        check(&format!("/lists/{}", "%41".repeat(PATH_BYTES_MAX)), "");
        check(&"/lists".repeat(100_000), "");
        assert_eq!(leads_to(&doors, "/lists/ads").unwrap().0.len(), 2);
    }
}
