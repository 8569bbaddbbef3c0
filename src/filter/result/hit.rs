//! One occurrence of an entry.

/// An entry found in the text, in bytes of the original from the start of its first character to
/// the end of its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub list: u32,
    pub entry: u32,
    pub start: u32,
    pub end: u32,
}

impl Hit {
    /// By list, then by start, then the longest, then the earliest entry; one number, because
    /// sorting is what many hits take most time for.
    pub(super) fn rank(&self) -> u128 {
        let parts = [self.list, self.start, !self.end, self.entry];
        parts
            .into_iter()
            .fold(0, |rank, part| rank << 32 | u128::from(part))
    }
}
