//! An earlier version is shown, compared, and brought back as a new one, by a running server and by
//! a command on its files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::harness::calls::SINGLE;
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

/// What a hand may have written, and an editor would make tidy.
const ODD: &str = "\u{feff}# first\r\nforbidden\tspam\r\n\r\n\\#tag \r\n# last";

fn policy(code: usize) -> String {
    format!(
        "lists: {{words: {{file: lists/words.txt, code: {code}}}}}\nhooks: {{{SINGLE}: {{}}}}\n"
    )
}

fn setup() -> Setup {
    let setup = Setup::new(&policy(20001));
    fs::create_dir_all(setup.policies().join("lists")).unwrap();
    fs::create_dir_all(setup.policies().join("tests")).unwrap();
    setup.write("lists/words.txt", ODD);
    setup
}

/// Version 1 with the odd list, version 2 with another list, another code and a file more.
fn two_versions() -> Callgate {
    let callgate = setup().start();
    kept(&callgate, 1);
    let setup = callgate.setup();
    setup.write("lists/words.txt", "another\n");
    setup.write("lists/more.txt", "more\n");
    let with_more = policy(20002).replace("}}\nhooks", "}, more: {file: lists/more.txt}}\nhooks");
    setup.write("policy.yaml", with_more);
    wait_for_code(&callgate, "another", 20002);
    kept(&callgate, 2);
    callgate
}

fn kept(callgate: &Callgate, number: u64) {
    wait_for(&format!("version {number} on disk"), PATIENCE, || {
        let status = callgate.status();
        (status["versions"]["newest"] == number).then_some(())
    });
}

fn wait_for_code(callgate: &Callgate, text: &str, expected: i64) {
    wait_for(&format!("code {expected}"), PATIENCE, || {
        (callgate.call(SINGLE, text).json()["errCode"] == expected).then_some(())
    });
}

