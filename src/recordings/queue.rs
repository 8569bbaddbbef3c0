//! What waits for the writer. Nobody who puts something in ever waits.

use std::mem;
use std::sync::{Mutex, PoisonError};

/// Lines lie one behind the other in pieces of this size, or of a line that is longer: what waits
/// takes little more room than it counts, and whoever makes it longer moves nothing.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Queue {
    calls_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
}

/// Lines, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pieces: Vec<Vec<u8>>,
    calls: Vec<Place>,
    bytes: usize,
}

/// The line of a call.
#[derive(Clone, Copy, Debug)]
struct Place {
    at_ms: u64,
    piece: usize,
    from: usize,
    to: usize,
}

impl Queue {
    pub(super) fn new(calls_max: usize, bytes_max: usize) -> Queue {
        Queue {
            calls_max,
            bytes_max,
            waiting: Mutex::default(),
        }
    }

    /// False: there is no room.
    pub(super) fn push(&self, at_ms: u64, line: &[u8]) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = waiting.calls.len() >= self.calls_max
            || waiting.bytes.saturating_add(line.len()) > self.bytes_max;
        if is_full {
            return false;
        }
        waiting.add(at_ms, line);
        true
    }

    pub(super) fn take(&self) -> Waiting {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *waiting)
    }
}

impl Waiting {
    fn add(&mut self, at_ms: u64, line: &[u8]) {
        let has_room = |piece: &Vec<u8>| piece.capacity() - piece.len() >= line.len();
        if !self.pieces.last().is_some_and(has_room) {
            self.pieces
                .push(Vec::with_capacity(line.len().max(PIECE_BYTES)));
        }
        let number = self.pieces.len() - 1;
        let piece = &mut self.pieces[number];
        let from = piece.len();
        piece.extend_from_slice(line);
        self.calls.push(Place {
            at_ms,
            piece: number,
            from,
            to: from + line.len(),
        });
        self.bytes += line.len();
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The calls from one on, each with its time in milliseconds since 1970 and its line.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = (u64, &[u8])> {
        let line = |call: &Place| (call.at_ms, &self.pieces[call.piece][call.from..call.to]);
        self.calls.iter().skip(first).map(line)
    }
}
