//! Printing to standard output, whose reader may go away at any time.

use std::io::{self, Write};

/// Prints one line. Errors: nobody reads any more, see [`is_closed`].
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(())
}

/// The reader had enough, as `head` has: no fault, and nothing to be said.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    let found = error.downcast_ref::<io::Error>();
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
