//! The recipients of a push, plain or packed.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::readable;
use crate::event::Recipients;

/// The server packs 512 ids into a call; more than this is no list of ids.
const UNPACKED_BYTES_MAX: u64 = 1 << 20;

/// Reads `to_uids` and `compress_to_uids`.
///
/// v1 and v2 send the gzip stream before its end is written: what can be unpacked is taken, and
/// the rest is marked as lost.
pub(crate) fn read(object: &Object<'_>) -> Recipients {
    let plain = object.last("to_uids").and_then(json::texts);
    let mut recipients = Recipients {
        ids: plain.unwrap_or_default(),
        lost: false,
    };
    if let Some(packed) = object.text("compress_to_uids")
        && !packed.is_empty()
    {
        let (ids, lost) = unpack(&packed);
        recipients.ids.extend(ids);
        recipients.lost = lost;
    }
    recipients
}

/// The ids, and whether some are missing.
fn unpack(packed: &str) -> (Vec<String>, bool) {
    let Ok(zipped) = STANDARD.decode(packed) else {
        return (Vec::new(), true);
    };
    let mut unpacked = Vec::new();
    let read = GzDecoder::new(&*zipped)
        .take(UNPACKED_BYTES_MAX)
        .read_to_end(&mut unpacked);
    let text = readable(&unpacked);
    let whole = json::parse_elements(&text).ok();
    let is_whole = read.is_ok() && whole.is_some();
    let elements = whole.or_else(|| json::elements(&text)).unwrap_or_default();
    // A list that is cut off may end inside an id.
    let is_closed = |element: &&str| element.len() >= 2 && element.ends_with('"');
    let ids = elements
        .into_iter()
        .filter(is_closed)
        .filter_map(|element| json::text(element).map(|id| id.into_owned()))
        .collect();
    (ids, !is_whole)
}