fn run(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    callgate
        .setup()
        .run(&[args, &["--server", &server]].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

fn words(setup: &Setup) -> PathBuf {
    setup.policies().join("lists/words.txt")
}

#[test]
fn versions_are_listed_shown_and_compared() {
    let callgate = two_versions();
    let list = run(&callgate, &["versions", "list", "--json"]);
    let lines: Vec<Value> = String::from_utf8_lossy(&list.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<_> = lines
        .iter()
        .map(|line| line["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(
        (&lines[0]["in_force"], &lines[1]["in_force"]),
        (&true.into(), &false.into())
    );
    assert!(
        lines[0]["who"].as_str().unwrap().starts_with("files"),
        "{}",
        lines[0]
    );
    let limited = run(&callgate, &["versions", "list", "--limit", "1"]);
    assert_eq!(String::from_utf8_lossy(&limited.stdout).lines().count(), 1);

    let one = json(&run(&callgate, &["versions", "show", "1", "--json"]));
    let paths: Vec<_> = one["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["path"])
        .collect();
    assert_eq!(paths, ["lists/words.txt", "policy.yaml"]);
    let file = run(
        &callgate,
        &["versions", "show", "1", "--file", "lists/words.txt"],
    );
    assert_eq!(file.stdout, ODD.as_bytes());

    let diff = run(&callgate, &["versions", "diff", "2"]);
    let text = said(&diff);
    for line in [
        "--- a/policy.yaml",
        "+another",
        "+++ b/lists/more.txt",
        "--- /dev/null",
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    let same = json(&run(
        &callgate,
        &["versions", "diff", "2", "--with", "2", "--json"],
    ));
    assert_eq!(same["files"], serde_json::json!([]));
    let unknown = run(&callgate, &["versions", "show", "99"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown).contains("there is no version 99"),
        "{}",
        said(&unknown)
    );
    // The files alone say the same, and decide as they did.
    let setup = callgate.kill();
    let list = setup.run(&["versions", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout).lines().count(), 2);
    let explained = |version: &str| {
        let args = [
            "explain",
            "forbidden",
            "--hook",
            SINGLE,
            "--json",
            "--version",
            version,
        ];
        json(&setup.run(&args)).to_string()
    };
    assert!(explained("1").contains("20001"), "{}", explained("1"));
    assert!(!explained("2").contains("20001"), "{}", explained("2"));
}

#[test]
fn a_rollback_is_planned_and_becomes_a_new_version_with_the_old_bytes() {
    let callgate = two_versions();
    let setup = callgate.setup();
    setup.write("tests/case.yaml", "case");
    fs::set_permissions(words(setup), fs::Permissions::from_mode(0o640)).unwrap();
    let planned = run(&callgate, &["versions", "rollback", "1"]);
    let text = said(&planned);
    assert!(
        text.contains("lists/more.txt: removed") && text.contains("nothing was done"),
        "{text}"
    );
    assert_eq!(fs::read(words(setup)).unwrap(), b"another\n");
    // A reason is wanted.
    let bare = run(&callgate, &["versions", "rollback", "1", "--yes"]);
    assert_eq!(bare.status.code(), Some(2));

    let order = ["versions", "rollback", "1", "--yes", "--why", "too strict"];
    let done = run(&callgate, &order);
    assert!(done.status.success(), "{}", said(&done));
    wait_for_code(&callgate, "forbidden", 20001);
    assert_eq!(fs::read(words(setup)).unwrap(), ODD.as_bytes());
    assert_eq!(fs::metadata(words(setup)).unwrap().mode() & 0o777, 0o640);
    assert!(!setup.policies().join("lists/more.txt").exists());
    // Cases decide nothing, and stay.
    assert!(setup.policies().join("tests/case.yaml").exists());
    kept(&callgate, 3);
    let one = json(&run(&callgate, &["versions", "show", "3", "--json"]));
    assert_eq!(
        (&one["why"], &one["restores"]),
        (&"too strict".into(), &1.into())
    );
    let audit = callgate
        .setup()
        .run(&["audit", "list", "--act", "versions", "--json"]);
    let audit = said(&audit);
    assert!(
        audit.contains("versions.rollback") && audit.contains("too strict"),
        "{audit}"
    );
    // Once more there is nothing to do.
    let again = run(
        &callgate,
        &["versions", "rollback", "1", "--yes", "--why", "x"],
    );
    assert_eq!(again.status.code(), Some(1));
    assert!(
        said(&again).contains("are those of version 1 already"),
        "{}",
        said(&again)
    );
    assert_eq!(callgate.status()["policy"]["number"], 3);
}

/// Two people plan, one edits: what was planned is not done any more.
#[test]
fn only_what_was_planned_is_done() {
    let callgate = two_versions();
    let post = |body: &str| {
        let url = format!("http://{}/api/v1/versions/1/rollback", callgate.admin);
        let output = std::process::Command::new("curl")
            .args([
                "-s",
                "-X",
                "POST",
                "-H",
                "content-type: application/json",
                "-d",
                body,
                &url,
            ])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let plan = post(r#"{"dry_run": true}"#);
    assert!(plan["plan"].is_string(), "{plan}");
    let plan_of = |plan: &Value| format!(r#"{{"plan": {}, "why": "w"}}"#, plan["plan"]);
    assert_eq!(post(r#"{"plan": "other", "why": "w"}"#)["code"], "stale");
    assert_eq!(
        post(&plan_of(&plan).replace("\"w\"", "\" \""))["code"],
        "invalid"
    );
    callgate.setup().write("lists/words.txt", "a third\n");
    assert_eq!(post(&plan_of(&plan))["code"], "stale");
    assert_eq!(fs::read(words(callgate.setup())).unwrap(), b"a third\n");
    let plan = post(r#"{"dry_run": true}"#);
    assert!(post(&plan_of(&plan))["in_force"].is_string());
    assert_eq!(fs::read(words(callgate.setup())).unwrap(), ODD.as_bytes());
}

/// What is on disk was never in force: it is kept beside, not lost.
#[test]
fn an_edit_with_errors_is_rolled_back_and_kept_beside() {
    let callgate = two_versions();
    callgate
        .setup()
        .write("policy.yaml", "hooks: {beforeSendSingelMsg: {}} # mine\n");
    wait_for("the rejected edit", PATIENCE, || {
        (!callgate.status()["policy"]["rejected"].is_null()).then_some(())
    });
    let planned = run(&callgate, &["versions", "rollback", "2"]);
    assert!(
        said(&planned).contains("was never in force"),
        "{}",
        said(&planned)
    );
    let done = run(
        &callgate,
        &["versions", "rollback", "2", "--yes", "--why", "w"],
    );
    assert!(done.status.success(), "{}", said(&done));
    let status = callgate.status();
    assert!(status["policy"]["rejected"].is_null(), "{status}");
    assert_eq!(status["policy"]["number"], 2);
    let replaced = callgate
        .setup()
        .policies()
        .join("../data/versions/replaced");
    let copy = fs::read_dir(replaced)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert!(fs::read_to_string(copy).unwrap().ends_with("# mine\n"));
}

#[test]
fn a_stopped_server_is_rolled_back_by_its_files_and_starts_with_a_new_version() {
    let setup = two_versions().kill();
    let planned = setup.run(&["versions", "rollback", "1"]);
    assert!(
        said(&planned).contains("nothing was done"),
        "{}",
        said(&planned)
    );
    let done = setup.run(&["versions", "rollback", "1", "--yes", "--why", "by hand"]);
    assert!(
        said(&done).contains("with the next start"),
        "{}",
        said(&done)
    );
    assert_eq!(fs::read(words(&setup)).unwrap(), ODD.as_bytes());
    let callgate = setup.start();
    wait_for_code(&callgate, "forbidden", 20001);
    let number = callgate.status()["policy"]["number"].as_u64().unwrap();
    assert!(number > 2);
    kept(&callgate, number);
    let one = json(&run(
        &callgate,
        &["versions", "show", &number.to_string(), "--json"],
    ));
    assert_eq!(
        (&one["why"], &one["restores"]),
        (&"by hand".into(), &1.into())
    );
}

#[test]
fn a_rollback_that_was_broken_off_is_ended_by_the_next_start() {
    let setup = two_versions().kill();
    // As it is when a process is killed after the first of the files.
    let under_way =
        r#"{"number":1,"origin":{"who":{"kind":"cli"},"why":"w","restores":1},"is_written":false}"#;
    fs::write(
        setup.policies().join("../data/versions/rollback.json"),
        under_way,
    )
    .unwrap();
    fs::remove_file(setup.policies().join("lists/more.txt")).unwrap();
    let callgate = setup.start();
    assert_eq!(callgate.call(SINGLE, "forbidden").json()["errCode"], 20001);
    assert_eq!(fs::read(words(callgate.setup())).unwrap(), ODD.as_bytes());
    // It is over: what is edited now stays.
    callgate.setup().write("lists/words.txt", "later\n");
    wait_for_code(&callgate, "later", 20001);
    let callgate = callgate.kill().start();
    assert_eq!(callgate.call(SINGLE, "later").json()["errCode"], 20001);
}

#[test]
fn what_leads_out_of_the_directory_is_not_written() {
    let setup = setup();
    let elsewhere = setup.policies().with_file_name("elsewhere.txt");
    fs::write(&elsewhere, "outside\n").unwrap();
    fs::remove_file(words(&setup)).unwrap();
    symlink(&elsewhere, words(&setup)).unwrap();
    let callgate = setup.start();
    kept(&callgate, 1);
    fs::write(&elsewhere, "edited\n").unwrap();
    wait_for_code(&callgate, "edited", 20001);
    kept(&callgate, 2);
    let planned = run(&callgate, &["versions", "rollback", "1"]);
    let text = said(&planned);
    assert!(
        text.contains("cannot be done here") && text.contains("--patch"),
        "{text}"
    );
    let done = run(
        &callgate,
        &["versions", "rollback", "1", "--yes", "--why", "w"],
    );
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"edited\n");
    let patch = run(&callgate, &["versions", "rollback", "1", "--patch"]);
    assert!(
        said(&patch).contains("-edited\n+outside\n"),
        "{}",
        said(&patch)
    );
}

/// As a ConfigMap is mounted: links within the directory are written through.
#[test]
fn links_within_the_directory_stay_links() {
    let setup = setup();
    let data = setup.policies().join("..data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("words.txt"), ODD).unwrap();
    fs::remove_file(words(&setup)).unwrap();
    symlink("../..data/words.txt", words(&setup)).unwrap();
    let callgate = setup.start();
    kept(&callgate, 1);
    fs::write(data.join("words.txt"), "another\n").unwrap();
    wait_for_code(&callgate, "another", 20001);
    kept(&callgate, 2);
    let done = run(
        &callgate,
        &["versions", "rollback", "1", "--yes", "--why", "w"],
    );
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        fs::symlink_metadata(words(callgate.setup()))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(fs::read(data.join("words.txt")).unwrap(), ODD.as_bytes());
}

/// A secret is not kept, and what a rollback cannot bring back it does not pretend to.
#[test]
fn a_secret_that_changed_refuses_and_one_that_came_later_is_left_alone() {
    const ONE: &str = "whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let with_key = |key: &str| {
        format!(
            "endpoints: {{b: {{url: 'http://127.0.0.1:9', sign: {{secret_file: {key}}}}}}}\n{}",
            policy(20001)
        )
    };
    let setup = setup();
    setup.write("policy.yaml", with_key("one.txt"));
    setup.write("one.txt", ONE);
    let callgate = setup.start();
    kept(&callgate, 1);
    callgate.setup().write("two.txt", ONE);
    callgate.setup().write("policy.yaml", with_key("two.txt"));
    kept(&callgate, 2);
    let done = run(
        &callgate,
        &["versions", "rollback", "1", "--yes", "--why", "w"],
    );
    assert!(done.status.success(), "{}", said(&done));
    assert!(callgate.setup().policies().join("two.txt").exists());
    kept(&callgate, 3);
    callgate
        .setup()
        .write("one.txt", ONE.replace("AAAA=", "AAAE="));
    let versions = callgate.setup().policies().join("../data/versions/files");
    for entry in fs::read_dir(versions).unwrap() {
        let content = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!content.contains("whsk_"), "{content}");
    }
    let refused = run(&callgate, &["versions", "rollback", "1"]);
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(
        text.contains("is a secret") && !text.contains("whsk_"),
        "{text}"
    );
}
