//! Calls that are recorded, with the real program: off unless somebody wants them, sealed, read by
//! who may, forgotten by order.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::calls::{GROUP, SINGLE, body_with_id, path};
use crate::harness::{Behaviour, Business, Callgate, Setup, http};

const SECRET: &str = "s3cr3t-text";

fn start(url: &str, enabled: &str) -> Callgate {
    let policy = format!(
        "endpoints: {{business: {{url: \"{url}\"}}}}\n\
         lists: {{bad: {{words: [casino], action: block}}}}\n\
         hooks:\n  {SINGLE}: {{endpoint: none}}\n  {GROUP}: {{endpoint: business, timeout: 300ms}}\n"
    );
    let setup = Setup::new(&policy).engine("recordings.enabled", enabled);
    setup.engine("recordings.share", "1").start()
}

fn send(callgate: &Callgate, hook: &str, text: &str, id: &str) {
    let answer = http::post(callgate.http, &path(hook), body_with_id(hook, text, id));
    assert_eq!(answer.status, 200);
}

/// By HTTP/1.0, so that the stream ends with its connection.
pub(crate) fn lines(callgate: &Callgate) -> Vec<Value> {
    let mut stream = TcpStream::connect(callgate.admin).unwrap();
    let head = "GET /api/v1/recordings.ndjson HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{answer}");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

pub(crate) fn folder(callgate: &Callgate) -> PathBuf {
    callgate.setup().policies().join("../data/recordings")
}

fn contents(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => all.extend(fs::read(path).unwrap()),
        }
    }
    all
}

#[test]
fn nothing_is_recorded_unless_somebody_wants_it() {
    let callgate = start("http://127.0.0.1:9/", "false");
    send(&callgate, SINGLE, SECRET, "m1");
    assert!(!folder(&callgate).exists());
    let answer = http::get(callgate.admin, "/api/v1/recordings.ndjson");
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("recordings.enabled"));
}

#[test]
fn calls_are_kept_with_their_answers_and_forgotten_by_order() {
    let business = Business::start(Behaviour::block());
    let callgate = start(&business.url(), "true");
    send(&callgate, SINGLE, "a casino", "m1");
    send(&callgate, GROUP, SECRET, "m2");
    business.set(Behaviour::Hang);
    send(&callgate, GROUP, SECRET, "m3");
    let kept = lines(&callgate);
    let outcomes: Vec<&Value> = kept.iter().map(|call| &call["asked"]["outcome"]).collect();
    assert_eq!(outcomes, [&Value::Null, &"block".into(), &"timeout".into()]);
    assert_eq!(kept[1]["asked"]["endpoint"], "business");
    assert!(kept[1]["body"].as_str().unwrap().contains(SECRET));
    // Nothing of it is in the open.
    let files = contents(&folder(&callgate));
    assert!(!files.is_empty());
    assert!(http::find(&files, SECRET.as_bytes()).is_none());
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "recordings"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("recordings.read"), "{listed}");
    // Killed, it has lost nothing that was read before.
    let callgate = callgate.kill().start();
    assert_eq!(lines(&callgate).len(), 3);
    callgate.call_from("gone-user", SINGLE, "hello");
    assert_eq!(lines(&callgate).len(), 4);
    let server = format!("http://{}", callgate.admin);
    let order = [
        "history",
        "forget",
        "--user",
        "gone-user",
        "--reason",
        "asked",
        "--server",
    ];
    let done = callgate.setup().run(&[&order[..], &[&server]].concat());
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("1 recorded calls"), "{said}");
    assert_eq!(lines(&callgate).len(), 3);
}
