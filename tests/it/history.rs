//! What was decided is found later, by commands and programs, with the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::harness::calls::{self, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

/// Stands in every message of a test.
const SECRET: &str = "s3cr3t-text";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\"}}}}\n\
         lists:\n  bad: {{file: bad.txt, action: block}}\n  soft: {{words: [gosh], action: replace}}\n  \
         odd: {{words: [hmm], action: flag}}\n  new: {{words: [casino], action: shadow}}\n\
         hooks:\n  {SINGLE}: {{endpoint: none}}\n  {GROUP}: {{endpoint: business, timeout: 300ms}}\n  \
         {MODIFY}: {{endpoint: none}}\n"
    )
}

fn start(url: &str) -> Callgate {
    let setup = Setup::new(&policy(url));
    setup.write("bad.txt", "# not in a chat\n赌博\ndamn\n");
    setup.start()
}

fn run(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    callgate
        .setup()
        .run(&[args, &["--server", &server]].concat())
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The decisions that a command finds. What was answered is found at once: nobody waits here.
fn found(callgate: &Callgate, args: &[&str], count: usize) -> Vec<Value> {
    let args = [&["decisions", "--json"], args].concat();
    let lines = said(&run(callgate, &args));
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = rows.collect();
    assert_eq!(rows.len(), count, "{lines}");
    rows
}

fn send(callgate: &Callgate, hook: &str, text: &str, id: &str) {
    let body = calls::body_with_id(hook, text, id);
    let answer = http::post(callgate.http, &calls::path(hook), body);
    assert_eq!(answer.status, 200);
}

fn files(callgate: &Callgate) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&callgate.setup().policies().join("../data"), &mut files);
    files
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

/// The files that hold a text. Files may go meanwhile.
fn holding(files: &[PathBuf], text: &str) -> Vec<PathBuf> {
    let holds = |file: &&PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        http::find(&bytes, text.as_bytes()).is_some()
    };
    files.iter().filter(holds).cloned().collect()
}

#[test]
fn every_way_out_of_a_decision_is_found() {
    let business = Business::start(Behaviour::block());
    let callgate = start(&business.url());
    send(&callgate, SINGLE, "damn", "m-block");
    send(&callgate, SINGLE, "hmm", "m-flag");
    send(&callgate, SINGLE, "casino", "m-shadow");
    send(&callgate, SINGLE, "see you", "m-allow");
    send(&callgate, MODIFY, "gosh", "m-replace");
    send(&callgate, GROUP, "see you", "m-endpoint");
    business.set(Behaviour::Hang);
    send(&callgate, GROUP, "see you", "m-through");
    let mut request = calls::request(SINGLE, "网上賭博");
    request.message = Some(calls::message(SINGLE, "网上賭博", "m-grpc"));
    callgate.grpc().before(request);
    http::post(callgate.http, &calls::path(SINGLE), "{");
    send(&callgate, "beforeAddFriend", "x", "m-skipped");
    let rows = found(&callgate, &["--limit", "50"], 10);
    let mut outcomes: Vec<String> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
            let (id, outcome) = (text("message_id"), text("outcome"));
            let matched = row["matches"][0]["list"].as_str().unwrap_or("-");
            let line = row["matches"][0]["line"].as_u64().unwrap_or(0);
            format!(
                "{id} {outcome} {} {} {matched}:{line} {} {}",
                text("decided_by"),
                text("class"),
                text("endpoint"),
                text("answer")
            )
        })
        .collect();
    outcomes.sort();
    let expected = [
        " block failure_policy unreadable_call -:0 - -",
        " skipped nothing - -:0 - -",
        "m-allow allow nothing - -:0 - -",
        "m-block block filter - bad:3 - -",
        "m-endpoint block callback - -:0 business block",
        "m-flag flag nothing - odd:0 - -",
        "m-grpc block filter - bad:2 - -",
        "m-replace replace filter - soft:0 - -",
        "m-shadow shadow nothing - new:0 - -",
        "m-through let_through failure_policy timeout -:0 business timeout",
    ];
    assert_eq!(outcomes, expected);
    // The word in the other script, as the list reads it.
    let word = found(&callgate, &["--word", "賭博"], 1);
    assert_eq!(word[0]["message_id"], "m-grpc");
    assert_eq!(word[0]["matches"][0]["in_force"], true);
    let unreviewed = found(&callgate, &["--unreviewed"], 1);
    assert_eq!(unreviewed[0]["message_id"], "m-through");
    for args in [
        ["--message", "client-m-block"],
        ["--list", "bad"],
        ["--class", "timeout"],
    ] {
        assert!(!said(&run(&callgate, &[&["decisions"], &args[..]].concat())).is_empty());
    }
    // The log names them too.
    let log = callgate.log();
    let line = |of: &str| {
        log.lines()
            .find(|line| line.contains(of))
            .unwrap()
            .to_owned()
    };
    let refused = line("m-block");
    for part in ["op-1", "decided", "list=\"bad\"", "line=3"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let through = line("m-through");
    for part in [
        "WARN",
        "let through",
        "op-1",
        "endpoint=\"business\"",
        "timeout",
    ] {
        assert!(through.contains(part), "{part}: {through}");
    }
}

