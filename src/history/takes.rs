//! What sinks have in common.

use super::segment::NewRow;

/// What takes rows.
pub(super) trait Takes: Send {
    /// Errors: they were not taken.
    fn take(&mut self, rows: &[NewRow]) -> Result<(), String>;
}
