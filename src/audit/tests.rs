//! Chains that were touched, and disks that do not take a record.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::folder::segments;
use super::journal::Journal;
use super::*;
use crate::telemetry::Metrics;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.join("audit"),
        keep: 400 * DAY,
        bytes_max: 1 << 30,
    }
}

fn act(number: u64) -> Act {
    let who = Who::Operator {
        name: "ann".to_owned(),
        token: None,
    };
    Act::new("outbox.discard", who)
        .on("endpoint `b`")
        .because("gone for good")
        .count("events", number)
}

fn audit(folder: &Path) -> Arc<Audit> {
    Arc::new(Audit::open(settings(folder), Arc::default()))
}

/// A chain of so many records, its folder and its last head.
fn chain(records: u64) -> (tempfile::TempDir, PathBuf, Head) {
    let directory = tempfile::tempdir().unwrap();
    let audit = audit(directory.path());
    for number in 1..=records {
        audit.record(act(number)).unwrap();
    }
    let head = audit.head().unwrap();
    let folder = settings(directory.path()).folder;
    (directory, folder, head)
}

fn only_segment(folder: &Path) -> PathBuf {
    let segments = segments(folder).unwrap();
    assert_eq!(segments.len(), 1);
    segments[0].path.clone()
}

fn problems(folder: &Path) -> Vec<String> {
    verify(folder, &[]).unwrap().problems
}

/// The lines of a chain of six after an edit, and a part of what is said of them.
fn check(edit: impl FnOnce(&mut Vec<String>), expected: &str) {
    let (_directory, folder, _) = chain(6);
    let file = only_segment(&folder);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    edit(&mut lines);
    fs::write(&file, lines.concat()).unwrap();
    let problems = problems(&folder);
    let all = problems.join("\n");
    assert!(all.contains(expected), "{expected:?} is not in {all:?}");
}

#[test]
fn a_chain_that_nobody_touched_is_whole_and_says_what_was_done() {
    let (_directory, folder, head) = chain(6);
    let found = verify(&folder, &[(head.clone(), "a note")]).unwrap();
    assert!(found.problems.is_empty() && found.notes.is_empty());
    assert_eq!((found.records, found.first), (6, Some(1)));
    assert_eq!(found.last, Some(head));
    let mut records = Vec::new();
    assert!(
        read(&folder, |record| records.push(record))
            .unwrap()
            .is_empty()
    );
    let last = records.last().unwrap();
    assert_eq!(last.who.to_string(), "ann");
    assert_eq!(
        (&*last.what, last.result),
        ("outbox.discard", Outcome::Done)
    );
    assert_eq!(
        (&*last.target, &*last.why),
        ("endpoint `b`", "gone for good")
    );
    assert_eq!(last.counts["events"], 6);
}

#[test]
fn any_byte_that_is_another_is_found() {
    let (_directory, folder, _) = chain(4);
    for file in [only_segment(&folder), folder.join("head")] {
        let good = fs::read(&file).unwrap();
        for at in 0..good.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                fs::write(&file, &bad).unwrap();
                assert!(
                    !problems(&folder).is_empty(),
                    "byte {at} of {} with {flip:#x}",
                    file.display()
                );
            }
        }
        fs::write(&file, &good).unwrap();
        assert!(problems(&folder).is_empty());
    }
}

#[test]
fn a_chain_that_was_cut_anywhere_is_found() {
    let (_directory, folder, _) = chain(4);
    let file = only_segment(&folder);
    let good = fs::read(&file).unwrap();
    for length in 0..good.len() {
        fs::write(&file, &good[..length]).unwrap();
        assert!(!problems(&folder).is_empty(), "{length}");
    }
    fs::remove_file(&file).unwrap();
    let all = problems(&folder).join("\n");
    assert!(all.contains("records are missing at the end"), "{all}");
}