#[test]
fn an_entry_that_was_removed_is_said_to_be_and_shown_as_it_was() {
    let callgate = start("http://127.0.0.1:9/");
    send(&callgate, SINGLE, "damn", "m1");
    let row = &found(&callgate, &["--message", "m1"], 1)[0];
    let id = row["id"].as_str().unwrap();
    callgate.setup().write("bad.txt", "赌博\n");
    let gone = wait_for("the edit", PATIENCE, || {
        let line = said(&run(&callgate, &["decisions", "--message", "m1"]));
        line.contains("bad:3 (removed since)").then_some(line)
    });
    assert!(gone.contains("user1 -> user2"), "{gone}");
    let shown = said(&run(&callgate, &["decisions", id, "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["matches"][0]["entry_then"], "damn", "{shown}");
    assert_eq!(shown["matches"][0]["file_then"], "bad.txt");
    assert_eq!(shown["matches"][0]["line_now"], Value::Null);
    let none = run(
        &callgate,
        &["decisions", "00000000-0000-7000-8000-000000000000"],
    );
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    let complaint = String::from_utf8(none.stderr).unwrap();
    assert!(
        complaint.contains("no decision with this id is kept"),
        "{complaint}"
    );
    let wrong = run(&callgate, &["decisions", "--outcome", "blok"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let complaint = String::from_utf8(wrong.stderr).unwrap();
    assert!(complaint.contains("did you mean `block`"), "{complaint}");
}

#[test]
fn a_table_for_other_programs_has_no_formulas() {
    let callgate = start("http://127.0.0.1:9/");
    for sender in [
        "=cmd|' /C calc'!A0",
        "+1",
        "@x",
        "-2",
        "plain, with \\\"quotes\\\"",
    ] {
        callgate.call_from(sender, SINGLE, "damn");
    }
    found(&callgate, &[], 5);
    let table = said(&run(&callgate, &["decisions", "--csv"]));
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let column = rows
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "sender");
    let senders = rows
        .records()
        .map(|row| row.unwrap()[column.unwrap()].to_owned());
    let mut senders: Vec<String> = senders.collect();
    senders.sort();
    let expected = [
        "'+1",
        "'-2",
        "'=cmd|' /C calc'!A0",
        "'@x",
        "plain, with \"quotes\"",
    ];
    assert_eq!(senders, expected);
    let listed = callgate.setup().run(&["audit", "list", "--act", "history"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("history.export"), "{listed}");
}

#[test]
fn a_user_is_forgotten_by_order() {
    let callgate = start("http://127.0.0.1:9/");
    callgate.call_from("gone-user", SINGLE, "damn");
    callgate.call_from("other-user", SINGLE, "damn");
    found(&callgate, &[], 2);
    let order = [
        "history",
        "forget",
        "--user",
        "gone-user",
        "--reason",
        "asked for",
    ];
    let said_so = said(&run(&callgate, &order));
    assert_eq!(said_so, "forgotten: 1 decisions, 1 texts in memory\n");
    let left = found(&callgate, &[], 1);
    assert_eq!(left[0]["sender"], "other-user");
    let history = callgate.setup().policies().join("../data/history");
    let mut kept = Vec::new();
    collect(&history, &mut kept);
    assert_eq!(holding(&kept, "gone-user"), Vec::<PathBuf>::new());
    assert!(!holding(&kept, "other-user").is_empty());
    let listed = callgate.setup().run(&["audit", "list", "--act", "history"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("history.forget done"), "{listed}");
    assert!(!listed.contains("gone-user"), "{listed}");
}

#[test]
fn what_was_decided_is_there_after_a_crash() {
    let callgate = start("http://127.0.0.1:9/");
    send(&callgate, SINGLE, "damn", "before");
    found(&callgate, &[], 1);
    let callgate = callgate.kill().start();
    send(&callgate, SINGLE, "damn", "after");
    let rows = found(&callgate, &[], 2);
    assert_eq!(rows[0]["message_id"], "after");
    assert_eq!(rows[1]["message_id"], "before");
    // And after an end in order, with what was handed over last.
    send(&callgate, SINGLE, "damn", "last");
    let mut callgate = callgate;
    callgate.signal("TERM");
    assert!(callgate.ended_within(PATIENCE).success());
    let callgate = callgate.into_setup().start();
    found(&callgate, &["--message", "last"], 1);
}

#[test]
fn no_byte_of_a_text_is_on_the_disk() {
    let business = Business::start(Behaviour::answer(SECRET));
    let setup = Setup::new(&policy(&business.url()));
    setup.write("bad.txt", "damn\n");
    let callgate = setup.start();
    for text in [
        SECRET,
        "s3cr3t-text damn",
        "s3cr3t-text gosh",
        "s3cr3t-text hmm",
    ] {
        for hook in [SINGLE, GROUP, MODIFY] {
            send(&callgate, hook, text, "m1");
        }
        callgate.grpc().before(calls::request(SINGLE, text));
    }
    found(&callgate, &["--limit", "50"], 16);
    assert_eq!(holding(&files(&callgate), SECRET), Vec::<PathBuf>::new());
    let id = found(&callgate, &["--limit", "1"], 1)[0]["id"].clone();
    let shown = run(
        &callgate,
        &["decisions", id.as_str().unwrap(), "--show", "--json"],
    );
    assert!(said(&shown).contains(SECRET), "{shown:?}");
    assert!(!callgate.log().contains(SECRET));
    let mut callgate = callgate;
    callgate.signal("TERM");
    assert!(callgate.ended_within(PATIENCE).success());
    assert_eq!(holding(&files(&callgate), SECRET), Vec::<PathBuf>::new());
}

fn page(callgate: &Callgate, path: &str, language: &str) -> String {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Language: {language}\r\n\r\n"
    );
    let answer = http::send(callgate.admin, head.as_bytes());
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.text().to_owned()
}

#[test]
fn the_pages_say_why_in_both_languages_and_hostile_ids_are_harmless() {
    let callgate = start("http://127.0.0.1:9/");
    callgate.call_from("<script>x</script>\u{202e}", SINGLE, "s3cr3t-text damn");
    let row = &found(&callgate, &[], 1)[0];
    let id = row["id"].as_str().unwrap();
    for (language, title) in [("en", "Decisions"), ("zh-CN", "决策")] {
        let list = page(&callgate, "/decisions", language);
        assert!(list.contains(&format!("<h1>{title}</h1>")), "{list}");
        assert!(!list.contains("<script>x") && !list.contains('\u{202e}'));
        assert!(list.contains(id), "{list}");
    }
    for asked in [
        "word=damn",
        "outcome=block",
        "list=bad",
        "since=1h",
        "message=server-1",
    ] {
        assert!(
            page(&callgate, &format!("/decisions?{asked}"), "en").contains(id),
            "{asked}"
        );
    }
    for asked in [
        "word=gosh",
        "outcome=allow",
        "list=soft",
        "until=1h",
        "message=m9",
    ] {
        let list = page(&callgate, &format!("/decisions?{asked}"), "en");
        assert!(
            !list.contains(id) && list.contains("No decision is like that"),
            "{asked}"
        );
    }
    // Rows stay where they are, and a bar says that there are new ones.
    send(&callgate, SINGLE, "damn", "newer");
    found(&callgate, &[], 2);
    let bar = page(&callgate, &format!("/decisions?seen={id}"), "en");
    assert!(bar.contains("1 new: show them"), "{bar}");
    let one = page(&callgate, &format!("/decisions/{id}"), "en");
    for part in ["damn", "in force, line 3", "bad.txt", "Nobody was asked"] {
        assert!(one.contains(part), "{part}: {one}");
    }
    assert!(!one.contains(SECRET), "{one}");
    let shown = page(&callgate, &format!("/decisions/{id}?show=1"), "en");
    assert!(shown.contains("s3cr3t-text <mark>damn</mark>"), "{shown}");
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "history.show"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("decision {id}")), "{listed}");
}

/// What a command prints, line by line, until it is dropped.
struct Following {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Following {
    fn start(callgate: &Callgate) -> Following {
        let args = ["decisions", "--follow", "--json", "--limit", "1"];
        let mut child = callgate
            .setup()
            .command(&args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pipe = std::io::BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let lines = std::io::BufRead::lines(pipe).map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        Following { child, lines }
    }

    /// The ids of the next so many messages.
    fn next(&self, count: usize) -> Vec<String> {
        let ids = (0..count).map(|_| {
            let line = self.lines.recv_timeout(6 * PATIENCE).unwrap();
            let row: Value = serde_json::from_str(&line).unwrap();
            row["message_id"].as_str().unwrap().to_owned()
        });
        ids.collect()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_follows_sees_each_of_a_burst_and_what_comes_after_a_restart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let setup = Setup::new(&policy("http://127.0.0.1:9/"))
        .engine("admin.listen", &address)
        .engine("history.decisions_per_second_max", "1000000");
    setup.write("bad.txt", "damn\n");
    drop(free);
    let callgate = setup.start();
    send(&callgate, SINGLE, "damn", "first");
    let following = Following::start(&callgate);
    assert_eq!(following.next(1), ["first"]);
    // More than one answer holds.
    let mut connection = http::Connection::open(callgate.http);
    for number in 0..2_500 {
        let body = calls::body_with_id(SINGLE, "damn", &format!("burst-{number}"));
        let answer = connection.post(&calls::path(SINGLE), body.as_bytes());
        assert_eq!(answer.unwrap().status, 200);
    }
    let expected: Vec<String> = (0..2_500).map(|number| format!("burst-{number}")).collect();
    assert_eq!(following.next(2_500), expected);
    let callgate = callgate.kill().start();
    send(&callgate, SINGLE, "damn", "after");
    assert_eq!(following.next(1), ["after"]);
}

#[test]
fn hashed_ids_are_found_by_each_of_them_and_shown_by_none() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/")).engine("history.ids", "hashed");
    setup.write("bad.txt", "damn\n");
    let callgate = setup.start();
    send(&callgate, SINGLE, "damn", "m1");
    let by_client = "client-m1";
    for args in [
        ["--message", "m1"],
        ["--message", by_client],
        ["--operation", "op-1"],
        ["--sender", "user1"],
        ["--target", "user2"],
        ["--conversation", "user1:user2"],
        ["--conversation", "user2:user1"],
        ["--word", "damn"],
    ] {
        let row = &found(&callgate, &args, 1)[0];
        let shown = row.to_string();
        for id in ["\"m1\"", by_client, "op-1", "user1", "user2"] {
            assert!(!shown.contains(id), "{id}: {shown}");
        }
        // And by an id as it is shown.
        let sender = row["sender"].as_str().unwrap();
        found(&callgate, &["--sender", sender], 1);
    }
    for args in [
        ["--message", "m2"],
        ["--sender", "user2"],
        ["--word", "gosh"],
    ] {
        found(&callgate, &args, 0);
    }
}

#[test]
fn a_span_of_time_is_told_with_any_zone() {
    let callgate = start("http://127.0.0.1:9/");
    send(&callgate, SINGLE, "damn", "m1");
    let row = &found(&callgate, &[], 1)[0];
    let at = humantime::parse_rfc3339(row["time"].as_str().unwrap()).unwrap();
    let zoned = |shift_s: i64, zone: &str, zone_s: i64| {
        let since = at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let local = since + shift_s + zone_s;
        let local = std::time::UNIX_EPOCH + std::time::Duration::from_secs(local as u64);
        let text = humantime::format_rfc3339_seconds(local).to_string();
        text.replace('Z', zone)
    };
    for (zone, zone_s) in [("Z", 0), ("+08:00", 28_800), ("-03:30", -12_600)] {
        let (before, after) = (zoned(-60, zone, zone_s), zoned(60, zone, zone_s));
        found(&callgate, &["--since", &before, "--until", &after], 1);
        found(&callgate, &["--since", &after], 0);
        found(&callgate, &["--until", &before], 0);
    }
    found(&callgate, &["--since", "100y"], 1);
    let wrong = run(&callgate, &["decisions", "--since", "yesterday"]);
    let complaint = String::from_utf8(wrong.stderr).unwrap();
    assert!(complaint.contains("`yesterday` is no time"), "{complaint}");
}
