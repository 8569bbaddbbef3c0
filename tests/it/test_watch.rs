//! `callgate test --watch`: an edit is seen, and so is what comes of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;

use crate::harness::{PATIENCE, Setup};

/// Killed at the end, whatever becomes of the test.
struct Watching {
    child: Child,
    reports: Receiver<Value>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watching {
    fn start(setup: &Setup) -> Watching {
        let mut command = setup.command(&["test", "--watch", "--json"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Watching { child, reports }
    }

    /// Waits for a run that comes out so; half of an edit may have been seen before.
    fn comes_to(&self, ok: bool) {
        loop {
            let report = self.reports.recv_timeout(PATIENCE).unwrap();
            if report["ok"] == ok {
                return;
            }
        }
    }
}

#[test]
fn each_edit_runs_the_cases_again() {
    let setup = Setup::new(
        "lists: {bad: {file: bad.txt, action: block}}\nhooks: {beforeMsgModify: {endpoint: none}}\n",
    );
    setup.write("bad.txt", "damn\n");
    std::fs::create_dir(setup.policies().join("tests")).unwrap();
    let case = |action: &str| {
        format!(
            "cases: {{it is refused: {{hook: beforeMsgModify, text: damn, expect: {{action: {action}}}}}}}\n"
        )
    };
    setup.write("tests/a.yaml", case("block"));
    let watching = Watching::start(&setup);
    watching.comes_to(true);
    setup.write("bad.txt", "darn\n");
    watching.comes_to(false);
    setup.write("tests/a.yaml", case("allow"));
    watching.comes_to(true);
    // Files that cannot be compiled are no end of it.
    setup.write("policy.yaml", "hoks: {}\n");
    setup.write("policy.yaml", "hooks: {}\n");
    setup.write("tests/a.yaml", case("block"));
    watching.comes_to(false);
}