#[test]
fn removed_moved_doubled_and_changed_records_are_found() {
    check(
        |lines| drop(lines.remove(0)),
        "this is not what was written",
    );
    check(
        |lines| drop(lines.remove(2)),
        ":3: record 3 is missing before this one",
    );
    check(
        |lines| drop(lines.drain(2..4)),
        ":3: records 3 to 4 are missing before this one",
    );
    check(|lines| drop(lines.pop()), "the last record is 5, and ");
    check(
        |lines| lines.swap(2, 3),
        ":3: record 3 is missing before this one",
    );
    check(
        |lines| lines.insert(3, lines[2].clone()),
        ":4: record 3 stands behind record 3",
    );
    check(
        |lines| lines.push(lines[5].clone()),
        ":7: record 6 stands behind record 6",
    );
    check(
        |lines| lines[1] = lines[1].replace("ann", "bob"),
        ":2: this is not what was written",
    );
    check(
        |lines| lines[1].push('\n'),
        ":3: this is not what was written",
    );
}

#[test]
fn a_record_that_was_forged_with_its_hash_breaks_the_chain() {
    let forge = |lines: &mut Vec<String>, at: usize| {
        let record = record::Record::read(lines[at].trim_end().as_bytes()).unwrap();
        let forged = Record {
            why: "another".to_owned(),
            ..record
        };
        lines[at] = forged.into_line().0 + "\n";
    };
    check(
        |lines| forge(lines, 2),
        ":4: record 4 does not go on from record 3",
    );
    check(|lines| forge(lines, 5), ":6: record 6 is another than ");
}

#[test]
fn what_is_missing_stays_missing_however_much_is_recorded_after() {
    let (directory, folder, _) = chain(6);
    let file = only_segment(&folder);
    let good = fs::read_to_string(&file).unwrap();
    let running = audit(directory.path());
    let lines: Vec<&str> = good.lines().collect();
    // Taken from the end, with the head to match: who runs knows better.
    fs::write(&file, lines[..3].join("\n") + "\n").unwrap();
    let third = record::Record::read(lines[2].as_bytes()).unwrap();
    let mut locked = folder::Locked::for_writing(&folder).unwrap();
    locked.note(&third.head()).unwrap();
    drop(locked);
    assert!(problems(&folder).is_empty());
    let noted = running.head().unwrap();
    assert!(
        !verify(&folder, &[(noted, "a note")])
            .unwrap()
            .problems
            .is_empty()
    );
    running.record(act(7)).unwrap();
    let all = problems(&folder).join("\n");
    assert!(
        all.contains("records 4 to 6 are missing before this one"),
        "{all}"
    );
    let mut told = Vec::new();
    read(&folder, |record| {
        told.push((record.number, record.what.to_string()))
    })
    .unwrap();
    let expected = [
        (7, "audit.damaged".to_owned()),
        (8, "outbox.discard".to_owned()),
    ];
    assert_eq!(told[3..], expected);
    audit(directory.path()).record(act(9)).unwrap();
    assert_eq!(problems(&folder).join("\n"), all);
}

#[test]
fn all_of_it_gone_is_found_by_who_runs_and_stays_found() {
    let (directory, folder, _) = chain(3);
    let running = audit(directory.path());
    fs::remove_dir_all(&folder).unwrap();
    running.record(act(4)).unwrap();
    let all = problems(&folder).join("\n");
    assert!(
        all.contains("record 4 is the first, and no record says"),
        "{all}"
    );
}

#[test]
fn half_a_record_of_a_process_that_ended_is_taken_away() {
    let (directory, folder, _) = chain(3);
    let file = only_segment(&folder);
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.clone() + "{\"number\":4,\"at\"").unwrap();
    let found = verify(&folder, &[]).unwrap();
    assert_eq!((found.problems.len(), found.notes.len()), (0, 1));
    audit(directory.path()).record(act(4)).unwrap();
    assert!(problems(&folder).is_empty());
    assert!(fs::read_to_string(&file).unwrap().starts_with(&good));
}

#[test]
fn several_processes_add_to_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (audit(directory.path()), audit(directory.path()));
    std::thread::scope(|scope| {
        for audit in [&one, &two] {
            scope
                .spawn(move || (0..20).for_each(|number| drop(audit.record(act(number)).unwrap())));
        }
    });
    let found = verify(&settings(directory.path()).folder, &[]).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(found.records, 40);
}

