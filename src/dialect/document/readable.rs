//! Bytes as text, as Go's decoder reads them.

use std::borrow::Cow;

use crate::event::Event;

/// The call's body; empty when the event came as a message.
///
/// Bodies are made valid when they are decoded, so nothing is lost.
pub(crate) fn body_text(event: &Event) -> Cow<'_, str> {
    readable(event.body.as_deref().unwrap_or_default())
}

/// Bytes as text, mended where they are not UTF-8 as Go's decoder mends them.
pub(crate) fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Much slower, so only if it must be.
        Err(_) => String::from_utf8_lossy(bytes),
    }
}
