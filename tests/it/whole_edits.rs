//! An edit is whole: half a list is never in force, however slowly it is written, and no edit waits
//! for ever because others follow it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, Metronome, PATIENCE, Random, Setup, http, wait_for};

const LINES: usize = 100_000;

/// Each edition has words of its own at its beginning and at its end, and the same in between.
fn list(edition: usize, lines: usize) -> String {
    let mut list = format!("first{edition}\n");
    for line in 2..lines {
        list.push_str(&format!("entry-{line}\n"));
    }
    list.push_str(&format!("common-end\nlast{edition}\n"));
    list
}

fn policy(code: usize) -> String {
    format!(
        "lists:\n  big: {{file: big.txt, code: 20001}}\n  small: {{file: small.txt, code: {code}}}\n\
         hooks:\n  {SINGLE}: {{}}\n"
    )
}

fn start(lines: usize) -> Callgate {
    let setup = Setup::new(&policy(20002));
    setup.write("big.txt", list(1, lines));
    setup.write("small.txt", "forbidden\n");
    setup.start()
}

fn big(callgate: &Callgate) -> PathBuf {
    callgate.setup().policies().join("big.txt")
}

fn blocks(callgate: &Callgate, text: &str) -> bool {
    callgate.call(SINGLE, text).text() != calls::ALLOW
}

fn wait_until_blocked(callgate: &Callgate, text: &str) {
    wait_for(text, PATIENCE, || blocks(callgate, text).then_some(()));
}

/// What no half of either edition can be: one with its first word and without its last.
fn assert_whole(callgate: &Callgate) {
    let mut connection = http::Connection::open(callgate.http);
    let mut ask = |text: &str| {
        let body = calls::body(SINGLE, text);
        let answer = connection
            .post(&calls::path(SINGLE), body.as_bytes())
            .unwrap();
        let version = answer.header("x-callgate-version").to_owned();
        (version, answer.text() != calls::ALLOW)
    };
    let asked: Vec<_> = ["first1", "last1", "first2", "last2", "common-end"]
        .map(&mut ask)
        .to_vec();
    let version = asked[0].0.clone();
    if asked.iter().all(|(other, _)| *other == version) {
        let found: Vec<bool> = asked.iter().map(|(_, found)| *found).collect();
        let whole = [
            [true, true, false, false, true],
            [false, false, true, true, true],
        ];
        assert!(
            whole.iter().any(|whole| found == whole),
            "{version}: {found:?}"
        );
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Looks for half a list while `write` writes.
fn watched(callgate: &Callgate, write: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert_whole(callgate);
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        // Also when the writer panics: the scope waits for the other.
        let stopping = StopOnDrop(&stop);
        write();
        drop(stopping);
        looking.join().unwrap();
    });
    assert!(asked.load(Ordering::Relaxed) > 0);
}

/// A writer that is slow on purpose: what it waits for is what is tested.
fn trickle(file: &mut File, content: &str, pauses: &[Duration]) {
    let part = content.len() / (pauses.len() + 1);
    let mut rest = content.as_bytes();
    for pause in pauses {
        let (now, later) = rest.split_at(part.min(rest.len()));
        file.write_all(now).unwrap();
        rest = later;
        thread::sleep(*pause);
    }
    file.write_all(rest).unwrap();
}

fn pauses() -> Vec<Duration> {
    // Around each limit of the rule, and one stall.
    [50, 120, 210, 90, 350, 520, 30, 800, 2500, 250]
        .map(Duration::from_millis)
        .to_vec()
}

#[test]
fn a_large_list_that_is_written_slowly_in_place_is_never_half_in_force() {
    let callgate = start(LINES);
    watched(&callgate, || {
        let mut file = File::create(big(&callgate)).unwrap();
        trickle(&mut file, &list(2, LINES), &pauses());
        drop(file);
        wait_until_blocked(&callgate, "last2");
    });
    assert!(callgate.status()["policy"]["rejected"].is_null());
}

/// The new list is longer than the old one: nothing of it that is missing can be seen.
#[test]
fn a_list_that_grows_is_never_half_in_force_either() {
    let callgate = start(20);
    watched(&callgate, || {
        let mut file = File::create(big(&callgate)).unwrap();
        trickle(&mut file, &list(2, LINES), &pauses());
        drop(file);
        wait_until_blocked(&callgate, "last2");
    });
}

#[test]
fn a_list_that_is_written_slowly_beside_and_renamed_is_in_force_at_once() {
    let callgate = start(LINES);
    let beside = callgate.setup().policies().join(".big.txt.Xy12");
    watched(&callgate, || {
        let mut file = File::create(&beside).unwrap();
        trickle(&mut file, &list(2, LINES), &pauses());
        drop(file);
        fs::rename(&beside, big(&callgate)).unwrap();
        wait_until_blocked(&callgate, "last2");
    });
}

