//! What a start goes on from: the versions that are kept in the data directory.

use std::path::Path;
use std::sync::Arc;

use tracing::{error, warn};

use crate::config::Config;
use crate::policy::{FileSet, Version};
use crate::reload::{Start, read_files};
use crate::versions::{self, Store};

/// Reads what was in force last. Whatever is wrong there keeps nothing from starting.
pub(super) fn start_of(config: &Config, directory: &Path, strict: bool) -> Start {
    let strict = strict || config.strict_start;
    let store = Store::new(&config.versions.folder);
    let read = || read_files(directory).ok().map(|found| found.files);
    let origin = match versions::end_broken_off(&store, directory, read) {
        Ok(origin) => origin,
        Err(error) => {
            error!(%error, "a rollback that broke off could not be ended");
            None
        }
    };
    let opened = match store.open() {
        Ok(opened) => opened,
        Err(error) => {
            error!(%error, "the versions of the policy cannot be read, their numbers begin anew");
            return Start {
                strict,
                ..Start::default()
            };
        }
    };
    for damaged in &opened.damaged {
        warn!("{damaged}");
    }
    let is_newest = opened.damaged.is_empty();
    let last = opened.last.map(|(record, mut files)| {
        // What is not kept counts as it was, if it still is.
        for other in record.files.iter().filter(|file| !file.is_kept()) {
            if let Ok(content) = std::fs::read(directory.join(&other.path)) {
                files.insert(other.path.clone(), Arc::from(content));
            }
        }
        let version = Version {
            number: record.number,
            // A number belongs to one version, so one that is not the newest gets another.
            hash: match is_newest {
                true => record.hash.into(),
                false => "".into(),
            },
        };
        let root = directory.display().to_string();
        (version, FileSet { root, files })
    });
    Start {
        next: opened.next,
        last,
        origin: origin.map(|(origin, _)| origin),
        strict,
    }
}
