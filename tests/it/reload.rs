//! Edits of the policy while calls come in: each way in which files are replaced, good and bad.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{
    Behaviour, Business, Callgate, Grpc, Metronome, PATIENCE, Setup, http, wait_for,
};

/// The promise: an edit is in force within this.
const IN_FORCE: Duration = Duration::from_secs(1);

/// A slow writer's pause: nothing in between is an edit.
const SLOW_WRITER: Duration = Duration::from_millis(160);

/// What the files say in edition `n`: every part of the answer tells the edition, the word's line
/// in its list too, so that a mixture of two editions shows.
fn edition(n: usize) -> [(&'static str, String); 2] {
    let policy = format!(
        "lists:\n  words: {{file: words.txt, action: block, code: {}, reason: \"edition {n}\"}}\n\
         filters: {{tell_list: true}}\n\
         hooks:\n  {SINGLE}: {{filters: [words]}}\n",
        20000 + n
    );
    [("words.txt", word_list(n)), ("policy.yaml", policy)]
}

fn word_list(line: usize) -> String {
    format!("{}forbidden\n", "# a comment\n".repeat(line - 1))
}

/// The answer to a message with the word, in edition `n`.
fn answer_of(n: usize) -> String {
    let detail = format!("list `words`, line {n}");
    calls::block(20000 + n as i32, &format!("edition {n}"), &detail)
}

/// How a program or a person replaces files.
#[derive(Clone, Copy, Debug)]
enum Idiom {
    WrittenInPlace,
    RenamedOver,
    SymlinkSwapped,
    TruncatedThenWritten,
}

impl Idiom {
    fn edit(self, directory: &Path, n: usize, files: &[(&str, String)]) {
        if let Idiom::SymlinkSwapped = self {
            return swap(directory, n, files);
        }
        for (name, text) in files {
            let path = directory.join(name);
            match self {
                Idiom::WrittenInPlace => {
                    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
                    file.write_all(text.as_bytes()).unwrap();
                    file.set_len(text.len() as u64).unwrap();
                }
                Idiom::RenamedOver => {
                    let beside = directory.join(format!(".{name}.swp"));
                    fs::write(&beside, text).unwrap();
                    fs::rename(&beside, &path).unwrap();
                }
                Idiom::TruncatedThenWritten => {
                    let mut file = File::create(&path).unwrap();
                    thread::sleep(SLOW_WRITER);
                    let (first, rest) = text.split_at(text.len() / 2);
                    file.write_all(first.as_bytes()).unwrap();
                    thread::sleep(SLOW_WRITER);
                    file.write_all(rest.as_bytes()).unwrap();
                }
                Idiom::SymlinkSwapped => unreachable!("swapped above"),
            }
        }
    }

    /// Lays the first edition out as the idiom needs it.
    fn prepare(self, directory: &Path) {
        match self {
            Idiom::SymlinkSwapped => {
                swap(directory, 1, &edition(1));
                for (name, _) in edition(1) {
                    let path = directory.join(name);
                    // The harness wrote a file of this name.
                    let _ = fs::remove_file(&path);
                    symlink(Path::new("..data").join(name), path).unwrap();
                }
            }
            _ => {
                for (name, text) in edition(1) {
                    fs::write(directory.join(name), text).unwrap();
                }
            }
        }
    }
}

/// As Kubernetes updates a mounted ConfigMap: a new directory, then one rename of a symlink.
fn swap(directory: &Path, n: usize, files: &[(&str, String)]) {
    let target = format!("..2026_edition_{n}");
    fs::create_dir(directory.join(&target)).unwrap();
    for (name, text) in files {
        fs::write(directory.join(&target).join(name), text).unwrap();
    }
    let link = directory.join("..data_tmp");
    symlink(&target, &link).unwrap();
    fs::rename(&link, directory.join("..data")).unwrap();
}

fn start(idiom: Idiom) -> Callgate {
    let setup = Setup::new("");
    idiom.prepare(&setup.policies());
    setup.start()
}

/// Asks without a pause until told to stop; returns what each version answered, and how often.
fn traffic(callgate: &Callgate, stop: &AtomicBool) -> BTreeMap<(String, String), usize> {
    let mut connection = http::Connection::open(callgate.http);
    let body = calls::body(SINGLE, "this is forbidden here");
    let mut seen = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection
            .post(&calls::path(SINGLE), body.as_bytes())
            .unwrap();
        assert_eq!(answer.status, 200);
        let version = answer.header("x-callgate-version").to_owned();
        *seen.entry((version, answer.text().to_owned())).or_default() += 1;
    }
    seen
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `edits` while calls come in; nothing but whole editions may be seen.
fn under_traffic(callgate: &Callgate, editions: &[usize], edits: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let asking = scope.spawn(|| traffic(callgate, &stop));
        // Also when an edit panics: the scope waits for the traffic.
        let stopping = StopOnDrop(&stop);
        edits();
        drop(stopping);
        asking.join().unwrap()
    });
    let mut versions = BTreeMap::new();
    for ((version, answer), calls) in &seen {
        println!("{version}: {calls} calls: {answer}");
        let before = versions.insert(version, answer);
        assert_eq!(before, None, "one version, two answers");
        let whole = editions.iter().any(|n| answer_of(*n) == *answer);
        assert!(whole, "no whole edition: {answer}");
    }
}

