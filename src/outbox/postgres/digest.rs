//! What stands for an id, an ordering key or a line in the database.

use ring::digest::SHA256;
use uuid::Uuid;

/// Half of a SHA-256, so that no sender can make two that are equal.
pub(super) fn digest(text: &str) -> Uuid {
    let hash = ring::digest::digest(&SHA256, text.as_bytes());
    let half = hash.as_ref()[..16].try_into().expect("it is half of it");
    Uuid::from_bytes(half)
}

/// Of an ordering key; an empty one has no order.
pub(super) fn lane(ordering_key: &str) -> Option<Uuid> {
    (!ordering_key.is_empty()).then(|| digest(ordering_key))
}

/// PostgreSQL keeps no text with a NUL in it. What has one is kept with U+FFFD in its place.
pub(super) fn text(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
