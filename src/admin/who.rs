//! Who asks at the operators' port.

use std::fmt;

use crate::operators::{Capability, Grant};

/// Who asks, as far as it is known. It stands beside every request that is let in.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Who {
    Nobody,
    /// Whoever reaches the port, while that is enough.
    Anyone,
    /// A command that shows `cli.token`.
    CommandLine,
}

impl Who {
    pub(super) fn may(&self, capability: Capability) -> bool {
        self.grant().map_or_else(
            || matches!(capability, Capability::Watch | Capability::Enter),
            |grant| grant.allows(capability),
        )
    }

    /// `None`: it may nothing that somebody must be known for.
    pub(super) fn grant(&self) -> Option<Grant> {
        match self {
            Who::Nobody => None,
            Who::Anyone | Who::CommandLine => Some(Grant::ALL),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Nobody => "nobody",
            Who::Anyone => "anyone",
            Who::CommandLine => "cli",
        })
    }
}
