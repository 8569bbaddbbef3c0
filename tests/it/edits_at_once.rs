//! A hand and git edit at once, two hundred times: none of the edits is lost, none is half in force.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const EDITS: usize = 100;

/// Two lists: one is the hand's, one is git's. Every edition of a list has its own first and last
/// word, and some between.
fn list(whose: &str, edition: usize) -> String {
    let between: String = (0..300)
        .map(|line| format!("{whose}-between-{line}\n"))
        .collect();
    format!("{whose}-first-{edition}\n{between}{whose}-last-{edition}\n")
}

fn policy() -> String {
    let list = |whose: &str, code: usize| {
        format!("  {whose}: {{file: lists/{whose}.txt, code: {code}}}\n")
    };
    format!(
        "lists:\n{}{}hooks: {{{SINGLE}: {{}}}}\n",
        list("hand", 20001),
        list("git", 20002)
    )
}

fn git(directory: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn is_blocked(connection: &mut http::Connection, text: &str) -> (String, bool) {
    let body = calls::body(SINGLE, text);
    let answer = connection
        .post(&calls::path(SINGLE), body.as_bytes())
        .unwrap();
    (
        answer.header("x-callgate-version").to_owned(),
        answer.text() != calls::ALLOW,
    )
}

/// A version in which a list has the first word of an edition has its last word too.
fn look(callgate: &Callgate, edition: usize) {
    let mut connection = http::Connection::open(callgate.http);
    for whose in ["hand", "git"] {
        let first = is_blocked(&mut connection, &format!("{whose}-first-{edition}"));
        let last = is_blocked(&mut connection, &format!("{whose}-last-{edition}"));
        if first.0 == last.0 {
            assert_eq!(first.1, last.1, "half of {whose} {edition} in {}", first.0);
        }
        let (_, between) = is_blocked(&mut connection, &format!("{whose}-between-7"));
        assert!(between, "{whose} is cut off");
    }
}

#[test]
fn two_hundred_edits_by_a_hand_and_git_at_once_are_whole_and_none_is_lost() {
    let setup = Setup::new(&policy());
    let directory = setup.policies();
    fs::create_dir(directory.join("lists")).unwrap();
    for whose in ["hand", "git"] {
        setup.write(&format!("lists/{whose}.txt"), list(whose, 0));
    }
    git(&directory, &["init", "-q"]);
    git(&directory, &["add", "policy.yaml", "lists/git.txt"]);
    git(&directory, &["commit", "-q", "-m", "0"]);
    for edition in 1..=EDITS {
        fs::write(directory.join("lists/git.txt"), list("git", edition)).unwrap();
        git(&directory, &["commit", "-q", "-a", "-m", "edit"]);
        git(&directory, &["tag", &format!("edit{edition}")]);
    }
    git(
        &directory,
        &["checkout", "-q", &format!("edit{EDITS}~{EDITS}")],
    );
    let callgate = setup.start();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let hand = scope.spawn(|| {
            for edition in 1..=EDITS {
                let path = directory.join("lists/hand.txt");
                match edition % 2 {
                    0 => fs::write(&path, list("hand", edition)).unwrap(),
                    _ => {
                        let beside = directory.join("lists/.hand.swp");
                        fs::write(&beside, list("hand", edition)).unwrap();
                        fs::rename(&beside, &path).unwrap();
                    }
                }
                look(&callgate, edition);
            }
        });
        let by_git = scope.spawn(|| {
            for edition in 1..=EDITS {
                git(&directory, &["checkout", "-q", &format!("edit{edition}")]);
                look(&callgate, edition);
            }
        });
        let looking = scope.spawn(|| {
            let mut edition = 0;
            while !done.load(Ordering::Relaxed) {
                look(&callgate, edition);
                edition = (edition + 1) % (EDITS + 1);
            }
        });
        let ended = [hand.join(), by_git.join()];
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap();
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    // The last of both, whatever came in between.
    for whose in ["hand", "git"] {
        wait_for(whose, PATIENCE, || {
            let mut connection = http::Connection::open(callgate.http);
            let last = is_blocked(&mut connection, &format!("{whose}-last-{EDITS}"));
            last.1.then_some(())
        });
        let on_disk = fs::read_to_string(directory.join(format!("lists/{whose}.txt"))).unwrap();
        assert_eq!(on_disk, list(whose, EDITS));
    }
    let status = callgate.status();
    assert!(status["policy"]["rejected"].is_null(), "{status}");
    // Every version that was in force is kept, and its lists are whole.
    let number = status["policy"]["number"].as_u64().unwrap();
    wait_for("the last version on disk", PATIENCE, || {
        (callgate.status()["versions"]["newest"] == number).then_some(())
    });
    let versions = callgate.setup().run(&[
        "versions",
        "list",
        "--limit",
        "1000",
        "--json",
        "--server",
        &format!("http://{}", callgate.admin),
    ]);
    let versions = String::from_utf8_lossy(&versions.stdout).into_owned();
    assert_eq!(versions.lines().count() as u64, number, "{versions}");
    let setup = callgate.kill();
    for number in 1..=number {
        for whose in ["hand", "git"] {
            let args = [
                "versions",
                "show",
                &number.to_string(),
                "--file",
                &format!("lists/{whose}.txt"),
            ];
            let content = String::from_utf8(setup.run(&args).stdout).unwrap();
            let edition = content
                .lines()
                .next()
                .unwrap()
                .rsplit('-')
                .next()
                .unwrap()
                .to_owned();
            assert_eq!(
                content,
                list(whose, edition.parse().unwrap()),
                "version {number}"
            );
        }
    }
}
