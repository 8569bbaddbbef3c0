//! Files that are on disk and seem not to be whole: they wait for a second look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::cut::looks_cut;
use super::files::Fingerprint;
use super::history::Held;
use crate::policy::FileSet;
use crate::settings::Problem;

const WAY_OUT: &str = "if it is meant so, save it once more as it is, rename a whole file over it, or order a reload (SIGHUP)";
const EMPTY_WAY_OUT: &str =
    "if it is meant so, order a reload (SIGHUP), or rename an empty file over it";

/// What is known of lists that lost a lot.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    lists: BTreeMap<String, Doubt>,
}

#[derive(Debug)]
struct Doubt {
    content: Arc<[u8]>,
    written: Option<SystemTime>,
    /// Somebody said that it is meant so.
    is_meant: bool,
}

impl Doubts {
    /// Puts the content in force in the place of each list that seems to be cut off. One that is
    /// saved once more as it is, is meant so, if anything is in it: whoever writes a file anew empties
    /// it first. `ordered` says so of all.
    pub(super) fn hold_cut(
        &mut self,
        disk: &mut FileSet,
        base: &FileSet,
        lists: &[String],
        stats: &Fingerprint,
        ordered: bool,
    ) -> Vec<Held> {
        let mut doubts = BTreeMap::new();
        let mut held = Vec::new();
        for path in lists {
            let (Some(old), Some(new)) = (base.files.get(path), disk.files.get(path)) else {
                continue;
            };
            let stat = stats.stat(path);
            let Some(why) = looks_cut(old, new).filter(|_| stat.is_some()) else {
                continue;
            };
            let (published, written) =
                stat.map_or((false, None), |stat| (stat.is_published, stat.modified));
            let before = self
                .lists
                .remove(path)
                .filter(|doubt| doubt.content == *new);
            let is_empty = new.trim_ascii().is_empty();
            let is_saved_again = |doubt: &Doubt| !is_empty && doubt.written != written;
            let is_meant = ordered
                || published
                || before.is_some_and(|doubt| doubt.is_meant || is_saved_again(&doubt));
            let content = Arc::clone(new);
            doubts.insert(
                path.clone(),
                Doubt {
                    content,
                    written,
                    is_meant,
                },
            );
            if !is_meant {
                let way_out = match is_empty {
                    true => EMPTY_WAY_OUT,
                    false => WAY_OUT,
                };
                let why = format!("it seems to be cut off: {why}");
                held.push(hold(disk, base, path, why, way_out));
            }
        }
        self.lists = doubts;
        held
    }
}

/// Puts the content in force in the place of files that somebody is writing.
pub(super) fn hold_busy(disk: &mut FileSet, base: &FileSet, busy: &BTreeSet<String>) -> Vec<Held> {
    let mut held = Vec::new();
    for path in busy {
        if disk.files.get(path) == base.files.get(path) {
            continue;
        }
        let why = "it is being written".to_owned();
        let way_out =
            "it comes into force when its writer has closed it, or has left it alone for a minute";
        held.push(hold(disk, base, path, why, way_out));
    }
    held
}

fn hold(disk: &mut FileSet, base: &FileSet, path: &str, why: String, way_out: &str) -> Held {
    match base.files.get(path) {
        Some(content) => disk.files.insert(path.to_owned(), Arc::clone(content)),
        // It was not there before, and is not there yet.
        None => disk.files.remove(path),
    };
    let shown = format!("{}/{path}", disk.root.trim_end_matches('/'));
    Held {
        file: path.to_owned(),
        problems: vec![Problem::of_file(shown, why.clone(), way_out)],
        why,
    }
}
