//! After a run with marked texts no byte of them is in history, logs, audit or versions, however it
//! is written there: with the real program, in all that it left on the disk and said.
//!
//! The outbox is left out: it keeps events as they came until their endpoint has them, and says so.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::harness::calls::{self, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

/// Stand in every message of a test, and nowhere else.
const MARKS: [&str; 2] = ["zqmarkedsecretqz", "隐秘标记文本"];

/// A text in every form that a program may write it in.
fn forms(mark: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = || mark.encode_utf16();
    let escaped = |upper: bool| {
        let units = utf16().map(|unit| match upper {
            true => format!("\\u{unit:04X}"),
            false => format!("\\u{unit:04x}"),
        });
        units.collect::<String>().into_bytes()
    };
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = mark.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![
        ("UTF-8", mark.as_bytes().to_vec()),
        ("UTF-16 LE", utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 BE", utf16().flat_map(u16::to_be_bytes).collect()),
        ("JSON", escaped(false)),
        ("JSON", escaped(true)),
        ("hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("a URL", percent.to_lowercase().into_bytes()),
        ("a URL", percent.into_bytes()),
    ];
    // In the middle of something longer: what of it does not hang on what stands around it.
    for before in 0..3 {
        let whole = [vec![b'-'; before], mark.as_bytes().to_vec()].concat();
        for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
            let inner = &encoded.as_bytes()[(before * 8).div_ceil(6)..whole.len() * 8 / 6];
            forms.push(("base64", inner.to_vec()));
        }
    }
    forms
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, into),
            false => into.push(path),
        }
    }
}

/// All that the program left on the disk but its outbox.
fn files(setup: &Setup) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&setup.policies().join("../data"), &mut files);
    files.retain(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        !name.starts_with("outbox.db")
    });
    files
}

/// Where a mark is, and in which form; of what is on the disk and `said`.
fn places(setup: &Setup, said: &str, marks: &[&str]) -> Vec<String> {
    let files = files(setup).into_iter().map(|file| {
        // One may go while we look.
        let bytes = fs::read(&file).unwrap_or_default();
        (file.display().to_string(), bytes)
    });
    let all = files.chain([("the log".to_owned(), said.as_bytes().to_vec())]);
    let mut places = Vec::new();
    for (name, bytes) in all {
        for mark in marks {
            for (form, needle) in forms(mark) {
                if let Some(at) = http::find(&bytes, &needle) {
                    let around = &bytes[at.saturating_sub(60)..(at + 80).min(bytes.len())];
                    let around = String::from_utf8_lossy(around).into_owned();
                    places.push(format!("{name}: {mark} as {form}: {around:?}"));
                }
            }
        }
    }
    places
}

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", retry_waits: [20ms], breaker: {{failures: 100000, calls_min: 100000}}}}}}\n\
         lists:\n  bad: {{words: [damn], action: block}}\n  soft: {{words: [gosh], action: replace}}\n  \
         odd: {{words: [hmm], action: flag}}\n  new: {{words: [casino], action: shadow}}\n\
         hooks:\n  {SINGLE}: {{endpoint: none}}\n  \
         {GROUP}: {{endpoint: business, timeout: 100ms}}\n  {MODIFY}: {{endpoint: none}}\n  \
         afterSendSingleMsg: {{endpoint: business}}\n"
    )
}

fn setup(business: &Business) -> Setup {
    let setup = Setup::new(&policy(&business.url()));
    let lines = setup.policies().join("../data/decisions.ndjson");
    setup
        .engine("log.level", "debug")
        .engine("history.sinks.ndjson.path", &lines.display().to_string())
        .engine("history.sinks.otlp.endpoint", "http://127.0.0.1:9")
        .engine("history.sinks.otlp.traces", "true")
}

/// A message whose own document has this content.
fn with_content(content: &Value) -> String {
    let plain = json!(json!({ "content": "X" }).to_string()).to_string();
    let other = json!(content.to_string()).to_string();
    calls::body(SINGLE, "X").replace(&plain, &other)
}

