//! The `callgate` program: everything is in the library, but for the allocator.

// The allocator's options are behind C's interface; nothing else of the program needs any.
#![cfg_attr(feature = "mimalloc", allow(unsafe_code))]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "mimalloc")]
    allocator::give_back_at_once();
    callgate::cli::run()
}

/// Small values that live for one call are what this allocator is made for.
#[cfg(feature = "mimalloc")]
mod allocator {
    use std::ffi::{c_int, c_long};

    #[global_allocator]
    static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

    /// `mi_option_purge_delay` of mimalloc's `mi_option_t`, the same in its versions 2 and 3.
    const PURGE_DELAY: c_int = 15;

    unsafe extern "C" {
        fn mi_option_set(option: c_int, value: c_long);
    }

    /// What is freed goes back to the operating system. Left alone, the allocator waits for its
    /// next turn to do so, and after a policy was compiled there may be none.
    pub(super) fn give_back_at_once() {
        // SAFETY: mimalloc is linked, for it is the allocator; it asks that options are set before
        // there is a second thread, and this is the first that the program does.
        unsafe { mi_option_set(PURGE_DELAY, 0) }
    }
}