#[test]
fn old_records_are_cut_off_in_whole_segments_and_the_rest_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let folder = settings.folder.clone();
    let (mut journal, opened) = Journal::open(settings);
    opened.unwrap();
    let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
    // One record a day for 500 days; a segment lasts 25.
    for day in 0..500 {
        let now = start + day * DAY;
        let record = |head: &Head| Record::new(head, now, act(1), Outcome::Done);
        journal.append(now, record).unwrap();
    }
    let today = start + 500 * DAY;
    let count = segments(&folder).unwrap().len();
    let cut = journal.cut(today).unwrap();
    assert!((75..=100).contains(&cut), "{cut}");
    assert_eq!(segments(&folder).unwrap().len(), count - 3);
    let found = verify(&folder, &[]).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(found.first, Some(cut + 1));
    assert_eq!(journal.cut(today).unwrap(), 0);
    // Another segment at the beginning is missed: no cut took it.
    let oldest = segments(&folder).unwrap().remove(0);
    fs::remove_file(oldest.path).unwrap();
    let all = problems(&folder).join("\n");
    assert!(
        all.contains("no record says that those before it were cut off"),
        "{all}"
    );
}

#[test]
fn what_cannot_be_recorded_is_refused_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    fs::write(&settings.folder, "a file in its place").unwrap();
    let metrics: Arc<Metrics> = Arc::default();
    let audit = Arc::new(Audit::open(settings.clone(), metrics.clone()));
    let error = audit.record(act(1)).unwrap_err().to_string();
    assert!(
        error.starts_with("not done, since it could not be recorded: `"),
        "{error}"
    );
    assert!(
        error.contains("make room on the disk, or give the folder"),
        "{error}"
    );
    assert!(audit.begin(act(1)).is_err());
    assert_eq!(audit.error(), Some(error));
    // One at the opening, two acts.
    assert!(metrics.encode().contains("callgate_audit_failures_total 3"));
    fs::remove_file(&settings.folder).unwrap();
    audit.record(act(1)).unwrap();
    assert_eq!(audit.error(), None);
}

#[test]
fn a_full_audit_refuses_and_says_what_to_set() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        bytes_max: 1000,
        ..settings(directory.path())
    };
    let audit = Audit::open(settings.clone(), Arc::default());
    let recorded = (0..10).map_while(|number| audit.record(act(number)).ok());
    assert!((3..6).contains(&recorded.count()));
    let error = audit.error().unwrap();
    assert!(error.contains("`audit.bytes_max` is 1000"), "{error}");
    assert!(problems(&settings.folder).is_empty());
}

#[test]
fn an_act_that_begins_has_a_record_of_its_end_whatever_happens() {
    let directory = tempfile::tempdir().unwrap();
    let audit = audit(directory.path());
    let mut begun = audit.begin(act(0)).unwrap();
    begun.counted("events", 17);
    begun.done();
    audit.begin(act(0)).unwrap().failed("the disk is full");
    drop(audit.begin(act(0)).unwrap());
    let mut told = Vec::new();
    read(&settings(directory.path()).folder, |record| {
        told.push((
            record.result.name(),
            record.of,
            record.counts["events"],
            record.error,
        ));
    })
    .unwrap();
    let expected = [
        ("begun", None, 0, ""),
        ("done", Some(1), 17, ""),
        ("begun", None, 0, ""),
        ("failed", Some(3), 0, "the disk is full"),
        ("begun", None, 0, ""),
        ("failed", Some(5), 0, "broken off"),
    ];
    assert_eq!(
        told,
        expected.map(|(result, of, count, error)| (result, of, count, error.to_owned()))
    );
}

#[test]
fn long_texts_and_details_are_cut_and_the_line_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let audit = audit(directory.path());
    let long = "字\u{1}".repeat(300_000);
    let act = Act::new("rooms.set", Who::Loopback)
        .on(long.clone())
        .because(long.clone());
    audit
        .record(act.with(serde_json::json!({ "names": long })))
        .unwrap();
    audit.record(self::act(2)).unwrap();
    let found = verify(&settings(directory.path()).folder, &[]).unwrap();
    assert_eq!((found.records, found.problems.len()), (2, 0));
}

#[cfg(unix)]
#[test]
fn the_files_are_nobody_elses_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt;
    let (_directory, folder, _) = chain(1);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("head")), 0o600);
    assert_eq!(mode(&only_segment(&folder)), 0o600);
}
