//! What a backup says of itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Component, Path};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::copying::{digest, files_below, sync_folder};
use super::entered::private;
use super::error::{StorageError, at};

/// Its file; a folder without it is no backup.
pub(super) const FILE: &str = "backup.json";

/// The forms that this callgate writes and reads, by part. A part whose files change in a way that
/// an earlier callgate cannot read gets the next number.
const FORMS: [(&str, u32); 7] = [
    ("backup", 1),
    ("outbox", crate::outbox::FILE_SCHEMA),
    ("rooms", 1),
    ("operators", 1),
    ("history", 1),
    ("versions", 1),
    ("audit", 1),
];

/// What is in a backup, of when, and of which callgate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub callgate: String,
    /// RFC 3339. What was acknowledged before is in the backup.
    pub began: String,
    pub ended: String,
    pub forms: BTreeMap<String, u32>,
    pub files: Vec<KeptFile>,
}

/// One file, by its path in the backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptFile {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Of all that is in a folder, which is written into it.
    pub(super) fn write(folder: &Path, began: SystemTime) -> Result<Manifest, StorageError> {
        let mut files = Vec::new();
        for path in files_below(folder, "")? {
            let (sha256, bytes) = digest(&folder.join(&path))?;
            files.push(KeptFile {
                path,
                bytes,
                sha256,
            });
        }
        let time = |time| humantime::format_rfc3339_millis(time).to_string();
        let forms = FORMS.iter().map(|(part, form)| ((*part).to_owned(), *form));
        let manifest = Manifest {
            callgate: env!("CARGO_PKG_VERSION").to_owned(),
            began: time(began),
            ended: time(SystemTime::now()),
            forms: forms.collect(),
            files,
        };
        let mut text = serde_json::to_vec_pretty(&manifest).expect("texts and numbers are JSON");
        text.push(b'\n');
        let path = folder.join(FILE);
        let file = private().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(at(&path))?;
        sync_folder(folder)?;
        Ok(manifest)
    }

    /// Reads it, and holds every file to it.
    ///
    /// Errors: one is missing, too many or not what was written; or all of it is of a callgate that
    /// knows more than this one.
    pub(super) fn check(folder: &Path) -> Result<Manifest, StorageError> {
        let no_backup = |why: String| StorageError::NoBackup {
            folder: folder.to_owned(),
            why,
        };
        let text = fs::read(folder.join(FILE));
        let text = text.map_err(|error| no_backup(format!("`{FILE}` cannot be read ({error})")))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| no_backup(format!("`{FILE}` is not as it was written ({error})")))?;
        for (part, found) in &manifest.forms {
            let known = FORMS.iter().find(|(known, _)| known == part);
            let known = known.map_or(0, |(_, known)| *known);
            if *found > known {
                return Err(StorageError::Newer {
                    callgate: manifest.callgate.clone(),
                    part: part.clone(),
                    found: *found,
                    known,
                });
            }
        }
        for file in &manifest.files {
            let damaged = |why| StorageError::Damaged {
                file: file.path.clone(),
                why,
            };
            let path = Path::new(&file.path);
            if !path
                .components()
                .all(|it| matches!(it, Component::Normal(_)))
            {
                return Err(damaged("its path leads elsewhere"));
            }
            let path = folder.join(path);
            let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
            if !is_file {
                return Err(damaged("it is not there"));
            }
            let found = digest(&path)?;
            if found != (file.sha256.clone(), file.bytes) {
                return Err(damaged("its digest is another one"));
            }
        }
        let is_known =
            |path: &String| path == FILE || manifest.files.iter().any(|it| it.path == *path);
        if let Some(file) = files_below(folder, "")?
            .into_iter()
            .find(|path| !is_known(path))
        {
            let why = "nothing says that it belongs there";
            return Err(StorageError::Damaged { file, why });
        }
        Ok(manifest)
    }
}
