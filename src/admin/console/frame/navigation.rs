//! Which pages there are to go to: a closed list, one line for each.

use super::super::language::{Both, both};
use crate::operators::Capability;

/// One page in the navigation.
pub(super) struct Place {
    pub path: &'static str,
    /// Whoever may not see it does not see that it is there.
    pub capability: Capability,
    pub name: Both<&'static str>,
}

/// What stands together in the navigation.
pub(super) struct Group {
    pub name: Both<&'static str>,
    pub places: &'static [Place],
}

const fn place(
    path: &'static str,
    capability: Capability,
    english: &'static str,
    chinese: &'static str,
) -> Place {
    Place {
        path,
        capability,
        name: both(english, chinese),
    }
}

pub(super) static NAVIGATION: [Group; 4] = [
    Group {
        name: both("Messages", "消息"),
        places: &[
            place("/", Capability::View, "Overview", "概览"),
            place("/try", Capability::View, "Try", "试一试"),
            place("/decisions", Capability::View, "Decisions", "决策"),
        ],
    },
    Group {
        name: both("Policy", "策略"),
        places: &[
            place("/lists", Capability::View, "Word lists", "词表"),
            place("/changes", Capability::View, "Changes", "变更"),
            place("/trial", Capability::View, "Trial", "试行"),
        ],
    },
    Group {
        name: both("Connections", "连接"),
        places: &[
            place("/hooks", Capability::View, "Hooks", "钩子"),
            place("/endpoints", Capability::View, "Endpoints", "端点"),
            place("/delivery", Capability::View, "Delivery", "投递"),
            place("/doctor", Capability::Operate, "Doctor", "诊断"),
        ],
    },
    Group {
        name: both("People", "人员"),
        places: &[
            place("/operators", Capability::Appoint, "Operators", "操作员"),
            place("/tokens", Capability::Appoint, "Tokens", "令牌"),
            place("/audit", Capability::Audit, "Audit", "审计"),
            place("/account", Capability::Account, "Account", "账户"),
        ],
    },
];

/// The place that a path belongs to: the longest that it begins with.
pub(super) fn place_of(path: &str) -> Option<&'static Place> {
    let places = NAVIGATION.iter().flat_map(|group| group.places);
    let holds = |place: &&Place| match path.strip_prefix(place.path) {
        Some("") => true,
        Some(rest) => place.path != "/" && rest.starts_with('/'),
        None => false,
    };
    places.filter(holds).max_by_key(|place| place.path.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_below_another_belongs_to_it() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(place_of(path).map(|place| place.path), expected, "{path}");
        };
        check("/", Some("/"));
        check("/account", Some("/account"));
        check("/account/password", Some("/account"));
        check("/accounts", None);
        check("/login", None);
    }
}
