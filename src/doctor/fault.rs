//! One thing that is wrong.

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub name: &'static str,
    /// It makes callgate or the IM server do another thing than its author thinks.
    pub is_grave: bool,
    pub what: String,
}

pub(super) fn grave(name: &'static str, what: impl Into<String>) -> Fault {
    Fault {
        name,
        is_grave: true,
        what: what.into(),
    }
}

pub(super) fn mild(name: &'static str, what: impl Into<String>) -> Fault {
    Fault {
        is_grave: false,
        ..grave(name, what)
    }
}