/// Sends messages with the mark in every part that people write, and has them decided in every way.
fn run(callgate: &Callgate, business: &Business, mark: &str) {
    let texts = ["", " damn", " gosh", " hmm", " casino"];
    let refusal =
        json!({"actionCode": 1, "errCode": 1, "errMsg": mark, "errDlt": mark, "nextCode": 1});
    for answer in [
        Behaviour::allow(),
        Behaviour::answer(refusal.to_string()),
        Behaviour::replace(&json!({ "content": mark }).to_string()),
        Behaviour::answer(format!("{{\"actionCode\":\"{mark}\"}}")),
        Behaviour::html(mark),
        Behaviour::status(503, mark),
        Behaviour::Hang,
    ] {
        business.set(answer);
        for more in texts {
            let text = format!("{mark}{more}");
            for hook in [SINGLE, GROUP, MODIFY, "afterSendSingleMsg"] {
                callgate.call(hook, &text);
            }
            for hook in [SINGLE, GROUP, MODIFY] {
                callgate.grpc().before(calls::request(hook, &text));
            }
        }
    }
    // Where a match stood is told by names that the writer chose.
    let inner = json!({ mark: "damn" }).to_string();
    for content in [
        json!({ mark: "damn" }),
        json!({ "content": mark, mark: { mark: ["damn", mark] } }),
        json!({ "data": inner, "description": mark }),
    ] {
        let custom = with_content(&content).replace("\"contentType\":101", "\"contentType\":110");
        http::post(callgate.http, &calls::path(SINGLE), with_content(&content));
        http::post(callgate.http, &calls::path(SINGLE), custom);
    }
    // What cannot be read, and what else a caller may put into a call.
    let whole = calls::body(SINGLE, mark).replace("Alice", mark);
    for odd in [
        whole.clone(),
        whole[..whole.len() - 10].to_owned(),
        whole.replace("101", &format!("\"{mark}\"")),
        whole.replace("\"seq\":0", &format!("\"seq\":\"{mark}\"")),
        whole.replace("\"ex\":\"\"", &format!("\"ex\":\"{mark}\"")),
        whole.replace("\"seq\":0", &format!("\"{mark}\":0")),
        mark.to_owned(),
        format!("[\"{mark}\"]"),
        format!("{{\"content\":\"{mark}"),
    ] {
        http::post(callgate.http, &calls::path(SINGLE), &odd);
        http::post(callgate.http, "/openim", &odd);
        http::post(callgate.http, "/wukongim?event=msg.notify", &odd);
    }
    let mut utf16: Vec<u8> = mark.encode_utf16().flat_map(u16::to_le_bytes).collect();
    utf16.extend(b"\xff\xfe");
    http::post(callgate.http, &calls::path(SINGLE), utf16);
}

