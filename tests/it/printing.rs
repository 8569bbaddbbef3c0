//! What commands print: nothing that a terminal obeys, whoever wrote it; and a reader that goes
//! away, or a disk that is full, is no panic.

use std::fs::{self, File};
use std::io::pipe;
use std::path::Path;
use std::process::Output;

use crate::harness::{Callgate, Setup};

/// Clears the screen, turns the direction of text, and would begin a line of its own.
const EVIL: &str = "x\u{1b}[2J\u{202e}\u{9b}31m\u{7f}\u{feff}";

fn is_harmless(what: &str, output: &Output) {
    for (stream, bytes) in [("output", &output.stdout), ("errors", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        let bad = text.chars().find(|character| {
            (character.is_control() && !"\n\t".contains(*character))
                || "\u{202e}\u{feff}".contains(*character)
        });
        assert_eq!(bad, None, "{what}, {stream}: {text:?}");
    }
}

fn evil_policy() -> String {
    let evil = serde_json::to_string(EVIL).unwrap();
    format!(
        "lists: {{{evil}: {{file: {evil}}}, good: {{words: [{evil}, 're:({EVIL_RE}'], reason: {evil}}}}}\n\
         {evil}: 1\n\
         endpoints: {{b: {{url: {evil}}}, c: {{url: 'http://127.0.0.1:1', dialect: {evil}}}}}\n\
         hooks: {{{evil}: {{}}, beforeSendSingleMsg: {{filters: [{evil}], failedContinue: {evil}}}}}\n",
        EVIL_RE = "\u{202e}"
    )
}

#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let setup = Setup::new(&evil_policy());
    setup.write("recorded.json", format!("{{\"callbackCommand\":{EVIL:?}"));
    let recorded = setup.policies().join("recorded.json").display().to_string();
    setup.write("words.txt", format!("{EVIL}\n{EVIL} {EVIL}\t\u{1}\n"));
    let words = setup.policies().join("words.txt").display().to_string();
    let nowhere = "http://127.0.0.1:1";
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["explain", "text"],
        &["explain", "--hook", EVIL, "text"],
        &["explain", "--event", EVIL, &recorded],
        &["explain", "--file", EVIL],
        &["explain", "--dialect", EVIL, "--file", &recorded],
        &["fuzz", EVIL],
        &["fuzz", "--kinds", EVIL, EVIL],
        &["dialects", EVIL],
        &["send", "--server", EVIL, EVIL],
        &["send", "--server", nowhere, "--hook", EVIL, EVIL],
        &["status", "--server", EVIL],
        &["rooms", "--server", EVIL],
        &["outbox", "dead", "--server", EVIL],
        &["outbox", "dead", "--since", EVIL],
        &["import", "openim", EVIL],
        &["import", "openim", &recorded],
        &["import", "words", EVIL],
        &["import", "words", &words, "-o", "/dev/null"],
        &["import", "words", &words, "--json", "-o", "/dev/null"],
        &[EVIL],
        &["serve"],
    ] {
        is_harmless(&format!("{args:?}"), &setup.run(args));
    }
    // The file of the engine, its variables, and a directory that is not there.
    let evil = serde_json::to_string(EVIL).unwrap();
    setup.write(
        "engine.yaml",
        format!("{evil}: 1\nhttp: {{listen: {evil}}}\n"),
    );
    let setup = setup
        .env("CALLGATE_ENGINE__ADMIN__LISTEN", EVIL)
        .env("CALLGATE_POLICY__FAILURE__CODE", EVIL);
    for args in [
        &["check"][..],
        &["serve"],
        &["status"],
        &["rooms"],
        &["outbox", "status"],
        &["outbox", "check"],
        &["send", "x"],
    ] {
        is_harmless(&format!("{args:?}"), &setup.run(args));
    }
}

