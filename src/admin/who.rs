//! Who asks at the operators' port.

use std::fmt;
use std::net::IpAddr;

use crate::audit;
use crate::operators::{By, Capability, Grant, Identity};

/// Who asks, as far as it is known. It stands beside every request that is let in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Who {
    Nobody,
    /// Whoever reaches the port, while that is enough.
    Anyone,
    /// A command that shows `cli.token`.
    CommandLine,
    /// An operator, or a token.
    Known(Identity),
}

impl Who {
    pub(super) fn may(&self, capability: Capability) -> bool {
        // What belongs to an account is for who is logged in to it, not for a token of it.
        if let (Capability::Account, Who::Known(identity)) = (capability, self) {
            return matches!(identity.by, By::Session { .. });
        }
        // Else whoever was here before the first operator could come back afterwards.
        if let (Capability::Appoint, Who::Anyone) = (capability, self) {
            return false;
        }
        self.grant().map_or_else(
            || matches!(capability, Capability::Watch | Capability::Enter),
            |grant| grant.allows(capability),
        )
    }

    /// Whether it may change the word list of this name.
    pub(super) fn may_change(&self, list: &str) -> bool {
        self.grant().is_some_and(|grant| grant.may_change(list))
    }

    /// As what it stands in the audit.
    pub(super) fn in_audit(&self, from: Option<IpAddr>) -> audit::Who {
        let is_here = from.is_some_and(|from| from.to_canonical().is_loopback());
        match self {
            Who::Nobody => audit::Who::Nobody,
            Who::Anyone if is_here => audit::Who::Loopback,
            Who::Anyone => audit::Who::Anyone,
            Who::CommandLine => audit::Who::Cli { uid: None },
            Who::Known(identity) => {
                let name = identity.name.clone();
                match &identity.by {
                    By::Session { .. } => audit::Who::Operator { name, token: None },
                    By::Token { id } => audit::Who::Operator {
                        name,
                        token: Some(id.clone()),
                    },
                    By::Proxy => audit::Who::Proxied { name },
                }
            }
        }
    }

    /// `None`: it may nothing that somebody must be known for.
    pub(super) fn grant(&self) -> Option<Grant> {
        match self {
            Who::Nobody => None,
            Who::Anyone | Who::CommandLine => Some(Grant::ALL),
            Who::Known(identity) => Some(identity.grant.clone()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Nobody => "nobody",
            Who::Anyone => "anyone",
            Who::CommandLine => "cli",
            Who::Known(identity) => &identity.name,
        })
    }
}