fn found(callgate: &Callgate, args: &[&str]) -> Vec<Value> {
    let server = format!("http://{}", callgate.admin);
    let args = [
        &[
            "decisions",
            "--json",
            "--limit",
            "1000",
            "--server",
            &server,
        ],
        args,
    ]
    .concat();
    let output = callgate.setup().run(&args);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

/// The text of a decision, as `--show` has it.
fn shown(callgate: &Callgate, row: &Value) -> String {
    let server = format!("http://{}", callgate.admin);
    let id = row["id"].as_str().unwrap();
    let args = ["decisions", id, "--show", "--json", "--server", &server];
    let output = callgate.setup().run(&args);
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["texts"].to_string()
}

fn a_run_leaves_no_byte(level: &str) -> (Setup, Business) {
    let business = Business::start(Behaviour::allow());
    let callgate = setup(&business).engine("history.texts", level).start();
    for mark in MARKS {
        run(&callgate, &business, mark);
    }
    let rows = found(&callgate, &[]);
    for outcome in ["block", "replace", "flag", "shadow", "let_through", "allow"] {
        assert!(
            rows.iter().any(|row| row["outcome"] == outcome),
            "{outcome}"
        );
    }
    // They are there while they may be, so that the search below means something.
    let blocked = rows.iter().find(|row| row["matches"][0]["list"] == "bad");
    let text = shown(&callgate, blocked.unwrap());
    assert!(MARKS.iter().any(|mark| text.contains(mark)), "{text}");
    assert_eq!(places(callgate.setup(), &callgate.log(), &MARKS), [""; 0]);
    let mut callgate = callgate;
    callgate.signal("TERM");
    assert!(callgate.ended_within(PATIENCE).success());
    let log = callgate.log();
    let setup = callgate.into_setup();
    assert_eq!(places(&setup, &log, &MARKS), [""; 0]);
    (setup, business)
}

#[test]
fn at_level_memory_no_byte_of_a_text_is_on_the_disk() {
    a_run_leaves_no_byte("memory");
}

#[test]
fn at_level_sealed_a_text_is_gone_with_its_key() {
    let (setup, _business) = a_run_leaves_no_byte("sealed");
    let mut callgate = setup.start();
    let blocked = |callgate: &Callgate| found(callgate, &["--list", "bad"])[0].clone();
    let row = blocked(&callgate);
    let text = shown(&callgate, &row);
    assert!(MARKS.iter().any(|mark| text.contains(mark)), "{text}");
    let keys = callgate.setup().policies().join("../data/history/keys");
    for key in fs::read_dir(&keys).unwrap() {
        fs::remove_file(key.unwrap().path()).unwrap();
    }
    assert_eq!(shown(&callgate, &row), "null");
    assert_eq!(blocked(&callgate), row);
    // Whatever comes later has a key that is there, and brings nothing back.
    callgate.call(SINGLE, "damn, later");
    let later = blocked(&callgate);
    assert!(shown(&callgate, &later).contains("damn, later"), "{later}");
    assert_eq!(shown(&callgate, &row), "null");
    assert_eq!(places(callgate.setup(), &callgate.log(), &MARKS), [""; 0]);
    callgate.signal("KILL");
    callgate.ended_within(PATIENCE);
    let setup = callgate.into_setup();
    assert_eq!(places(&setup, "", &MARKS), [""; 0]);
    let callgate = setup.start();
    assert_eq!(shown(&callgate, &row), "null");
    assert!(shown(&callgate, &later).contains("damn, later"));
}

#[test]
fn who_is_forgotten_is_in_no_page_of_any_file() {
    // Ids of users; a cut one is known by its beginning.
    let (long, short) = (format!("zqgoneqz{}", "y".repeat(400)), "zqgoneshortqz");
    for level in ["memory", "sealed"] {
        let business = Business::start(Behaviour::allow());
        let setup = Setup::new(&policy(&business.url())).engine("history.texts", level);
        let callgate = setup.start();
        for round in 0..60 {
            for sender in [&long, short, &format!("other{round}")] {
                callgate.call_from(sender, SINGLE, "damn");
                let to = calls::body(SINGLE, "damn").replace("\"user2\"", &format!("\"{sender}\""));
                http::post(callgate.http, &calls::path(SINGLE), to);
            }
            if round % 20 == 0 {
                // Many small writes, so that old pages are written over and freed.
                found(&callgate, &["--list", "bad"]);
            }
        }
        assert_eq!(found(&callgate, &["--sender", &long]).len(), 60);
        // A file of before, which has its indexes, and one that is written to.
        let callgate = callgate.kill().start();
        callgate.call_from(short, SINGLE, "damn");
        for user in [&long, short] {
            let server = format!("http://{}", callgate.admin);
            let output = callgate.setup().run(&[
                "history",
                "forget",
                "--user",
                user,
                "--reason",
                "asked for",
                "--server",
                &server,
            ]);
            assert!(output.status.success(), "{output:?}");
            assert_eq!(found(&callgate, &["--sender", user]).len(), 0);
            assert_eq!(found(&callgate, &["--target", user]).len(), 0);
        }
        let history = callgate.setup().policies().join("../data/history");
        let mut kept = Vec::new();
        collect(&history, &mut kept);
        for file in kept {
            let bytes = fs::read(&file).unwrap();
            for id in ["zqgoneqz", short] {
                assert_eq!(
                    http::find(&bytes, id.as_bytes()),
                    None,
                    "{id} in {}",
                    file.display()
                );
            }
        }
        assert_eq!(found(&callgate, &["--sender", "other7"]).len(), 1);
    }
}

/// Somebody who reads all the time keeps the log of a file from being emptied.
#[test]
fn what_is_forgotten_is_gone_although_somebody_reads() {
    let callgate = Callgate::start(&policy("http://127.0.0.1:9/"));
    callgate.call_from("zqgoneqz", SINGLE, "damn");
    assert_eq!(found(&callgate, &[]).len(), 1);
    let history = callgate.setup().policies().join("../data/history");
    let mut kept = Vec::new();
    collect(&history, &mut kept);
    let file = kept
        .iter()
        .find(|file| file.extension().is_some_and(|is| is == "db"));
    let reader = rusqlite::Connection::open(file.unwrap()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM decisions;")
        .unwrap();
    let server = format!("http://{}", callgate.admin);
    let forget = [
        "history",
        "forget",
        "--user",
        "zqgoneqz",
        "--reason",
        "asked for",
        "--server",
        &server,
    ];
    // It is not said to be done while bytes are left.
    let output = callgate.setup().run(&forget);
    assert!(!output.status.success(), "{output:?}");
    drop(reader);
    wait_for("what is to be forgotten", PATIENCE, || {
        callgate.setup().run(&forget).status.success().then_some(())
    });
    let mut kept = Vec::new();
    collect(&history, &mut kept);
    for file in kept {
        let bytes = fs::read(&file).unwrap();
        assert_eq!(http::find(&bytes, b"zqgoneqz"), None, "{}", file.display());
    }
}

#[test]
fn hashed_ids_are_in_no_file_and_at_level_none_no_text_is_shown() {
    let business = Business::start(Behaviour::allow());
    let setup = setup(&business).engine("history.texts", "none");
    let callgate = setup.engine("history.ids", "hashed").start();
    callgate.call_from("zqsenderqz", SINGLE, "damn zqtextqz");
    let rows = found(&callgate, &["--sender", "zqsenderqz"]);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let server = format!("http://{}", callgate.admin);
    let id = rows[0]["id"].as_str().unwrap();
    let args = ["decisions", id, "--show", "--json", "--server", &server];
    let shown = callgate.setup().run(&args);
    let all = [shown.stdout, shown.stderr].concat();
    assert!(
        http::find(&all, b"zqtextqz").is_none(),
        "{}",
        String::from_utf8_lossy(&all)
    );
    let mut kept = Vec::new();
    collect(
        &callgate.setup().policies().join("../data/history"),
        &mut kept,
    );
    assert!(!kept.is_empty());
    for file in kept {
        let bytes = fs::read(&file).unwrap();
        assert!(
            http::find(&bytes, b"zqsenderqz").is_none(),
            "{}",
            file.display()
        );
    }
}
