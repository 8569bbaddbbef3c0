//! What a word is known by in the files, instead of the word.

use ring::digest::{SHA256, digest};

/// The hash that an entry is known by, as its file has it.
pub fn hash_of(word: &str) -> u64 {
    let digest = digest(&SHA256, word.as_bytes());
    let first = digest.as_ref().first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}
