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
    assert!(said.contains(": good, 4 warning(s)"), "{said}");

    let json = setup.run(&["check", "--json"]);
    check_exit(&json, 0);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["warnings"], 4);
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

/// Runs `import words` on a file with this content; `args` may say `FILE` and `OUT`.
fn import(name: &str, content: &[u8], args: &[&str]) -> (Setup, Output) {
    let setup = Setup::new("");
    setup.write(name, content);
    let file = setup.policies().join(name);
    let out = setup.policies().join("out.txt");
    let args: Vec<&str> = args
        .iter()
        .map(|arg| match *arg {
            "FILE" => file.to_str().unwrap(),
            "OUT" => out.to_str().unwrap(),
            arg => arg,
        })
        .collect();
    let output = setup.run(&[&["import", "words"], &args[..]].concat());
    (setup, output)
}

#[test]
fn an_imported_list_goes_to_standard_output_and_the_report_beside_it() {
    // `赌博网站 1,赌博` in GBK, once more, and a line of stars.
    let gbk = b"\xb6\xc4\xb2\xa9\xcd\xf8\xd5\xbe 1,\xb6\xc4\xb2\xa9\n\xb6\xc4\xb2\xa9\xcd\xf8\xd5\xbe 2,x\n*** 2,x\n";
    let (_, output) = import("words.txt", gbk, &["FILE"]);
    check_exit(&output, 0);
    assert_eq!(text(&output.stdout), "赌博网站\t1,赌博,2,x\n");
    let said = text(&output.stderr);
    for line in [
        "words.txt:2: `赌博网站` is left out: repeated, it stands in line 1\n",
        "words.txt:3: `***` is left out: there is nothing but `*`\n",
        "words.txt: 1 entries, 2 left out, read as tags in gb18030\n",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
}

#[test]
fn an_imported_list_is_good_for_a_policy() {
    let discord = "badger*, *ferret*, 赌博网站, \\#x, #y";
    let (setup, output) = import("words.txt", discord.as_bytes(), &["FILE", "-o", "OUT"]);
    check_exit(&output, 0);
    assert_eq!(text(&output.stdout), "");
    setup.write(
        "policy.yaml",
        "lists: {l: {file: out.txt}}\nhooks: {beforeMsgModify: {}}\n",
    );
    let output = setup.run(&["check"]);
    check_exit(&output, 0);
    assert!(text(&output.stdout).contains("good, 0 warning(s)"));
    let output = setup.run(&["explain", "two ferrets"]);
    assert!(
        text(&output.stdout).contains("*ferret*"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_file_is_not_written_over_unless_forced() {
    let (setup, output) = import("words.txt", b"casino", &["FILE", "-o", "FILE"]);
    check_exit(&output, 1);
    assert!(text(&output.stderr).contains("exists; --force writes over it"));
    let file = setup.policies().join("words.txt");
    assert_eq!(std::fs::read(&file).unwrap(), b"casino");
    let (setup, output) = import("words.txt", b"casino", &["FILE", "-o", "FILE", "--force"]);
    check_exit(&output, 0);
    let file = setup.policies().join("words.txt");
    assert_eq!(std::fs::read(&file).unwrap(), b"casino\n");
}

#[test]
fn what_is_lost_fails_a_strict_import() {
    let (_, output) = import("words.txt", b"casino\nre:x+\n", &["FILE"]);
    check_exit(&output, 0);
    let (_, output) = import("words.txt", b"casino\nre:x+\n", &["FILE", "--strict"]);
    check_exit(&output, 1);
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("1 piece(s) cannot be taken over"));
    let (_, output) = import("words.txt", b"casino\n# x\ncasino\n", &["FILE", "--strict"]);
    check_exit(&output, 0);
}

#[test]
fn an_import_that_cannot_be_is_one_clear_message() {
    let said = |name: &str, content: &[u8], args: &[&str]| {
        let (_, output) = import(name, content, args);
        check_exit(&output, 1);
        assert_eq!(text(&output.stdout), "");
        text(&output.stderr).to_owned()
    };
    assert!(said("a.txt", b"# nothing\n", &["FILE"]).contains("holds no word"));
    assert!(said("a.json", b"[\"a\",", &["FILE"]).contains("a.json: this is no JSON: EOF"));
    assert!(said("a.txt", b"", &["nowhere.txt"]).contains("nowhere.txt cannot be read: "));
    let encoding = said("a.txt", b"a", &["FILE", "--encoding", "x"]);
    assert!(encoding.contains("there is no encoding `x`"), "{encoding}");
    let column = said("a.csv", b"a,b\n", &["FILE", "--column", "word"]);
    assert!(column.contains("no column `word`"), "{column}");
    let sign = said("a.csv", "a,b\n".as_bytes(), &["FILE", "--delimiter", "，"]);
    assert!(sign.contains("--delimiter `，`"), "{sign}");
}

#[test]
fn an_import_reports_in_json_too() {
    let (_, output) = import("a.txt", b"x1\nx1\n# y\n", &["FILE", "--json", "-o", "OUT"]);
    check_exit(&output, 0);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["entries"], 1);
    assert_eq!(report["format"], "plain");
    assert_eq!(report["dropped"][0]["line"], 2);
    assert_eq!(report["dropped"][0]["reason"], "repeated");
    assert_eq!(report["dropped"][0]["first"], 1);
    assert_eq!(report["dropped"][1]["reason"], "comment");
}

fn json_of(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

/// The line of a report about one kind: option, on, tried, found, recall.
fn row<'a>(said: &'a str, kind: &str) -> Vec<&'a str> {
    let line = said
        .lines()
        .find(|line| line.split_whitespace().next() == Some(kind));
    let line = line.unwrap_or_else(|| panic!("no {kind} in:\n{said}"));
    line.split_whitespace().skip(1).collect()
}

#[test]
fn fuzz_says_what_a_list_sees_through_and_what_it_hits_wrongly() {
    let setup = one_list("代开发票\ncasino\n# everyday\n明天\n");
    let output = setup.run(&["fuzz", "l"]);
    check_exit(&output, 0);
    let said = text(&output.stdout);
    assert_eq!(
        row(said, "plain"),
        ["-", "yes", "9", "9", "100.0%"],
        "{said}"
    );
    assert_eq!(row(said, "trad")[2], "yes", "{said}");
    assert_eq!(row(said, "space")[2..4], ["no", "9"], "{said}");
    assert!(
        said.contains("lists/l.txt:4: `明天` in `减肥从明天开始`"),
        "{said}"
    );
    assert!(
        said.contains("1106 everyday messages, 12 false hits"),
        "{said}"
    );
}

#[test]
fn fuzz_makes_the_same_disguises_for_the_same_seed() {
    let setup = one_list("代开发票\ncasino\n");
    let report = |seed: &str| {
        let output = setup.run(&["fuzz", "l", "--json", "--seed", seed]);
        check_exit(&output, 0);
        json_of(&output)
    };
    assert_eq!(report("7"), report("7"));
    assert_ne!(report("7"), report("8"));
}

#[test]
fn thresholds_make_fuzz_fail() {
    let setup = one_list("代开发票\n明天\n");
    check_exit(
        &setup.run(&["fuzz", "l", "--min-recall", "1", "--max-false-hits", "11"]),
        0,
    );
    let output = setup.run(&["fuzz", "l", "--max-false-hits", "10"]);
    check_exit(&output, 1);
    let said = text(&output.stdout);
    assert!(
        said.contains("threshold missed: 11 false hits, more than 10"),
        "{said}"
    );
    // A phrase that spares the word makes the list blind to it.
    setup.write(
        "policy.yaml",
        "lists: {l: {words: [代开发票]}, a: {words: [代开发票], action: allow}}\nhooks: {beforeMsgModify: {}}\n",
    );
    let output = setup.run(&[
        "fuzz",
        "l",
        "--min-recall",
        "0.9",
        "--kinds",
        "plain,space",
        "--json",
    ]);
    check_exit(&output, 1);
    let report = json_of(&output);
    assert_eq!(report["missed"][0], "plain: 0.0% found, less than 90.0%");
    assert_eq!(report["missed"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["kinds"][0]["misses"][0]["entry"], "代开发票");
}

#[test]
fn fuzz_reads_a_file_and_messages_of_ones_own() {
    let setup = one_list("casino\ncat*\nre:c.t\n");
    let file = setup.policies().join("lists/l.txt");
    setup.write("chat.txt", "my cat\n# no message: cat\nthe casino\nhello\n");
    let chat = setup.policies().join("chat.txt");
    let output = setup.run(&[
        "fuzz",
        file.to_str().unwrap(),
        "--benign",
        chat.to_str().unwrap(),
        "--limit",
        "1",
    ]);
    check_exit(&output, 0);
    let said = text(&output.stdout);
    assert!(
        said.contains("2 words, 1 of them tried, 1 patterns left out"),
        "{said}"
    );
    assert!(said.contains("3 everyday messages, 2 false hits"), "{said}");
    assert!(said.contains("l.txt:1: `casino` in `the casino`"), "{said}");
}

#[test]
fn a_list_that_cannot_be_tried_is_one_clear_message() {
    let setup = Setup::new(
        "lists: {words: {words: [damn]}, fine: {words: [damn good], action: allow}}\nhooks: {beforeMsgModify: {}}\n",
    );
    let refused = |args: &[&str], expected: &str| {
        let output = setup.run(&[&["fuzz"], args].concat());
        check_exit(&output, 1);
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{said}");
    };
    refused(&["wrods"], "no list named `wrods`; did you mean `words`?");
    refused(&["fine"], "the list `fine` only spares");
    setup.write("bad.txt", "good\n\u{200b}\n");
    let bad = setup.policies().join("bad.txt");
    refused(
        &[bad.to_str().unwrap()],
        "bad.txt:2: the entry is nothing but blanks",
    );
    check_exit(&setup.run(&["fuzz"]), 2);
    check_exit(&setup.run(&["fuzz", "words", "--kinds", "klingon"]), 2);
    check_exit(&setup.run(&["fuzz", "words", "--min-recall", "2"]), 2);
}

#[test]
fn fuzz_prints_a_table_for_documentation() {
    let output = Setup::new("").run(&["fuzz", "--table"]);
    check_exit(&output, 0);
    let said = text(&output.stdout);
    assert!(said.starts_with("| written so | for example |"), "{said}");
    let traditional = said
        .lines()
        .find(|line| line.contains("traditional characters"));
    let traditional = traditional.unwrap();
    assert!(
        traditional.contains("| `trad: true` | yes | 100.0% of "),
        "{traditional}"
    );
    // And the documentation has it as it is.
    let page = include_str!("../../docs/operator/word-lists.md");
    for line in said.lines() {
        assert!(
            page.lines().any(|known| known == line),
            "docs/operator/word-lists.md lacks what `callgate fuzz --table` prints: {line}"
        );
    }
    let rows = |text: &str| text.lines().filter(|line| line.contains("% of ")).count();
    assert_eq!(rows(page), rows(said), "the page has rows of its own");
}