/// Where its last write was just before, the times of a file do not tell that it was renamed.
#[test]
#[cfg(target_os = "linux")]
fn a_list_that_is_renamed_at_once_is_in_force_however_much_it_lost() {
    let callgate = start(2000);
    let beside = callgate.setup().policies().join(".big.txt.draft");
    for (edition, lines) in [(2, 900), (3, 150), (4, 2000), (5, 900)] {
        fs::write(&beside, list(edition, lines)).unwrap();
        fs::rename(&beside, big(&callgate)).unwrap();
        wait_until_blocked(&callgate, &format!("last{edition}"));
    }
    // It was renamed into place, and is written there now.
    fs::write(big(&callgate), &list(6, 900)[..100]).unwrap();
    wait_for("the list to be held", PATIENCE, || {
        let status = callgate.status();
        let why = status["policy"]["held"][0]["why"].as_str()?;
        why.contains("cut off").then_some(())
    });
    assert!(blocks(&callgate, "last5"));
}

/// The connection of an upload breaks: what is there of the file is closed, and nobody goes on.
#[test]
fn a_list_that_was_cut_off_anywhere_is_held_until_it_is_whole() {
    let callgate = start(2000);
    let new = list(2, 2000);
    let mut random = Random::from_env("whole_edits");
    // At line ends, in lines, at the beginning, near the end.
    let mut cuts = vec![0, 1, 7, new.len() / 2, new.len() - 400];
    cuts.extend((0..3).map(|_| random.below(new.len() - 400)));
    watched(&callgate, || {
        for cut in cuts {
            fs::write(big(&callgate), &new.as_bytes()[..cut]).unwrap();
            wait_for(
                &format!("the list cut at {cut} to be held"),
                PATIENCE,
                || {
                    let held = &callgate.status()["policy"]["held"][0];
                    let why = held["why"].as_str()?;
                    (held["file"] == "big.txt" && why.contains("cut off")).then_some(())
                },
            );
        }
        fs::write(big(&callgate), &new).unwrap();
        wait_until_blocked(&callgate, "last2");
    });
    assert_eq!(callgate.status()["policy"]["held"], serde_json::json!([]));
}

/// Whoever writes a file anew empties it first, and may be slow then.
#[test]
fn a_list_that_is_emptied_again_is_held_on() {
    let callgate = start(2000);
    let held = || {
        wait_for("the empty list to be held", PATIENCE, || {
            let why = &callgate.status()["policy"]["held"][0]["why"];
            why.as_str()?.contains("it is empty").then_some(())
        });
    };
    fs::write(big(&callgate), "").unwrap();
    held();
    for word in ["alpha", "beta"] {
        fs::write(big(&callgate), "").unwrap();
        // Looked at after that.
        callgate.setup().write("small.txt", format!("{word}\n"));
        wait_until_blocked(&callgate, word);
        assert!(blocks(&callgate, "first1") && blocks(&callgate, "last1"));
    }
    fs::write(big(&callgate), list(2, 2000)).unwrap();
    wait_until_blocked(&callgate, "last2");
    fs::write(big(&callgate), "").unwrap();
    held();
    let server = format!("http://{}", callgate.admin);
    let ordered = callgate.setup().run(&["reload", "--server", &server]);
    assert!(ordered.status.success(), "{ordered:?}");
    assert!(!blocks(&callgate, "common-end"));
}

/// While one list is held, everything else is edited on.
#[test]
fn an_upload_that_stalls_holds_up_its_own_list_alone() {
    let callgate = start(2000);
    let mut file = File::create(big(&callgate)).unwrap();
    file.write_all(b"first2\nentry-2\n").unwrap();
    for (n, word) in ["alpha", "beta", "gamma"].into_iter().enumerate() {
        callgate.setup().write("small.txt", format!("{word}\n"));
        wait_until_blocked(&callgate, word);
        callgate.setup().write("policy.yaml", policy(20010 + n));
        wait_for("the policy", PATIENCE, || {
            let answer = callgate.call(SINGLE, word).json();
            (answer["errCode"] == 20010 + n).then_some(())
        });
        assert!(blocks(&callgate, "last1") && blocks(&callgate, "first1"));
    }
    file.write_all(&list(2, 2000).as_bytes()["first2\nentry-2\n".len()..])
        .unwrap();
    drop(file);
    wait_until_blocked(&callgate, "last2");
    assert!(!blocks(&callgate, "first1"));
}