/// Answers of a server hold what senders and policies say.
#[test]
fn nothing_that_a_server_says_is_obeyed() {
    let evil = serde_json::to_string(EVIL).unwrap();
    let callgate = Callgate::start(&format!(
        "lists: {{bad: {{words: [forbidden], reason: {evil}}}}}\n\
         hooks: {{beforeSendSingleMsg: {{}}, beforeMsgModify: {{}}}}\n"
    ));
    let server = format!("http://{}", callgate.grpc);
    let admin = format!("http://{}", callgate.admin);
    let run = |args: &[&str]| callgate.setup().run(args);
    for args in [
        &["send", "--server", &server, "forbidden"][..],
        &["send", "--server", &server, "--json", "forbidden"],
        &["send", "--server", &server, "--hook", EVIL, "x"],
        &["outbox", "dead", "--server", &admin, "--endpoint", EVIL],
        &["rooms", "--server", &admin, "set", EVIL, EVIL],
        &["rooms", "--server", &admin, "remove", EVIL],
        &["status", "--server", &admin],
        &["status", "--server", &admin, "--json"],
    ] {
        is_harmless(&format!("{args:?}"), &run(args));
    }
}

#[test]
fn commands_find_the_server_of_engine_yaml() {
    let callgate = Callgate::start("hooks: {beforeSendSingleMsg: {}}\n");
    let setup = callgate.setup().policies().join("engine.yaml");
    let engine = format!(
        "grpc: {{listen: \"{}\"}}\nadmin: {{listen: \"{}\"}}\n",
        callgate.grpc, callgate.admin
    );
    fs::write(setup, engine).unwrap();
    for args in [
        &["status"][..],
        &["rooms"],
        &["send", "x"],
        &["outbox", "status"],
    ] {
        let output = callgate.setup().run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
}

/// A text is asked about where the policy looks at texts.
#[test]
fn send_takes_a_hook_that_is_on() {
    let list = "lists: {bad: {words: [forbidden]}}\n";
    for hook in [
        "beforeSendSingleMsg",
        "beforeSendGroupMsg",
        "beforeMsgModify",
    ] {
        let callgate = Callgate::start(&format!("{list}hooks: {{{hook}: {{}}}}\n"));
        let server = format!("http://{}", callgate.grpc);
        let output = callgate
            .setup()
            .run(&["send", "--server", &server, "forbidden"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("block 20001"), "{hook}: {output:?}");
    }
}

/// Whatever becomes of standard output and standard error, no command panics.
#[test]
fn a_reader_that_is_gone_or_a_full_disk_is_no_panic() {
    let setup =
        Setup::new("lists: {bad: {words: [x]}}\nhooks: {beforeSendSingleMsg: {}, nonsense: {}}\n");
    for args in [
        &["check"][..],
        &["check", "--json"],
        &["defaults", "policy"],
        &["dialects"],
        &["explain", "--hook", "nonsense", "x"],
        &["serve"],
        &["--help"],
        &["nonsense"],
    ] {
        let gone = || {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            writer
        };
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let (mut piped, mut on_disk) = (setup.command(args), setup.command(args));
        for (what, command) in [
            ("gone", piped.stdout(gone()).stderr(gone())),
            ("full", on_disk.stdout(full()).stderr(full())),
        ] {
            let status = command.status().unwrap();
            let code = status.code().expect("it ended by itself");
            // 101 is a panic.
            assert!(code <= 3, "{args:?}, {what}: {code}");
        }
    }
    let output = setup
        .command(&["check"])
        .stderr(File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("nonsense"));
}

/// Every way to print is in one file, which makes it harmless.
#[test]
fn nothing_prints_by_itself() {
    let mut found = Vec::new();
    look(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert_eq!(found, Vec::<String>::new());

    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            if path.is_dir() && !name.ends_with("tests") {
                look(&path, found);
            }
            if !name.ends_with(".rs") || name.ends_with("tests.rs") || name.ends_with("bench.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let prints = ["println!", "eprintln!", " print!(", " eprint!(", "dbg!("];
            if prints.iter().any(|print| code.contains(print)) {
                found.push(name);
            }
        }
    }
}
