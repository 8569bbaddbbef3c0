//! Exit codes, part of the contract.

/// Exit code for input with errors.
pub(super) const EXIT_BAD_INPUT: u8 = 1;
/// Exit code when a server cannot be reached or started.
pub(super) const EXIT_NO_SERVER: u8 = 3;
