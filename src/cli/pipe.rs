//! A reader that goes away (`callgate outbox dead | head`) ends a command, and is no fault.

use std::panic;
use std::process;

/// Ends the process quietly when what it prints has no reader any more.
///
/// The standard library panics there, since Rust programs ignore SIGPIPE.
pub(super) fn end_quietly() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let said = info.payload().downcast_ref::<String>();
        if said.is_some_and(|said| is_about_a_reader(said)) {
            process::exit(0);
        }
        usual(info);
    }));
}

fn is_about_a_reader(said: &str) -> bool {
    said.starts_with("failed printing to std") && said.contains("Broken pipe")
}
