//! What is done at the operators' port: every act passes here before it happens.

use std::net::IpAddr;

use tracing::info;

use super::who::Who;

/// Something that is about to be done.
pub(super) struct Act<'a> {
    pub(super) who: &'a Who,
    pub(super) from: Option<IpAddr>,
    /// What is asked for: the path of a method or of a page.
    pub(super) what: &'a str,
}

/// Keeps what is about to be done.
///
/// Errors: it cannot be kept, and so must not be done.
pub(super) fn record(act: &Act<'_>) -> Result<(), String> {
    let Act { who, from, what } = act;
    let from = from.map(tracing::field::display);
    info!(%who, from, what, "an act at the operators' port");
    Ok(())
}
