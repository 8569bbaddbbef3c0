//! The operator's tools for word lists, as commands: `check`, `import words`, `fuzz`.

use std::process::Output;

use crate::harness::Setup;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn check_exit(output: &Output, code: i32) {
    let both = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{both}");
}

const ONE_LIST: &str = "lists: {l: {file: lists/l.txt}}\nhooks: {beforeMsgModify: {}}\n";

/// A policy of one list.
fn one_list(words: &str) -> Setup {
    let setup = Setup::new(ONE_LIST);
    std::fs::create_dir(setup.policies().join("lists")).unwrap();
    setup.write("lists/l.txt", words);
    setup
}

#[test]
fn check_warns_of_entries_that_are_no_good_and_still_passes() {
    let setup = one_list("网上赌场\n# the same once more\n網上賭場\n日\n");
    let output = setup.run(&["check"]);
    check_exit(&output, 0);
    let said = text(&output.stdout);
    for line in [
        "lists/l.txt:3:1: `網上賭場` is the same as `网上赌场` (line 1) once both are folded",
        "lists/l.txt:4:1: `日` is one character",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert!(said.contains(": good, 3 warning(s)"), "{said}");

    let json = setup.run(&["check", "--json"]);
    check_exit(&json, 0);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["warnings"], 3);
    assert_eq!(report["problems"][0]["line"], 3);
    assert_eq!(report["problems"][0]["severity"], "warning");
}

#[test]
fn a_list_with_errors_is_not_judged_further() {
    let output = one_list("日\n\u{200b}\n").run(&["check"]);
    check_exit(&output, 1);
    let said = text(&output.stdout);
    assert!(
        said.contains("l.txt:2:1: the entry is nothing but"),
        "{said}"
    );
    assert!(!said.contains("one character"), "{said}");
}
