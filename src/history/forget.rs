//! What forgetting a user came to.

/// How much was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Decisions in the files.
    pub decisions: u64,
    /// Texts in memory.
    pub texts: u64,
}
