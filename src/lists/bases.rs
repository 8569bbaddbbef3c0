//! What lists were when somebody began to edit them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};

/// Contents that are kept in memory; those that were in force are on disk too.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The contents that were shown last, by their hash.
#[derive(Debug, Default)]
pub(super) struct Bases(Mutex<VecDeque<(String, Arc<[u8]>)>>);

/// What tells two contents apart: SHA-256 in hex.
pub(super) fn hash_of(content: &[u8]) -> String {
    let digest = digest(&SHA256, content);
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

impl Bases {
    pub(super) fn remember(&self, content: &Arc<[u8]>) -> String {
        let hash = hash_of(content);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(known, _)| *known == hash);
        let kept = at.and_then(|at| known.remove(at));
        known.push_back(kept.unwrap_or_else(|| (hash.clone(), Arc::clone(content))));
        let mut bytes: usize = known.iter().map(|(_, content)| content.len()).sum();
        while bytes > BYTES_MAX && known.len() > 1 {
            bytes -= known.pop_front().map_or(0, |(_, content)| content.len());
        }
        hash
    }

    pub(super) fn get(&self, hash: &str) -> Option<Arc<[u8]>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = known.iter();
        let (_, content) = known.find(|(known, _)| known == hash)?;
        Some(Arc::clone(content))
    }
}