fn wait_until_in_force(callgate: &Callgate, n: usize) {
    soon(&format!("edition {n}"), || {
        let answer = callgate.call(SINGLE, "forbidden");
        (answer.text() == answer_of(n)).then_some(())
    });
}

/// Waits for what an edit leads to, which may take `IN_FORCE`.
fn soon<T>(what: &str, seen: impl FnMut() -> Option<T>) -> T {
    let metronome = Metronome::start();
    let edited = Instant::now();
    let found = wait_for(what, PATIENCE, seen);
    metronome.on_time(edited, IN_FORCE, what);
    found
}

/// A bad edit must show everywhere, and change nothing else.
fn wait_until_rejected(callgate: &Callgate, problem: &str, in_force: usize) {
    let rejected = soon("the rejected edit in /status", || {
        let rejected = callgate.status()["policy"]["rejected"].take();
        rejected["problems"]
            .as_array()
            .is_some_and(|problems| {
                problems
                    .iter()
                    .any(|one| one["what"].as_str().unwrap().contains(problem))
            })
            .then_some(rejected)
    });
    let first = &rejected["problems"][0];
    assert!(
        first["file"].as_str().is_some_and(|file| !file.is_empty()),
        "{first}"
    );
    assert_eq!(callgate.metric("callgate_policy_rejected"), 1.0);
    // Lines of the log are written by a thread of their own, a moment later.
    for line in ["policy edit rejected", problem] {
        wait_for(line, PATIENCE, || {
            callgate.log().contains(line).then_some(())
        });
    }
    let answer = callgate.call(SINGLE, "forbidden");
    assert_eq!(answer.text(), answer_of(in_force));
}

fn check(idiom: Idiom) {
    let callgate = start(idiom);
    let directory = callgate.setup().policies();
    let bad = [
        edition(3)[0].clone(),
        (
            "policy.yaml",
            "hooks:\n  beforeSendSingelMsg: {}\n".to_owned(),
        ),
    ];
    under_traffic(&callgate, &[1, 2, 4], || {
        wait_until_in_force(&callgate, 1);
        idiom.edit(&directory, 2, &edition(2));
        wait_until_in_force(&callgate, 2);
        idiom.edit(&directory, 3, &bad);
        wait_until_rejected(&callgate, "beforeSendSingelMsg", 2);
        idiom.edit(&directory, 4, &edition(4));
        wait_until_in_force(&callgate, 4);
    });
    assert!(callgate.status()["policy"]["rejected"].is_null());
    assert_eq!(callgate.metric("callgate_policy_rejected"), 0.0);
    assert_eq!(callgate.metric("callgate_policy_version"), 3.0);
}

#[test]
fn written_in_place() {
    check(Idiom::WrittenInPlace);
}

#[test]
fn renamed_over() {
    check(Idiom::RenamedOver);
}

#[test]
fn symlink_swapped_as_kubernetes_does() {
    check(Idiom::SymlinkSwapped);
}

#[test]
fn truncated_then_written() {
    check(Idiom::TruncatedThenWritten);
}

