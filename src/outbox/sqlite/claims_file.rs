//! What is under way, in a small file beside the outbox: what was claimed and not settled yet, and
//! what was delivered and not recorded yet.
//!
//! It is written over in place and never synced. The end of the process loses nothing of it, so
//! that nothing is told twice that was settled, and what was in flight counts as such. A power loss
//! may take it, or bring back an older state of it: then something is told once more. A record names
//! one claim of one pair, and says of it what was true once; the outbox says whether it still
//! matters.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tracing::warn;

/// Bytes of one record; a sector holds whole ones, so that none is torn.
const RECORD_BYTES: usize = 64;

/// One claim of one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub endpoint: i64,
    pub seq: i64,
    pub claim: i64,
    /// When it was delivered; `None` while it is in flight.
    pub delivered_at_ms: Option<u64>,
}

/// The file, with places for records.
#[derive(Debug, Default)]
pub(super) struct ClaimsFile {
    /// `None` when there is none, or it cannot be written.
    file: Option<File>,
    path: PathBuf,
    /// Of the outbox that it belongs to.
    mark: i64,
    /// Places that are free again.
    free: Vec<usize>,
    places: usize,
}

impl ClaimsFile {
    /// What the last process left beside an outbox, as far as it is whole and of this outbox.
    pub(super) fn left_beside(outbox: &Path, mark: i64) -> Vec<Record> {
        let mut bytes = Vec::new();
        let read = File::open(path_of(outbox)).and_then(|mut file| file.read_to_end(&mut bytes));
        if let Err(error) = read
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(%error, "what was in flight at the last end cannot be read, and is told again");
        }
        let (records, _) = bytes.as_chunks();
        let read = |record| of_bytes(record, mark);
        records.iter().filter_map(read).collect()
    }

    /// An empty one.
    pub(super) fn start(outbox: &Path, mark: i64) -> ClaimsFile {
        let path = path_of(outbox);
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path);
        let file = file.inspect_err(|error| {
            warn!(%error, path = %path.display(), "what is in flight cannot be noted, so an unclean end repeats more");
        });
        ClaimsFile {
            file: file.ok(),
            path,
            mark,
            ..ClaimsFile::default()
        }
    }

    /// Notes a record in a place of its own.
    pub(super) fn add(&mut self, record: &Record) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        });
        self.write(place, &to_bytes(record, self.mark));
        place
    }

    /// Notes what became of it.
    pub(super) fn change(&mut self, place: usize, record: &Record) {
        self.write(place, &to_bytes(record, self.mark));
    }

    /// It was not in flight at all.
    pub(super) fn erase(&mut self, place: usize) {
        self.write(place, &[0; RECORD_BYTES]);
        self.free.push(place);
    }

    /// The outbox itself knows what became of it. What stands there says nothing any more.
    pub(super) fn free(&mut self, place: usize) {
        self.free.push(place);
    }

    /// Nothing is under way.
    pub(super) fn remove(&mut self) {
        if self.file.take().is_some() {
            // One that stays is read at the next start, and says nothing new.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn write(&mut self, place: usize, bytes: &[u8; RECORD_BYTES]) {
        let Some(file) = &self.file else {
            return;
        };
        if let Err(error) = write_at(file, bytes, (place * RECORD_BYTES) as u64) {
            warn!(%error, path = %self.path.display(), "what is in flight cannot be noted, so an unclean end repeats more");
            // A record that is old must not be taken for what is.
            self.remove();
        }
    }
}

fn path_of(outbox: &Path) -> PathBuf {
    let mut path = outbox.as_os_str().to_owned();
    path.push("-claims");
    path.into()
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};

    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

fn to_bytes(record: &Record, mark: i64) -> [u8; RECORD_BYTES] {
    let state = 1 + u64::from(record.delivered_at_ms.is_some());
    let words = [
        state,
        record.endpoint as u64,
        record.seq as u64,
        record.claim as u64,
        record.delivered_at_ms.unwrap_or_default(),
    ];
    let mut bytes = [0; RECORD_BYTES];
    for (place, word) in words.into_iter().chain([check(&words, mark)]).enumerate() {
        bytes[place * 8..][..8].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// `None` for a free place, and for one that is not what was written for this outbox.
fn of_bytes(bytes: &[u8; RECORD_BYTES], mark: i64) -> Option<Record> {
    let (words, _) = bytes.as_chunks();
    let word = |place: usize| u64::from_le_bytes(words[place]);
    let fields = [word(0), word(1), word(2), word(3), word(4)];
    if word(5) != check(&fields, mark) {
        return None;
    }
    let [state, endpoint, seq, claim, at_ms] = fields;
    Some(Record {
        endpoint: endpoint as i64,
        seq: seq as i64,
        claim: claim as i64,
        delivered_at_ms: match state {
            1 => None,
            2 => Some(at_ms),
            _ => return None,
        },
    })
}

/// Tells a whole record from a torn or a foreign one; never 0, which is a free place. The steps
/// are those of SplitMix64.
fn check(words: &[u64; 5], mark: i64) -> u64 {
    let mut sum = mark as u64;
    for word in words {
        sum = (sum ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sum = (sum ^ (sum >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        sum ^= sum >> 31;
    }
    sum.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: i64, delivered_at_ms: Option<u64>) -> Record {
        Record {
            endpoint: 3,
            seq,
            claim: 1,
            delivered_at_ms,
        }
    }

    #[test]
    fn what_is_under_way_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox.db");
        assert_eq!(ClaimsFile::left_beside(&outbox, 7), []);
        let mut file = ClaimsFile::start(&outbox, 7);
        let places = [1, 2, 3].map(|seq| file.add(&record(seq, None)));
        file.change(places[1], &record(2, Some(50)));
        file.erase(places[0]);
        let found = ClaimsFile::left_beside(&outbox, 7);
        assert_eq!(found, [record(2, Some(50)), record(3, None)]);
        assert_eq!(file.add(&record(4, None)), places[0]);
        let found = ClaimsFile::left_beside(&outbox, 7);
        assert_eq!(found.len(), 3);
        assert_eq!(ClaimsFile::left_beside(&outbox, 8), [], "of another outbox");
        file.remove();
        assert_eq!(ClaimsFile::left_beside(&outbox, 7), []);
    }

    #[test]
    fn a_record_with_any_bit_flipped_says_nothing() {
        let bytes = to_bytes(&record(9, Some(1)), 7);
        assert_eq!(of_bytes(&bytes, 7), Some(record(9, Some(1))));
        for bit in 0..48 * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(of_bytes(&bytes, 7), None, "bit {bit}");
        }
        assert_eq!(of_bytes(&[0; RECORD_BYTES], 7), None);
    }
}
