//! What somebody may do: a role, and rights that no role brings.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A greater one may do all that a lesser one may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Sees what is in force and what becomes of it.
    Viewer,
    /// Changes what is forbidden.
    Moderator,
    /// Gives orders, and says who may do what.
    Operator,
}

impl Role {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What no role brings with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// May read what people wrote.
    pub text: bool,
    /// May read who did what here.
    pub audit: bool,
}

impl Rights {
    pub const ALL: Rights = Rights {
        text: true,
        audit: true,
    };

    /// Reads `text,audit`, in any order; nothing is no right.
    pub fn from_text(text: &str) -> Option<Rights> {
        let mut rights = Rights::default();
        for name in text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name {
                "text" => rights.text = true,
                "audit" => rights.audit = true,
                _ => return None,
            }
        }
        Some(rights)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.text, self.audit) {
            (true, true) => "text,audit",
            (true, false) => "text",
            (false, true) => "audit",
            (false, false) => "",
        })
    }
}

/// Which word lists somebody may change who may change lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListLimit {
    /// All of them, those too that come later.
    #[default]
    All,
    /// These alone, in small letters: a policy finds names in any case.
    Only(Arc<BTreeSet<String>>),
}

impl ListLimit {
    /// These lists; all, where none is named.
    pub fn of<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> ListLimit {
        let names = names.into_iter();
        let names: BTreeSet<String> = names
            .map(|name| name.as_ref().trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        match names.is_empty() {
            true => ListLimit::All,
            false => ListLimit::Only(Arc::new(names)),
        }
    }

    /// Whether the list of this name may be changed.
    pub fn allows(&self, list: &str) -> bool {
        match self {
            ListLimit::All => true,
            ListLimit::Only(names) => names.contains(&list.to_ascii_lowercase()),
        }
    }

    /// The lists that are named; none where all may be changed.
    pub fn names(&self) -> Vec<&str> {
        match self {
            ListLimit::All => Vec::new(),
            ListLimit::Only(names) => names.iter().map(String::as_str).collect(),
        }
    }

    fn covers(&self, other: &ListLimit) -> bool {
        match (self, other) {
            (ListLimit::All, _) => true,
            (ListLimit::Only(_), ListLimit::All) => false,
            (ListLimit::Only(own), ListLimit::Only(other)) => own.is_superset(other),
        }
    }

    fn join(&self, other: &ListLimit) -> ListLimit {
        match (self, other) {
            (ListLimit::Only(own), ListLimit::Only(other)) => {
                ListLimit::Only(Arc::new(own.union(other).cloned().collect()))
            }
            _ => ListLimit::All,
        }
    }

    fn meet(&self, other: &ListLimit) -> ListLimit {
        match (self, other) {
            (ListLimit::Only(own), ListLimit::Only(other)) => {
                ListLimit::Only(Arc::new(own.intersection(other).cloned().collect()))
            }
            (ListLimit::All, limit) | (limit, ListLimit::All) => limit.clone(),
        }
    }
}

/// What something at the operators' port takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Nothing, and under any name of this machine: probes, and metrics while they are open.
    Watch,
    /// Nothing: the way in.
    Enter,
    /// An account, and to be logged in to it.
    Account,
    View,
    Moderate,
    Operate,
    /// To be somebody who gives orders: what lets others in outlives the time when nobody had to
    /// be known.
    Appoint,
    /// The right to read what people wrote.
    Text,
    /// The right to read who did what.
    Audit,
}

/// A role with its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub rights: Rights,
    /// What of it is limited to some word lists: changing them. Whoever gives orders is not.
    pub lists: ListLimit,
}

impl Grant {
    pub const ALL: Grant = Grant {
        role: Role::Operator,
        rights: Rights::ALL,
        lists: ListLimit::All,
    };

    /// Whether it says what it seems to say: orders are about everything, so a limit to some lists
    /// would keep an operator from nothing.
    pub fn is_sound(&self) -> bool {
        self.role < Role::Operator || self.lists == ListLimit::All
    }

    /// Whether the word list of this name may be changed.
    pub fn may_change(&self, list: &str) -> bool {
        self.allows(Capability::Moderate) && self.lists.allows(list)
    }

    /// Whether it is enough for what is asked; an account is not a matter of grants.
    pub fn allows(&self, capability: Capability) -> bool {
        match capability {
            Capability::Watch | Capability::Enter => true,
            Capability::Account => false,
            Capability::View => self.role >= Role::Viewer,
            Capability::Moderate => self.role >= Role::Moderator,
            Capability::Operate | Capability::Appoint => self.role >= Role::Operator,
            Capability::Text => self.rights.text,
            Capability::Audit => self.rights.audit,
        }
    }

