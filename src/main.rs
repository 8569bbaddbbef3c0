//! The `callgate` program: everything is in the library.

use std::process::ExitCode;

/// Small values that live for one call and cross no threads are what it is made for; what is freed
/// goes back to the operating system.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    callgate::cli::run()
}
