//! Recorded bytes with a few of them changed, removed or repeated.

use proptest::prelude::*;

pub(in crate::dialect) fn damaged_of(
    recorded: impl Strategy<Value = &'static [u8]>,
) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), 0..4u8, any::<u8>());
    (recorded, proptest::collection::vec(damage, 0..6)).prop_map(|(bytes, damages)| {
        let mut bytes = bytes.to_vec();
        for (index, kind, byte) in damages {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"\"\\{}[],:0n"[usize::from(byte) % 10],
                2 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}
