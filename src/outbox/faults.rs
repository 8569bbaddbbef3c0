//! Faults on purpose, for the tests that must see them. Only with the feature `faults`, which no
//! release can have.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Commits are not synced to disk.
    NoSync,
    /// Callers are answered before the commit.
    AckEarly,
    /// An event ends before its endpoint is told.
    DeleteEarly,
    /// A failed event is not due again.
    LostRequeue,
    /// Events of one ordering key are in flight together.
    KeyRace,
}

/// Whether a fault was asked for: never without the feature.
#[cfg(not(feature = "faults"))]
pub const fn asked(_: Fault) -> bool {
    false
}

/// Whether a fault was asked for, in `CALLGATE_FAULT` or on this thread.
#[cfg(feature = "faults")]
pub fn asked(fault: Fault) -> bool {
    let name = match fault {
        Fault::NoSync => "no_sync",
        Fault::AckEarly => "ack_early",
        Fault::DeleteEarly => "delete_early",
        Fault::LostRequeue => "lost_requeue",
        Fault::KeyRace => "key_race",
    };
    let named = std::env::var("CALLGATE_FAULT").is_ok_and(|wanted| wanted == name);
    named || here::FAULT.get() == Some(fault)
}

/// For tests that run in one process with others.
#[cfg(feature = "faults")]
pub mod here {
    use std::cell::Cell;

    use crate::outbox::faults::Fault;

    thread_local! {
        pub static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    }
}