#[test]
fn a_word_list_alone() {
    let callgate = start(Idiom::RenamedOver);
    let edit = |text: &[u8]| callgate.setup().write("words.txt", text);
    edit(b"# a comment\nanother word\n");
    soon("the edit", || {
        (callgate.call(SINGLE, "forbidden").text() == calls::ALLOW).then_some(())
    });
    let refused = callgate.call(SINGLE, "another word").json();
    assert_eq!(refused["errDlt"], "list `words`, line 2");
    edit(b"fine\nnot \xff UTF-8\n");
    soon("the rejected edit", || {
        let problems = callgate.status()["policy"]["rejected"]["problems"].take();
        let first = &problems[0];
        let named = first["file"].as_str()?.ends_with("words.txt") && first["line"] == 2;
        named.then_some(())
    });
    let refused = callgate.call(SINGLE, "another word").json();
    assert_eq!(refused["errDlt"], "list `words`, line 2");
}

/// A file that stays empty for a while is a bad edit, no policy without rules.
#[test]
fn an_emptied_file_keeps_the_old_policy() {
    let callgate = start(Idiom::RenamedOver);
    under_traffic(&callgate, &[1, 2], || {
        callgate.setup().write("policy.yaml", "");
        wait_until_rejected(&callgate, "empty", 1);
        Idiom::WrittenInPlace.edit(&callgate.setup().policies(), 2, &edition(2));
        wait_until_in_force(&callgate, 2);
    });
}

#[test]
fn a_removed_file_keeps_the_old_policy() {
    let callgate = start(Idiom::RenamedOver);
    let removed = callgate.setup().policies().join("words.txt");
    under_traffic(&callgate, &[1], || {
        fs::remove_file(&removed).unwrap();
        wait_until_rejected(&callgate, "words.txt", 1);
        fs::write(&removed, word_list(1)).unwrap();
        soon("recovery", || {
            callgate.status()["policy"]["rejected"]
                .is_null()
                .then_some(())
        });
    });
    assert_eq!(callgate.metric("callgate_policy_rejected"), 0.0);
}

/// Editors leave files beside those they edit.
#[test]
fn backup_and_swap_files_are_no_edit() {
    let callgate = start(Idiom::RenamedOver);
    callgate.setup().write(".policy.yaml.swp", "not: [yaml");
    callgate.setup().write("policy.yaml~", "not: [yaml");
    callgate.setup().write("words.txt.bak", "hello\n");
    // A real edit afterwards shows that the others were seen by then.
    Idiom::RenamedOver.edit(&callgate.setup().policies(), 2, &edition(2));
    wait_until_in_force(&callgate, 2);
    assert!(callgate.status()["policy"]["rejected"].is_null());
    assert_eq!(callgate.metric("callgate_policy_version"), 2.0);
}

#[test]
fn a_reload_can_be_ordered_and_versions_are_listed() {
    let callgate = start(Idiom::RenamedOver);
    let admin = Grpc::connect(callgate.admin);
    Idiom::RenamedOver.edit(&callgate.setup().policies(), 2, &edition(2));
    let mut client = admin.admin();
    let ordered = admin.runtime.block_on(client.reload(v1::ReloadRequest {}));
    let ordered = ordered.unwrap().into_inner();
    assert_eq!(ordered.policy_version.unwrap().number, 2);
    assert!(ordered.changed && ordered.problems.is_empty());
    assert_eq!(callgate.call(SINGLE, "forbidden").text(), answer_of(2));
    let versions = client.versions(v1::VersionsRequest {});
    let versions = admin
        .runtime
        .block_on(versions)
        .unwrap()
        .into_inner()
        .versions;
    let numbers: Vec<_> = versions
        .iter()
        .map(|item| item.version.as_ref().unwrap().number)
        .collect();
    assert_eq!(numbers, [2, 1]);
}

/// A call that began under one policy ends under it, whatever is in force by then.
#[test]
fn a_call_in_flight_keeps_its_policy() {
    let business = Business::start(Behaviour::html("").after(Duration::from_millis(1500)));
    let policy = |action: &str| {
        format!(
            "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 4s, failedContinue: {action}}}}}\n",
            business.url()
        )
    };
    let callgate = Callgate::start(&policy("false"));
    thread::scope(|scope| {
        let slow = scope.spawn(|| callgate.call(SINGLE, "hello"));
        business.wait_for(1);
        callgate.setup().write("policy.yaml", policy("true"));
        soon("the edit", || {
            (callgate.status()["policy"]["number"] == 2).then_some(())
        });
        let slow = slow.join().unwrap();
        assert!(slow.header("x-callgate-version").starts_with("1-"));
        assert_eq!(slow.json()["nextCode"], 1);
    });
    let next = callgate.call(SINGLE, "hello");
    assert!(next.header("x-callgate-version").starts_with("2-"));
    assert_eq!(next.text(), calls::ALLOW);
}
