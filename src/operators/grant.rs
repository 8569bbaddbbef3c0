//! What somebody may do: a role, and rights that no role brings.

use std::fmt;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    pub rights: Rights,
}

impl Grant {
    pub const ALL: Grant = Grant {
        role: Role::Operator,
        rights: Rights::ALL,
    };

    /// Whether it is enough for what is asked; an account is not a matter of grants.
    pub fn allows(self, capability: Capability) -> bool {
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
    pub fn covers(self, other: Grant) -> bool {
        self.role >= other.role
            && self.rights.text >= other.rights.text
            && self.rights.audit >= other.rights.audit
    }

    /// What either has.
    pub fn join(self, other: Grant) -> Grant {
        Grant {
            role: self.role.max(other.role),
            rights: Rights {
                text: self.rights.text || other.rights.text,
                audit: self.rights.audit || other.rights.audit,
            },
        }
    }

    /// What both have.
    pub fn meet(self, other: Grant) -> Grant {
        Grant {
            role: self.role.min(other.role),
            rights: Rights {
                text: self.rights.text && other.rights.text,
                audit: self.rights.audit && other.rights.audit,
            },
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.name())?;
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
            let grant = Grant { role, rights };
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
            .flat_map(|role| {
                ["", "text", "audit", "text,audit"].map(|rights| Grant {
                    role: *role,
                    rights: Rights::from_text(rights).unwrap(),
                })
            })
            .collect();
        for one in &grants {
            for other in &grants {
                let both = one.meet(*other);
                assert!(one.covers(both) && other.covers(both));
                assert_eq!(one.covers(*other), both == *other, "{one} / {other}");
            }
        }
    }
}
