//! Why a call is refused.

use std::sync::Arc;

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It brings nothing that is known.
    Nobody,
    /// Its token is nobody's.
    Token,
    /// Its certificate is nobody's.
    Certificate,
    /// It brings what this caller has, from an address that is not its.
    Address(Arc<str>),
    /// This caller may not call this hook.
    Hook(Arc<str>),
}

impl Refused {
    /// A metric label.
    pub fn name(&self) -> &'static str {
        match self {
            Refused::Nobody => "nobody",
            Refused::Token => "token",
            Refused::Certificate => "certificate",
            Refused::Address(_) => "address",
            Refused::Hook(_) => "hook",
        }
    }

    /// It is known who calls, and the hook is not for it.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Refused::Hook(_))
    }

    pub(super) fn caller(&self) -> Option<&str> {
        match self {
            Refused::Address(name) | Refused::Hook(name) => Some(name),
            Refused::Nobody | Refused::Token | Refused::Certificate => None,
        }
    }
}