/// A new file that is being written when the policy names it already.
#[test]
fn a_new_list_is_taken_when_it_is_whole() {
    let callgate = start(20);
    let mut file = File::create(callgate.setup().policies().join("new.txt")).unwrap();
    file.write_all(b"new-first\n").unwrap();
    let named = policy(20002).replace("small: {file: small.txt", "small: {file: new.txt");
    callgate.setup().write("policy.yaml", named);
    // Until it is told that the policy cannot be taken.
    wait_for("the rejected edit", PATIENCE, || {
        assert!(!blocks(&callgate, "new-first"));
        let rejected = callgate.status()["policy"]["rejected"].to_string();
        rejected.contains("new.txt").then_some(())
    });
    assert!(blocks(&callgate, "forbidden"));
    file.write_all(b"new-last\n").unwrap();
    drop(file);
    wait_until_blocked(&callgate, "new-last");
}

#[test]
fn a_list_that_lost_much_on_purpose_is_taken_when_it_is_saved_again_or_ordered() {
    let callgate = start(2000);
    let held = || {
        wait_for("the held list", PATIENCE, || {
            let status = callgate.status();
            (status["policy"]["held"][0]["file"] == "big.txt").then_some(())
        });
    };
    let small = "only-this\n";
    fs::write(big(&callgate), small).unwrap();
    held();
    assert!(blocks(&callgate, "last1"));
    fs::write(big(&callgate), small).unwrap();
    wait_until_blocked(&callgate, "only-this");
    assert!(!blocks(&callgate, "last1"));

    callgate.setup().write("big.txt", list(1, 2000));
    wait_until_blocked(&callgate, "last1");
    fs::write(big(&callgate), "only-that\n").unwrap();
    held();
    callgate.signal("HUP");
    wait_until_blocked(&callgate, "only-that");

    // Whoever renames a file has finished it.
    callgate.setup().write("big.txt", list(1, 2000));
    wait_until_blocked(&callgate, "last1");
    let beside = callgate.setup().policies().join(".big.new");
    fs::write(&beside, "only-these\n").unwrap();
    thread::sleep(Duration::from_millis(20));
    fs::rename(&beside, big(&callgate)).unwrap();
    wait_until_blocked(&callgate, "only-these");
    assert!(callgate.status()["policy"]["rejected"].is_null());
}

#[test]
fn half_a_list_is_not_in_force_after_a_restart_either() {
    let callgate = start(2000);
    wait_for("the version on disk", PATIENCE, || {
        callgate.status()["versions"]["newest"].as_u64()
    });
    fs::write(big(&callgate), &list(2, 2000)[..9000]).unwrap();
    let callgate = callgate.kill().start();
    assert!(blocks(&callgate, "last1") && !blocks(&callgate, "first2"));
    assert_eq!(callgate.status()["policy"]["held"][0]["file"], "big.txt");
    fs::write(big(&callgate), list(2, 2000)).unwrap();
    wait_until_blocked(&callgate, "last2");
}

/// One edit every 200 ms, in each way: each of them is in force within two seconds, unless a later
/// one is.
#[test]
fn edits_that_follow_each_other_are_in_force_within_two_seconds() {
    type Edit = fn(&Setup, &str);
    let ways: [(&str, Edit); 3] = [
        ("in place", |setup, text| setup.write("small.txt", text)),
        ("renamed", |setup, text| {
            setup.write(".small.new", text);
            let policies = setup.policies();
            fs::rename(policies.join(".small.new"), policies.join("small.txt")).unwrap();
        }),
        ("appended", |setup, text| {
            let mut options = OpenOptions::new();
            let path = setup.policies().join("small.txt");
            let mut file = options.append(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }),
    ];
    let callgate = start(20);
    let metronome = Metronome::start();
    for (way, edit) in ways {
        let begun = Instant::now();
        let mut waiting: Vec<(Instant, String)> = Vec::new();
        let mut seen = 0;
        for n in 0..25 {
            let word = format!("{}{n}", way.replace(' ', ""));
            edit(callgate.setup(), &format!("{word}\n"));
            waiting.push((Instant::now(), word));
            let next = begun + Duration::from_millis(200 * (n + 1));
            while Instant::now() < next {
                let found = waiting
                    .iter()
                    .rposition(|(_, word)| blocks(&callgate, word));
                if let Some(at) = found {
                    waiting.drain(..=at);
                    seen += 1;
                }
                if let Some((edited, word)) = waiting.first() {
                    metronome.on_time(*edited, Duration::from_secs(2), word);
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        assert!(
            seen > 0,
            "{way}: nothing came into force while edits went on"
        );
        if let Some((_, last)) = waiting.last() {
            wait_until_blocked(&callgate, last);
        }
    }
}
