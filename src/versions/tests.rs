//! Versions that are kept, damaged, cut off and numbered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::numbers::AHEAD;
use super::{InForce, Keeper, Settings, State, Store};
use crate::telemetry::Metrics;

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.join("versions"),
        versions_max: 1000,
        bytes_max: 1 << 30,
    }
}

fn version(number: u64, files: &[(&str, &str)]) -> InForce {
    let files = files.iter().map(|(path, content)| {
        let content: Arc<[u8]> = content.as_bytes().into();
        ((*path).to_owned(), content)
    });
    InForce {
        number,
        hash: format!("hash{number}").into(),
        at_ms: number * 1000,
        root: "nowhere".into(),
        reads: files.clone().map(|(path, _)| path).collect(),
        files: files.collect(),
        outside: Vec::new(),
        origin: None,
    }
}

/// A keeper that keeps these, until they are on disk.
fn keep(settings: &Settings, versions: Vec<InForce>) -> Keeper {
    let keeper = Keeper::new(settings.clone(), Arc::new(Metrics::new()));
    keeper.start().unwrap();
    for version in versions {
        let number = version.number;
        keeper.keep(version);
        wait(&keeper, |state| state.newest == Some(number));
    }
    keeper
}

fn wait(keeper: &Keeper, seen: impl Fn(&State) -> bool) {
    let started = Instant::now();
    while !seen(&keeper.state()) {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:?}",
            keeper.state()
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn last(settings: &Settings) -> (u64, Option<u64>) {
    let opened = Store::new(&settings.folder).open().unwrap();
    (opened.next, opened.last.map(|(record, _)| record.number))
}

#[test]
fn a_version_is_kept_byte_for_byte_and_each_content_once() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let odd = "\u{feff}a\r\n\tb\0\n# c";
    let files = [
        ("policy.yaml", "a: b\n"),
        ("lists/x.txt", odd),
        ("lists/y.txt", odd),
    ];
    let second = [("policy.yaml", "a: c\n"), ("lists/x.txt", odd)];
    let mut with_cases = version(2, &second);
    with_cases
        .files
        .insert("tests/case.yaml".to_owned(), Arc::from(&b"case"[..]));
    drop(keep(&settings, vec![version(1, &files), with_cases]));
    let store = Store::new(&settings.folder);
    let first = store.record(1).unwrap();
    let read = store.files(&first).unwrap();
    let expected: BTreeMap<_, _> = version(1, &files).files;
    assert_eq!(read, expected);
    assert_eq!((first.hash.as_str(), first.at_ms), ("hash1", 1000));
    // Cases decide nothing.
    assert_eq!(store.record(2).unwrap().files.len(), 2);
    let contents = fs::read_dir(settings.folder.join("files")).unwrap().count();
    assert_eq!(contents, 3);
    assert_eq!(store.numbers().unwrap(), [2, 1]);
    assert_eq!(store.before(2).unwrap().unwrap().number, 1);
    assert!(store.before(1).unwrap().is_none());
    assert_eq!(last(&settings), (3, Some(2)));
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt;

    fn check(path: &Path) -> usize {
        let found = fs::metadata(path).unwrap();
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", path.display());
        if !found.is_dir() {
            return 1;
        }
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| check(&entry.unwrap().path())).sum()
    }
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    drop(keep(
        &settings,
        vec![version(1, &[("policy.yaml", "a: b\n")])],
    ));
    // The record, its file, the numbers, the lock.
    assert_eq!(check(&settings.folder), 4);
}

