//! Texts on disk, under one key for each day. To forget a day its key is dropped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::id::time_text;
use super::id_form::secret;
use super::record::PlacedText;

const FOLDER: &str = "keys";
const ENDING: &str = ".key";

/// The keys of the days.
#[derive(Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    /// The key that was used last.
    known: Option<(String, LessSafeKey)>,
}

impl Keys {
    pub(super) fn new(history: &Path) -> Keys {
        Keys {
            folder: history.join(FOLDER),
            known: None,
        }
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
        let day = day_of(at_us);
        if self.known.as_ref().is_none_or(|(known, _)| *known != day) {
            fs::create_dir_all(&self.folder)?;
            let secret = secret(&self.path(&day))?;
            self.known = Some((day, key(&secret)));
        }
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .map(|text| (text.place.as_str(), text.value.as_str()))
            .collect();
        let mut sealed = serde_json::to_vec(&pairs)?;
        let mut nonce = [0; NONCE_LEN];
        let filled = SystemRandom::new().fill(&mut nonce);
        let sealed_with = self.known.as_ref().map(|(_, key)| {
            let aad = Aad::from(id.to_le_bytes());
            key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
        });
        match (filled, sealed_with) {
            (Ok(()), Some(Ok(()))) => {
                sealed.extend_from_slice(&nonce);
                Ok(sealed)
            }
            _ => Err(io::Error::other("the text cannot be sealed")),
        }
    }

    /// Opens the texts of a decision; `None` when their key was dropped, or they are not what was
    /// sealed.
    pub(super) fn open(&self, at_us: u64, id: i64, sealed: &[u8]) -> Option<Vec<PlacedText>> {
        let secret = fs::read(self.path(&day_of(at_us))).ok()?;
        let key = key(&secret.try_into().ok()?);
        let (sealed, nonce) = sealed.split_at_checked(sealed.len().checked_sub(NONCE_LEN)?)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let aad = Aad::from(id.to_le_bytes());
        let opened = key.open_in_place(nonce, aad, &mut opened).ok()?;
        let pairs: Vec<(String, String)> = serde_json::from_slice(opened).ok()?;
        let texts = pairs.into_iter();
        let texts = texts.map(|(place, value)| PlacedText { place, value });
        Some(texts.collect())
    }

    /// Drops the keys of the days before that of `at_us`, and says how many there were.
    pub(super) fn drop_before(&mut self, at_us: u64) -> io::Result<u64> {
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
        self.known = self.known.take().filter(|(known, _)| known != day);
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
