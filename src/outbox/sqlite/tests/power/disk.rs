//! A disk that forgets: what was not synced is kept by sectors, at random, or not at all.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

/// SplitMix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Why an operation was not done.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    Off,
    Full,
}

#[derive(Debug)]
pub struct Disk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, File>,
    /// Changes until the power goes; `None` is never.
    left: Option<u64>,
    off: bool,
    /// Bytes of all files together.
    room: Option<usize>,
    random: Random,
}

#[derive(Debug, Default)]
struct File {
    now: Vec<u8>,
    /// What is certain; `None` for a file that may not be there after a loss.
    synced: Option<Vec<u8>>,
    pending: Vec<Change>,
    /// Deleted, and that is not certain yet.
    deleted: bool,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    pub fn new(seed: u64) -> Disk {
        Disk {
            state: Mutex::new(State {
                files: BTreeMap::new(),
                left: None,
                off: false,
                room: None,
                random: Random(seed),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn power_goes_after(&self, changes: u64) {
        self.state().left = Some(changes);
    }

    pub fn power_stays(&self) {
        self.state().left = None;
    }

    pub fn is_off(&self) -> bool {
        self.state().off
    }

    pub fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// What was certain is there again, and some of the rest.
    pub fn power_returns(&self) {
        let mut state = self.state();
        let State { files, random, .. } = &mut *state;
        files.retain(|_, file| file.after_loss(random));
        state.left = None;
        state.off = false;
    }

    pub fn exists(&self, name: &str) -> bool {
        let state = self.state();
        state.files.get(name).is_some_and(|file| !file.deleted)
    }

    pub fn create(&self, name: &str) {
        let mut state = self.state();
        let file = state.files.entry(name.to_owned()).or_default();
        if file.deleted {
            *file = File {
                synced: file.synced.take(),
                pending: vec![Change::Cut(0)],
                ..File::default()
            };
        }
    }

    pub fn size(&self, name: &str) -> usize {
        self.state()
            .files
            .get(name)
            .map_or(0, |file| file.now.len())
    }

    /// Fills the buffer, with zeros behind the end; says how many bytes there were.
    pub fn read(&self, name: &str, at: usize, into: &mut [u8]) -> usize {
        let state = self.state();
        let now = state.files.get(name).map_or(&[][..], |file| &file.now);
        let from = now.get(at..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        into[count..].fill(0);
        count
    }

    pub fn write(&self, name: &str, at: usize, bytes: &[u8]) -> Result<(), Failed> {
        let mut state = self.state();
        let all: usize = state.files.values().map(|file| file.now.len()).sum();
        let size = state.files.get(name).map_or(0, |file| file.now.len());
        let more = (at + bytes.len()).saturating_sub(size);
        if state.room.is_some_and(|room| more > 0 && all + more > room) {
            return Err(Failed::Full);
        }
        // The last change before the end may be done in part, which a loss decides.
        let going = state.step();
        if state.off && !going {
            return Err(Failed::Off);
        }
        let file = state.files.entry(name.to_owned()).or_default();
        let change = Change::Write(at, bytes.to_vec());
        change.apply(&mut file.now);
        file.pending.push(change);
        if going { Err(Failed::Off) } else { Ok(()) }
    }

    pub fn cut(&self, name: &str, size: usize) -> Result<(), Failed> {
        let mut state = self.state();
        let going = state.step();
        if state.off && !going {
            return Err(Failed::Off);
        }
        let file = state.files.entry(name.to_owned()).or_default();
        Change::Cut(size).apply(&mut file.now);
        file.pending.push(Change::Cut(size));
        if going { Err(Failed::Off) } else { Ok(()) }
    }

    pub fn sync(&self, name: &str) -> Result<(), Failed> {
        let mut state = self.state();
        if state.step() || state.off {
            return Err(Failed::Off);
        }
        let file = state.files.entry(name.to_owned()).or_default();
        file.synced = Some(file.now.clone());
        file.pending.clear();
        Ok(())
    }

    /// `certain`: the folder is synced too.
    pub fn delete(&self, name: &str, certain: bool) -> Result<(), Failed> {
        let mut state = self.state();
        if state.step() || state.off {
            return Err(Failed::Off);
        }
        match state.files.get_mut(name) {
            Some(_) if certain => drop(state.files.remove(name)),
            Some(file) => file.deleted = true,
            None => {}
        }
        Ok(())
    }
}

impl State {
    /// Counts a change; true for the one during which the power goes.
    fn step(&mut self) -> bool {
        if self.off {
            return false;
        }
        match &mut self.left {
            Some(0) => {
                self.off = true;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl File {
    /// False when the file itself is gone.
    fn after_loss(&mut self, random: &mut Random) -> bool {
        if self.deleted && random.below(2) == 0 {
            return false;
        }
        if self.synced.is_none() && random.below(2) == 0 {
            return false;
        }
        // All of the rest, none of it, or any part.
        let mood = random.below(4);
        let mut content = self.synced.take().unwrap_or_default();
        for change in self.pending.drain(..) {
            for part in change.parts() {
                let survives = match mood {
                    0 => false,
                    1 => true,
                    _ => random.below(2) == 0,
                };
                if survives {
                    part.apply(&mut content);
                }
            }
        }
        self.now.clone_from(&content);
        self.synced = Some(content);
        self.deleted = false;
        true
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Cut(size) => content.truncate(*size),
            Change::Write(at, bytes) => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
        }
    }

    /// What the disk writes on its own, in any order and number.
    fn parts(self) -> Vec<Change> {
        let Change::Write(start, bytes) = self else {
            return vec![self];
        };
        let mut parts = Vec::new();
        let mut at = start;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let count = (SECTOR - at % SECTOR).min(rest.len());
            let (part, after) = rest.split_at(count);
            parts.push(Change::Write(at, part.to_vec()));
            at += count;
            rest = after;
        }
        parts
    }
}
