//! Texts on disk, under one key for each day. To forget a day its key is dropped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::id::time_text;
use super::id_form::secret;
use super::record::PlacedText;

const FOLDER: &str = "keys";
const ENDING: &str = ".key";
const NONCES_AT_ONCE: usize = 64;

/// The keys of the days.
#[derive(Debug)]
pub(crate) struct Keys {
    folder: PathBuf,
    /// The key that was used last.
    known: Option<DayKey>,
}

/// The key of one day.
#[derive(Debug)]
pub(crate) struct DayKey {
    day: String,
    key: LessSafeKey,
    nonces: Nonces,
}

/// Random ones, some of which are had from the system at a time: asking it costs as much as sealing.
/// None is given twice.
#[derive(Debug, Default)]
struct Nonces(Mutex<Vec<[u8; NONCE_LEN]>>);

impl Nonces {
    /// Errors: the system has no random numbers.
    fn next(&self) -> io::Result<[u8; NONCE_LEN]> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if left.is_empty() {
            let mut fresh = [0; NONCES_AT_ONCE * NONCE_LEN];
            let filled = SystemRandom::new().fill(&mut fresh);
            filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
            left.extend(fresh.as_chunks::<NONCE_LEN>().0);
        }
        Ok(left.pop().expect("it was filled"))
    }
}

impl DayKey {
    fn new(day: String, key: LessSafeKey) -> DayKey {
        DayKey {
            day,
            key,
            nonces: Nonces::default(),
        }
    }

    /// Seals what stands from `from` on, which belongs to `place`; that is to be named again when it is
    /// opened.
    ///
    /// Errors: the system has no random numbers.
    pub(crate) fn seal(&self, place: &[u8], buffer: &mut Vec<u8>, from: usize) -> io::Result<()> {
        let nonce = self.nonces.next()?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let plain = &mut buffer[from..];
        let sealed = self
            .key
            .seal_in_place_separate_tag(unique, Aad::from(place), plain);
        let tag = sealed.map_err(|_| io::Error::other("it cannot be sealed"))?;
        buffer.extend_from_slice(tag.as_ref());
        buffer.extend_from_slice(&nonce);
        Ok(())
    }

    /// Opens what was sealed; `None` if this is not it.
    pub(crate) fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (sealed, nonce) = sealed.split_at_checked(sealed.len().checked_sub(NONCE_LEN)?)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(place), &mut opened);
        let length = plain.ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

impl Keys {
    /// `folder` is where what they seal lies.
    pub(crate) fn new(folder: &Path) -> Keys {
        Keys {
            folder: folder.join(FOLDER),
            known: None,
        }
    }

    /// The key of a day; made where there is none.
    ///
    /// Errors: none can be made.
    pub(crate) fn of_day(&mut self, at_us: u64) -> io::Result<&DayKey> {
        let day = day_of(at_us);
        let path = self.path(&day);
        let known = self.known.take().filter(|known| known.day == day);
        // A key that somebody dropped is not used again: what it sealed could never be read.
        let known = match known.filter(|_| path.exists()) {
            Some(known) => known,
            None => {
                fs::create_dir_all(&self.folder)?;
                let key = key(&secret(&path)?.0);
                DayKey::new(day, key)
            }
        };
        Ok(self.known.insert(known))
    }

    /// The key of a day, if it was not dropped.
    pub(crate) fn find(&self, at_us: u64) -> Option<DayKey> {
        let day = day_of(at_us);
        let secret = fs::read(self.path(&day)).ok()?;
        let key = key(&secret.try_into().ok()?);
        Some(DayKey::new(day, key))
    }

    /// Seals the texts of a decision.
    ///
    /// Errors: there is no key and none can be made.
    pub(super) fn seal(
        &mut self,
        at_us: u64,
        id: i64,
        texts: &[PlacedText],
    ) -> io::Result<Vec<u8>> {
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .map(|text| (text.place.as_str(), text.value.as_str()))
            .collect();
        let mut texts = serde_json::to_vec(&pairs)?;
        self.of_day(at_us)?.seal(&id.to_le_bytes(), &mut texts, 0)?;
        Ok(texts)
    }

    /// Opens the texts of a decision; `None` when their key was dropped, or they are not what was
    /// sealed.
    pub(super) fn open(&self, at_us: u64, id: i64, sealed: &[u8]) -> Option<Vec<PlacedText>> {
        let opened = self.find(at_us)?.open(&id.to_le_bytes(), sealed)?;
        let pairs: Vec<(String, String)> = serde_json::from_slice(&opened).ok()?;
        let texts = pairs.into_iter();
        let texts = texts.map(|(place, value)| PlacedText { place, value });
        Some(texts.collect())
    }

    /// Drops the keys of the days before that of `at_us`, and says how many there were.
    ///
    /// Errors: the folder cannot be read, or a key not be deleted.
    pub(crate) fn drop_before(&mut self, at_us: u64) -> io::Result<u64> {
        let first_kept = day_of(at_us);
        let mut dropped = 0;
        for day in self.days()? {
            if day < first_kept {
                self.drop_day(&day)?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    fn days(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names
            .filter_map(|name| Some(name.strip_suffix(ENDING)?.to_owned()))
            .collect())
    }

    fn drop_day(&mut self, day: &str) -> io::Result<()> {
        let path = self.path(day);
        // Over the old bytes first, where the file system writes in place.
        let overwritten = OpenOptions::new().write(true).open(&path);
        let _ = overwritten.and_then(|mut file| {
            file.write_all(&[0; 32])?;
            file.sync_all()
        });
        self.known = self.known.take().filter(|known| known.day != day);
        fs::remove_file(path)
    }

    fn path(&self, day: &str) -> PathBuf {
        self.folder.join(format!("{day}{ENDING}"))
    }
}

fn key(secret: &[u8; 32]) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, secret);
    LessSafeKey::new(unbound.expect("a key of AES-256 has 32 bytes"))
}

/// `2026-11-29`, in UTC.
fn day_of(at_us: u64) -> String {
    let mut day = time_text(at_us);
    day.truncate(10);
    day
}
