//! What a start goes on from: the versions that are kept in the data directory.

use std::path::Path;
use std::sync::Arc;

use tracing::{error, warn};

use crate::config::Config;
use crate::policy::{FileSet, Version};
use crate::reload::Start;
use crate::versions::Store;

/// Reads what was in force last. Whatever is wrong there keeps nothing from starting.
pub(super) fn start_of(config: &Config, directory: &Path, strict: bool) -> Start {
    let strict = strict || config.strict_start;
    let opened = match Store::new(&config.versions.folder).open() {
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
        // What is a secret is not kept, and counts as it was if it still is.
        for secret in record.files.iter().filter(|file| file.secret) {
            if let Ok(content) = std::fs::read(directory.join(&secret.path)) {
                files.insert(secret.path.clone(), Arc::from(content));
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
        strict,
    }
}
