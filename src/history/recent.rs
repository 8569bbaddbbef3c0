//! The last texts, in memory alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::id::DecisionId;
use super::record::PlacedText;

/// Texts of one decision, with what they are found and forgotten by.
#[derive(Debug)]
pub struct RecentText {
    pub id: DecisionId,
    pub at_us: u64,
    pub hook: &'static str,
    pub texts: Vec<PlacedText>,
    pub(super) sender: String,
    pub(super) target: String,
}

#[derive(Debug)]
pub(super) struct Recent {
    texts_max: usize,
    bytes_max: usize,
    keep: Duration,
    kept: Mutex<Kept>,
}

/// Oldest first.
#[derive(Debug, Default)]
struct Kept {
    texts: VecDeque<Arc<RecentText>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn new(texts_max: usize, bytes_max: usize, keep: Duration) -> Recent {
        Recent {
            texts_max,
            bytes_max,
            keep,
            kept: Mutex::default(),
        }
    }

    pub(super) fn add(&self, text: RecentText) {
        let bytes = text.bytes();
        if bytes > self.bytes_max || self.texts_max == 0 {
            return;
        }
        let mut kept = self.lock();
        while kept.texts.len() >= self.texts_max || kept.bytes + bytes > self.bytes_max {
            kept.drop_oldest();
        }
        kept.bytes += bytes;
        kept.texts.push_back(Arc::new(text));
    }

    /// Forgets what is too old.
    pub(super) fn expire(&self, now_us: u64) {
        let oldest = now_us.saturating_sub(self.keep.as_micros() as u64);
        let mut kept = self.lock();
        while kept.texts.front().is_some_and(|text| text.at_us < oldest) {
            kept.drop_oldest();
        }
    }

    /// Forgets what a user wrote or was written to.
    pub(super) fn forget(&self, user: &str) -> u64 {
        let mut kept = self.lock();
        let before = kept.texts.len();
        kept.texts
            .retain(|text| text.sender != user && text.target != user);
        kept.bytes = kept.texts.iter().map(|text| text.bytes()).sum();
        (before - kept.texts.len()) as u64
    }

    pub(super) fn find(&self, id: DecisionId, now_us: u64) -> Option<Arc<RecentText>> {
        self.expire(now_us);
        let kept = self.lock();
        kept.texts.iter().rev().find(|text| text.id == id).cloned()
    }

    /// All of them, newest first.
    pub(super) fn all(&self, now_us: u64) -> Vec<Arc<RecentText>> {
        self.expire(now_us);
        self.lock().texts.iter().rev().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn drop_oldest(&mut self) {
        if let Some(text) = self.texts.pop_front() {
            self.bytes -= text.bytes();
        }
    }
}

impl RecentText {
    fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(PlacedText::bytes).sum();
        size_of::<RecentText>() + self.sender.len() + self.target.len() + texts
    }
}