    /// Whether there is nothing in the other that this one has not.
    pub fn covers(&self, other: &Grant) -> bool {
        self.role >= other.role
            && self.rights.text >= other.rights.text
            && self.rights.audit >= other.rights.audit
            && self.lists.covers(&other.lists)
    }

    /// What either has. Who may change no list at all adds none to those of the other.
    pub fn join(&self, other: &Grant) -> Grant {
        let changes = |grant: &Grant| grant.allows(Capability::Moderate);
        Grant {
            role: self.role.max(other.role),
            rights: Rights {
                text: self.rights.text || other.rights.text,
                audit: self.rights.audit || other.rights.audit,
            },
            lists: match (changes(self), changes(other)) {
                (true, false) => self.lists.clone(),
                (false, true) => other.lists.clone(),
                _ => self.lists.join(&other.lists),
            },
        }
    }

    /// What both have.
    pub fn meet(&self, other: &Grant) -> Grant {
        Grant {
            role: self.role.min(other.role),
            rights: Rights {
                text: self.rights.text && other.rights.text,
                audit: self.rights.audit && other.rights.audit,
            },
            lists: self.lists.meet(&other.lists),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.name())?;
        if let ListLimit::Only(_) = &self.lists {
            write!(f, " of {}", self.lists.names().join(","))?;
        }
        match self.rights.to_string() {
            none if none.is_empty() => Ok(()),
            rights => write!(f, " with {rights}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_steps_and_rights_stand_apart() {
        use Capability::{Account, Appoint, Audit, Moderate, Operate, Text, View};

        let check = |role: Role, rights: &str, allowed: &[Capability]| {
            let rights = Rights::from_text(rights).unwrap();
            let grant = Grant {
                role,
                rights,
                lists: ListLimit::All,
            };
            for capability in [Account, View, Moderate, Operate, Appoint, Text, Audit] {
                let expected = allowed.contains(&capability);
                assert_eq!(grant.allows(capability), expected, "{grant} {capability:?}");
            }
        };
        check(Role::Viewer, "", &[View]);
        check(Role::Viewer, "audit", &[View, Audit]);
        check(Role::Moderator, "text", &[View, Moderate, Text]);
        check(Role::Operator, "", &[View, Moderate, Operate, Appoint]);
        check(
            Role::Operator,
            "audit, text",
            &[View, Moderate, Operate, Appoint, Text, Audit],
        );
        assert_eq!(Rights::from_text("everything"), None);
    }

    #[test]
    fn nobody_gives_more_than_there_is() {
        let grants: Vec<Grant> = Role::VARIANTS
            .iter()
            .flat_map(|role| ["", "text", "audit", "text,audit"].map(|rights| (*role, rights)))
            .flat_map(|(role, rights)| {
                let limits: [&[&str]; 4] = [&[], &["ads"], &["spam"], &["Ads", "spam"]];
                limits.map(|lists| Grant {
                    role,
                    rights: Rights::from_text(rights).unwrap(),
                    lists: ListLimit::of(lists),
                })
            })
            .collect();
        for one in &grants {
            for other in &grants {
                let both = one.meet(other);
                assert!(one.covers(&both) && other.covers(&both));
                assert_eq!(one.covers(other), both == *other, "{one} / {other}");
                // Who is in two groups may change what one of them may.
                let either = one.join(other);
                for list in ["ads", "spam", "other"] {
                    let expected = one.may_change(list) || other.may_change(list);
                    assert_eq!(either.may_change(list), expected, "{one} + {other}: {list}");
                }
            }
        }
    }

    #[test]
    fn a_limit_is_for_moderators() {
        let of = |role| Grant {
            role,
            rights: Rights::default(),
            lists: ListLimit::of(["Ads", " ", ""]),
        };
        let moderator = of(Role::Moderator);
        assert!(moderator.may_change("ads") && moderator.may_change("ADS"));
        assert!(!moderator.may_change("spam") && !moderator.may_change("ad"));
        assert!(!of(Role::Viewer).may_change("ads"));
        assert!(moderator.is_sound() && of(Role::Viewer).is_sound());
        assert!(!of(Role::Operator).is_sound());
        assert_eq!(moderator.to_string(), "moderator of ads");
        assert_eq!(ListLimit::of(["", " "]), ListLimit::All);
    }
}
