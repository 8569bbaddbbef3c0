//! What is kept, what is forgotten, and what a bad disk costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::{Recordings, Settings};
use crate::clock::Clock;
use crate::history::Keys;
use crate::policy::{AtRecording, RecordedCall};
use crate::telemetry::Metrics;

const SECRET: &str = "s3cr3t-text";
const DAY: Duration = Duration::from_secs(86_400);

struct World {
    recordings: Recordings,
    metrics: Arc<Metrics>,
    folder: PathBuf,
}

fn settings(folder: &Path) -> Settings {
    Settings {
        enabled: true,
        folder: folder.to_owned(),
        share: 1.0,
        bytes_max: 1 << 30,
        keep: 7 * DAY,
        queue_calls_max: 1000,
        queue_bytes_max: 1 << 20,
    }
}

/// The first of January, so many days later.
fn day(number: u32) -> SystemTime {
    UNIX_EPOCH + 20_454 * DAY + number * DAY
}

fn open(settings: Settings, now: SystemTime) -> World {
    let metrics = Arc::new(Metrics::new());
    let folder = settings.folder.clone();
    let clock = Clock::start_at(now);
    World {
        recordings: Recordings::open(settings, Arc::clone(&metrics), clock).unwrap(),
        metrics,
        folder,
    }
}

impl World {
    fn keep(&self, from: &str, text: &str) {
        let line = serde_json::json!({
            "hook": "beforeSendSingleMsg", "text": text, "from": from, "to": "u2",
        });
        let call = RecordedCall::read(line.to_string().as_bytes()).unwrap();
        let known = AtRecording {
            at_ms: self.recordings.now_ms(),
            ..AtRecording::default()
        };
        self.recordings.keep(&call.event().unwrap(), &known);
    }

    fn kept(&self) -> Vec<String> {
        let calls = self.recordings.newest(1000).unwrap().unwrap();
        let texts = calls.iter().map(|call| {
            let event = call.event().unwrap();
            event.texts[0].value.clone()
        });
        texts.collect()
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

fn holds(folder: &Path, text: &str) -> bool {
    files(folder).iter().any(|path| {
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[test]
fn what_is_kept_is_read_again_after_a_restart_and_lies_nowhere_in_the_open() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    world.keep("u1", &format!("{SECRET} 1"));
    world.keep("u1", &format!("{SECRET} 2"));
    assert_eq!(world.kept(), [format!("{SECRET} 1"), format!("{SECRET} 2")]);
    world.recordings.close();
    let world = open(settings(&folder), day(1));
    world.keep("u1", "more");
    assert_eq!(world.kept().len(), 3);
    assert_eq!(world.recordings.newest(1).unwrap().unwrap().len(), 1);
    for hidden in [SECRET, "beforeSendSingleMsg", "u1\""] {
        assert!(!holds(&folder, hidden), "{hidden}");
    }
    #[cfg(unix)]
    for path in files(&folder) {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
    }
}

#[test]
fn a_day_is_forgotten_with_its_key() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    world.keep("u1", SECRET);
    assert_eq!(world.kept().len(), 1);
    world.recordings.close();
    // What somebody copied before is worth nothing without the key.
    let copy: Vec<_> = files(&folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "calls"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert_eq!(copy.len(), 1);
    let world = open(settings(&folder), day(9));
    // The writer looks for what is old before it answers.
    assert_eq!(world.kept().len(), 0);
    assert_eq!(files(&folder), Vec::<PathBuf>::new());
    for (path, bytes) in copy {
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(world.kept().len(), 0);
    assert!(!holds(&folder, SECRET));
}

#[test]
fn a_key_that_somebody_drops_is_not_used_again() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    world.keep("u1", SECRET);
    assert_eq!(world.kept().len(), 1);
    fs::remove_dir_all(folder.join("keys")).unwrap();
    assert_eq!(world.kept().len(), 0);
    world.keep("u1", "another");
    assert_eq!(world.kept(), ["another"]);
}

#[test]
fn a_user_is_forgotten_and_others_are_not() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    for from in ["u1", "gone", "u3"] {
        world.keep(from, &format!("of {from}"));
    }
    assert_eq!(world.recordings.forget("gone"), Ok(1));
    assert_eq!(world.kept(), ["of u1", "of u3"]);
    assert_eq!(world.recordings.forget("gone"), Ok(0));
    // Who was written to counts too.
    world.keep("u1", "after");
    assert_eq!(world.recordings.forget("u2"), Ok(3));
    assert_eq!(world.kept(), Vec::<String>::new());
    world.keep("u1", "again");
    assert_eq!(world.kept(), ["again"]);
}

#[test]
fn a_file_that_broke_off_costs_its_end_alone() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    world.keep("u1", "first");
    world.keep("u1", "second");
    assert_eq!(world.kept().len(), 2);
    world.recordings.close();
    let file = files(&folder)
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "calls"));
    let file = file.unwrap();
    let whole = fs::read(&file).unwrap();
    for cut in 0..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let world = open(settings(&folder), day(0));
        let kept = world.kept();
        assert!(kept.is_empty() || kept == ["first"], "{cut}: {kept:?}");
        if cut == whole.len() - 1 {
            assert_eq!(kept, ["first"]);
            world.keep("u1", "third");
            assert_eq!(world.kept(), ["first", "third"]);
        }
    }
}