#[test]
fn a_secret_is_kept_as_its_digest_alone() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let outside = directory.path().join("outside.key");
    let authority = directory.path().join("ca.pem");
    fs::write(&outside, "marked-secret-two").unwrap();
    fs::write(&authority, "an authority").unwrap();
    let mut version = version(
        1,
        &[
            ("policy.yaml", "a: b\n"),
            ("keys/one.txt", "marked-secret-one"),
        ],
    );
    version
        .files
        .insert("old.txt".to_owned(), Arc::from(&b"marked-secret-three"[..]));
    version.outside = vec![
        ("nowhere/keys/one.txt".to_owned(), true),
        (outside.display().to_string(), true),
        (authority.display().to_string(), false),
        (directory.path().join("gone").display().to_string(), false),
    ];
    drop(keep(&settings, vec![version]));
    let store = Store::new(&settings.folder);
    let record = store.record(1).unwrap();
    assert_eq!(record.outside.len(), 2);
    assert!(record.file("keys/one.txt").unwrap().secret);
    // Nothing says that it is one, and nothing is read from it.
    assert!(record.file("old.txt").unwrap().idle);
    assert!(store.files(&record).unwrap().keys().eq(["policy.yaml"]));
    let authority = record.outside.iter().find(|file| !file.secret).unwrap();
    assert_eq!(store.content(1, authority).unwrap(), b"an authority");
    let error = store.content(1, record.file("keys/one.txt").unwrap());
    assert!(error.unwrap_err().to_string().contains("is a secret"));
    for part in ["files", "records"] {
        for entry in fs::read_dir(settings.folder.join(part)).unwrap() {
            let content = fs::read(entry.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&content).into_owned();
            assert!(!text.contains("marked-secret"), "{text}");
        }
    }
}

/// A record that is cut off anywhere, or a file that is not what it was, is no version; the one
/// before it is.
#[test]
fn what_is_damaged_is_known_and_the_version_before_it_is_gone_on_from() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let first = version(1, &[("policy.yaml", "a: b\n")]);
    let second = version(2, &[("policy.yaml", "a: c\n")]);
    drop(keep(&settings, vec![first, second]));
    let records = settings.folder.join("records");
    let path = records.join(format!("{:020}.json", 2));
    let whole = fs::read(&path).unwrap();
    for bytes in 0..whole.len() {
        fs::write(&path, &whole[..bytes]).unwrap();
        let opened = Store::new(&settings.folder).open().unwrap();
        assert_eq!(opened.last.unwrap().0.number, 1, "cut at {bytes}");
        assert_eq!((opened.damaged.len(), opened.next), (1, 3));
    }
    let mut changed = whole.clone();
    changed[20] ^= 1;
    fs::write(&path, &changed).unwrap();
    assert_eq!(last(&settings), (3, Some(1)));
    fs::write(&path, &whole).unwrap();
    assert_eq!(last(&settings), (3, Some(2)));
    let store = Store::new(&settings.folder);
    let sha256 = store.record(2).unwrap().files[0].sha256.clone();
    let file = settings.folder.join("files").join(sha256);
    for damage in [&b"a: d\n"[..], b"", b"a: c"] {
        fs::write(&file, damage).unwrap();
        assert_eq!(last(&settings), (3, Some(1)));
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(last(&settings), (3, Some(1)));
}

/// What is half written when a process ends is swept away, and nothing else.
#[test]
fn what_was_left_half_written_goes_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    drop(keep(
        &settings,
        vec![version(1, &[("policy.yaml", "a: b\n")])],
    ));
    let left = [
        settings.folder.join("files/abc.new"),
        settings.folder.join("files").join("0".repeat(64)),
        settings
            .folder
            .join("records/00000000000000000002.json.new"),
    ];
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    assert_eq!(last(&settings), (2, Some(1)));
    drop(keep(
        &settings,
        vec![version(2, &[("policy.yaml", "a: c\n")])],
    ));
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(last(&settings), (3, Some(2)));
    let store = Store::new(&settings.folder);
    assert!(store.files(&store.record(1).unwrap()).is_ok());
}

