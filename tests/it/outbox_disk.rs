//! The real program on a disk that fails at the worst moments: part of the long run, since it
//! needs `strace` and a file system of its own (`unshare`), and takes minutes.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, PATIENCE, Setup, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", breaker: {{failures: 1000000, calls_min: 1000000}}, retry_waits: [100ms, 100ms, 100ms]}}}}\n\
         hooks: {{{SINGLE}: {{}}, {AFTER}: {{endpoint: business}}}}\n"
    )
}

/// The program below another one; killed with all that it started when dropped.
struct Below {
    child: Child,
    http: SocketAddr,
}

impl Below {
    /// `None` when it ended before it listened.
    fn start(setup: &Setup, wrapper: &[&str]) -> Option<Below> {
        let plain = setup.command(&["serve"]);
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(plain.get_program());
        command.args(plain.get_args());
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        if let Some(directory) = plain.get_current_dir() {
            command.current_dir(directory);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("  HTTP    http://")?;
            address.split_whitespace().next()?.parse().ok()
        });
        thread::spawn(move || lines.for_each(drop));
        match address {
            Some(http) => Some(Below { child, http }),
            None => {
                child.wait().unwrap();
                None
            }
        }
    }

    /// Posts events until one is not acknowledged any more; the ids of those that were.
    fn produce(&mut self, prefix: &str, count: usize) -> BTreeSet<String> {
        let mut acknowledged = BTreeSet::new();
        let Some(mut connection) = http::Connection::try_open(self.http) else {
            return acknowledged;
        };
        for n in 0..count {
            let id = format!("{prefix}-{n}");
            let body = calls::body_with_id(AFTER, "hello", &id);
            match connection.post(&calls::path(AFTER), body.as_bytes()) {
                Ok(answer) if answer.status == 200 => drop(acknowledged.insert(id)),
                _ => break,
            }
        }
        acknowledged
    }
}

impl Drop for Below {
    fn drop(&mut self) {
        // A killed strace lets go of what it traces.
        let pid = self.child.id();
        let below = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for pid in below.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// At the nth write or sync the kernel says no, or the process ends there.
#[test]
#[ignore = "part of the long run: needs strace"]
fn a_failure_of_any_write_or_sync_loses_nothing() {
    let business = Business::start(Behaviour::allow());
    let mut runs = 0;
    let mut events = 0;
    for (calls, what) in [
        ("fdatasync,fsync", "error=EIO"),
        ("fdatasync,fsync", "signal=KILL"),
        ("pwrite64", "error=EIO"),
        ("pwrite64", "signal=KILL"),
        ("ftruncate", "signal=KILL"),
        ("unlink", "signal=KILL"),
    ] {
        for nth in (1..40).step_by(3) {
            let setup = Setup::new(&policy(&business.url()));
            let inject = format!("inject={calls}:{what}:when={nth}+");
            let trace = format!("trace={calls}");
            let strace = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &trace,
                "-e",
                &inject,
            ];
            let prefix = format!("r{runs}");
            let mut acknowledged = BTreeSet::new();
            if let Some(mut below) = Below::start(&setup, &strace) {
                acknowledged = below.produce(&prefix, 60);
                // After a failed sync the process must end by itself; where the file could not even be
                // opened, it refuses and tries again.
                if (1..60).contains(&acknowledged.len()) {
                    wait_for("the end of the process", PATIENCE, || {
                        below.child.try_wait().unwrap()
                    });
                }
            }
            events += acknowledged.len();
            runs += 1;
            drop_others(&setup);
            let callgate = setup.start();
            let started = Instant::now();
            loop {
                let told: BTreeSet<String> = business
                    .requests()
                    .iter()
                    .map(|told| told.json()["serverMsgID"].as_str().unwrap().to_owned())
                    .collect();
                let lost: Vec<_> = acknowledged.difference(&told).collect();
                if lost.is_empty() {
                    break;
                }
                assert!(
                    started.elapsed() < PATIENCE,
                    "{calls} {what} {nth}: lost {lost:?}"
                );
                thread::sleep(Duration::from_millis(20));
            }
            let outbox = callgate.status()["outbox"].take();
            assert_ne!(
                outbox["endpoints"]["business"]["conserved"], false,
                "{outbox}"
            );
        }
    }
    println!("{runs} runs with a failing disk, {events} events acknowledged, 0 lost");
}

/// The program may outlive the strace above it for a moment; its lock says when it has ended.
fn drop_others(setup: &Setup) {
    let file = setup.policies().join("../data/outbox.db");
    wait_for("a free file", PATIENCE, || {
        let users = Command::new("fuser").arg(&file).output();
        users.map_or(Some(()), |users| (!users.status.success()).then_some(()))
    });
}

/// A file system that others fill up: new events are refused, before hooks go on, the backlog
/// drains, and when there is room again events are taken again.
#[test]
#[ignore = "part of the long run: needs unshare and a tmpfs"]
fn a_full_disk_refuses_and_drains() {
    let business = Business::start(Behaviour::status(503, ""));
    let setup = Setup::new(&policy(&business.url()).replace(
        "retry_waits: [100ms, 100ms, 100ms]",
        &format!("retry_waits: [{}]", ["1s"; 60].join(", ")),
    ))
    .engine("outbox.reserve_bytes", "2MiB");
    let data = setup.policies().join("../data");
    std::fs::create_dir(&data).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=12m none {0} && head -c 8000000 /dev/zero > {0}/others; (while [ ! -e {1}/room ]; do sleep 0.05; done; rm {0}/others) & exec \"$@\"",
        data.display(),
        setup.policies().display()
    );
    let wrapper = ["unshare", "-rm", "sh", "-c", &script, "sh"];
    let mut below = Below::start(&setup, &wrapper).expect("user namespaces and tmpfs are there");
    let acknowledged = below.produce("full", 100_000);
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let before = http::post(
        below.http,
        &calls::path(SINGLE),
        calls::body(SINGLE, "hello"),
    );
    assert_eq!(before.text(), calls::ALLOW);
    business.set(Behaviour::allow());
    // What was acknowledged gets there although there is no room for anything new.
    let told = |ids: &BTreeSet<String>| {
        let told: BTreeSet<String> = business
            .requests()
            .iter()
            .map(|told| told.json()["serverMsgID"].as_str().unwrap().to_owned())
            .collect();
        ids.is_subset(&told)
    };
    let patience = Duration::from_secs(120);
    wait_for("the backlog", patience, || {
        told(&acknowledged).then_some(())
    });
    std::fs::write(setup.policies().join("room"), "").unwrap();
    let more = wait_for("room for new events", PATIENCE, || {
        let more = below.produce("more", 10);
        (more.len() == 10).then_some(more)
    });
    wait_for("the new events", PATIENCE, || told(&more).then_some(()));
}