#[test]
fn there_is_an_end_to_what_is_kept_and_to_what_waits() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let mut small = settings(&folder);
    small.bytes_max = 100_000;
    small.queue_calls_max = 20;
    let world = open(small, day(0));
    let long = "x".repeat(10_000);
    for number in 0..300 {
        world.keep("u1", &format!("{number} {long}"));
        if number % 10 == 9 {
            // Whatever is written by now.
            let _ = world.kept();
            assert!(world.recordings.state().bytes <= 100_000);
        }
    }
    let kept = world.kept();
    assert!(kept.len() >= 5, "{}", kept.len());
    assert!(kept.last().unwrap().starts_with("299 "));
    for number in 0..100 {
        world.keep("u1", &format!("{number} {long}"));
    }
    let dropped = world.metric("callgate_recordings_dropped_total{reason=\"queue\"}");
    assert!(dropped > 0, "{dropped}");
}

#[test]
fn a_file_that_cannot_be_deleted_keeps_no_other() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let mut small = settings(&folder);
    small.bytes_max = 100_000;
    // A folder by the name of the oldest file is none that can be deleted as one.
    let stays = folder.join("00000001-000001.calls");
    fs::create_dir_all(&stays).unwrap();
    let world = open(small, day(0));
    let long = "x".repeat(10_000);
    for number in 0..50 {
        world.keep("u1", &format!("{number} {long}"));
        let _ = world.kept();
    }
    let files = files(&folder).into_iter();
    let bytes: u64 = files.map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(stays.exists() && bytes <= 110_000, "{bytes}");
}

#[test]
fn what_cannot_be_read_any_more_goes_with_whoever_is_forgotten() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    let world = open(settings(&folder), day(0));
    world.keep("u1", "first");
    assert_eq!(world.kept(), ["first"]);
    world.recordings.close();
    // As another callgate might have written it.
    let at_us = world.recordings.now_ms() * 1000;
    let mut sealed = format!("{{\"of_tomorrow\":\"{SECRET}\"}}").into_bytes();
    let at = at_us.to_le_bytes();
    let mut keys = Keys::new(&folder);
    let key = keys.of_day(at_us).unwrap();
    key.seal(&at, &mut sealed, 0).unwrap();
    let mut frame = (sealed.len() as u32).to_le_bytes().to_vec();
    frame.extend(at);
    frame.extend(&sealed);
    let number = at_us / 86_400_000_000;
    let path = folder.join(format!("{number:08}-000009.calls"));
    fs::write(&path, frame).unwrap();
    let world = open(settings(&folder), day(0));
    assert_eq!(world.recordings.forget("somebody"), Ok(1));
    assert!(!fs::read(&path).unwrap().ends_with(&sealed));
    assert_eq!(world.kept(), ["first"]);
}

#[test]
fn a_disk_that_takes_nothing_costs_calls_alone_until_it_does() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("recordings");
    // Where the folder should be there is a file.
    fs::write(&folder, "").unwrap();
    let world = open(settings(&folder), day(0));
    world.keep("u1", "lost");
    let _ = world.recordings.newest(1);
    assert_eq!(
        world.metric("callgate_recordings_dropped_total{reason=\"disk\"}"),
        1
    );
    assert_eq!(world.metric("callgate_recordings_failing"), 1);
    assert!(world.recordings.state().error.is_some());
    fs::remove_file(&folder).unwrap();
    world.keep("u1", "kept");
    assert_eq!(world.kept(), ["kept"]);
    assert_eq!(world.metric("callgate_recordings_failing"), 0);
    assert_eq!(world.folder, folder);
}

#[test]
fn a_share_is_by_message_and_about_as_large_as_it_is_said() {
    let directory = TempDir::new().unwrap();
    let mut some = settings(&directory.path().join("recordings"));
    some.share = 0.1;
    let world = open(some, day(0));
    let hooks = ["beforeSendSingleMsg", "beforeMsgModify"];
    let mut wanted = 0;
    for number in 0..10_000 {
        let [first, second] = hooks.map(|hook| {
            let line = serde_json::json!({
                "hook": hook,
                "message": {"sendID": "u1", "serverMsgID": format!("m{number}"), "contentType": 101},
            });
            let call = RecordedCall::read(line.to_string().as_bytes()).unwrap();
            world.recordings.wants(&call.event().unwrap())
        });
        assert_eq!(first, second);
        wanted += u32::from(first);
    }
    assert!((800..1200).contains(&wanted), "{wanted}");
    assert!(!Recordings::off().is_on());
}