#[test]
fn numbers_never_repeat_whatever_of_them_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    assert_eq!(last(&settings), (1, None));
    let keeper = keep(&settings, vec![version(1, &[]), version(2, &[])]);
    // As after a process that was killed: two may have been in force since.
    let killed = last(&settings).0;
    assert!((5..=3 + AHEAD).contains(&killed), "{killed}");
    drop(keeper);
    assert_eq!(last(&settings).0, 3);
    let numbers = settings.folder.join("numbers");
    let written = fs::read(&numbers).unwrap();
    for bytes in 0..written.len() {
        fs::write(&numbers, &written[..bytes]).unwrap();
        assert_eq!(last(&settings).0, 3 + AHEAD, "cut at {bytes}");
    }
    fs::remove_file(&numbers).unwrap();
    assert_eq!(last(&settings).0, 3 + AHEAD);
    // The versions are lost, the numbers are not.
    fs::write(&numbers, &written).unwrap();
    fs::remove_dir_all(settings.folder.join("records")).unwrap();
    assert_eq!(last(&settings), (3, None));
}

#[test]
fn none_goes_while_nobody_can_tell_which_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        versions_max: 2,
        ..settings(directory.path())
    };
    let keeper = Keeper::new(settings, Arc::new(Metrics::new()));
    keeper.spare(Box::new(|| None));
    keeper.start().unwrap();
    for number in 1..=4 {
        let own = format!("own: {number}\n");
        keeper.keep(version(number, &[("policy.yaml", own.as_str())]));
        wait(&keeper, |state| state.newest == Some(number));
    }
    assert_eq!(keeper.store().numbers().unwrap(), [4, 3, 2, 1]);
}

#[test]
fn the_oldest_go_but_for_the_newest_and_those_that_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        versions_max: 3,
        ..settings(directory.path())
    };
    let keeper = Keeper::new(settings.clone(), Arc::new(Metrics::new()));
    keeper.spare(Box::new(|| Some(BTreeSet::from([2]))));
    keeper.start().unwrap();
    for number in 1..=8 {
        let own = format!("own: {number}\n");
        let files = [("policy.yaml", own.as_str()), ("shared.txt", "shared\n")];
        keeper.keep(version(number, &files));
        wait(&keeper, |state| state.newest == Some(number));
    }
    let store = keeper.store();
    assert_eq!(store.numbers().unwrap(), [8, 7, 2]);
    for number in [8, 7, 2] {
        assert_eq!(
            store.files(&store.record(number).unwrap()).unwrap().len(),
            2
        );
    }
    let files = fs::read_dir(settings.folder.join("files")).unwrap().count();
    assert_eq!(files, 4);
    assert_eq!(keeper.state().versions, 3);
    drop(keeper);
    // By bytes, down to the newest alone.
    let settings = Settings {
        bytes_max: 10,
        ..settings
    };
    drop(keep(
        &settings,
        vec![version(9, &[("policy.yaml", "own: 9\n")])],
    ));
    assert_eq!(store.numbers().unwrap(), [9]);
    assert_eq!(
        fs::read_dir(settings.folder.join("files")).unwrap().count(),
        1
    );
}

#[test]
fn what_cannot_be_kept_is_said_and_kept_when_it_can_be() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    // In the place of the folder, as a full disk would be.
    fs::write(&settings.folder, "").unwrap();
    let metrics = Arc::new(Metrics::new());
    let keeper = Keeper::new(settings.clone(), Arc::clone(&metrics));
    keeper.start().unwrap();
    keeper.keep(version(1, &[("policy.yaml", "a: b\n")]));
    wait(&keeper, |state| state.error.is_some());
    assert!(keeper.state().error.unwrap().contains("version 1"));
    fs::remove_file(&settings.folder).unwrap();
    keeper.keep(version(2, &[("policy.yaml", "a: c\n")]));
    wait(&keeper, |state| {
        state.newest == Some(2) && state.error.is_none()
    });
    assert_eq!(keeper.store().numbers().unwrap(), [2, 1]);
}

#[test]
fn two_processes_do_not_keep_in_one_place() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let first = keep(&settings, vec![version(1, &[])]);
    let second = Keeper::new(settings.clone(), Arc::new(Metrics::new()));
    second.start().unwrap();
    second.keep(version(2, &[]));
    wait(&second, |state| {
        state
            .error
            .as_deref()
            .is_some_and(|why| why.contains("another process"))
    });
    drop(first);
    second.keep(version(3, &[]));
    wait(&second, |state| state.newest == Some(3));
}
