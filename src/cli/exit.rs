//! Exit codes, part of the contract.

/// Exit code for a command line that makes no sense.
pub(super) const EXIT_USAGE: u8 = 2;
/// Exit code for input with errors.
pub(super) const EXIT_BAD_INPUT: u8 = 1;
/// Exit code when a server cannot be reached or started.
pub(super) const EXIT_NO_SERVER: u8 = 3;
