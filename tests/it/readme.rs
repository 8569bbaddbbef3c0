//! The README's examples are run, and must print what it says.
//!
//! A line `<!-- test -->` directly above a `sh` block marks it. The block is run by bash in the
//! repository, with a server running on the shipped policy: `callgate`, `target/release/callgate`
//! and `cargo run --release --` are the program under test, and the three default ports are those
//! of the server. A `text` block that follows is what it must print, to standard output and
//! standard error together; `…` stands for anything within a line, and a line `…` for any lines.

use std::path::Path;
use std::process::Command;

use crate::harness::{Callgate, Setup};

struct Example {
    /// Line in the README, from 1.
    line: usize,
    script: String,
    expected: Option<String>,
}

fn examples(readme: &str) -> Vec<Example> {
    let lines: Vec<_> = readme.lines().collect();
    let mut examples = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.trim() != "<!-- test -->" {
            continue;
        }
        assert_eq!(
            lines.get(at + 1),
            Some(&"```sh"),
            "line {}: no sh block",
            at + 1
        );
        let (script, end) = block(&lines, at + 2);
        let next = (end..lines.len()).find(|at| !lines[*at].trim().is_empty());
        let expected = next
            .filter(|at| lines[*at] == "```text")
            .map(|at| block(&lines, at + 1).0);
        examples.push(Example {
            line: at + 1,
            script,
            expected,
        });
    }
    examples
}

/// The lines up to the closing fence, and the line after it.
fn block(lines: &[&str], start: usize) -> (String, usize) {
    let length = lines[start..].iter().position(|line| *line == "```");
    let end = start + length.expect("the block is closed");
    (lines[start..end].join("\n"), end + 1)
}

/// The README's names for the program and its ports, and those of this test.
fn names(callgate: &Callgate) -> Vec<(String, String)> {
    let program = env!("CARGO_BIN_EXE_callgate").to_owned();
    vec![
        ("cargo run --release --".to_owned(), program.clone()),
        ("target/release/callgate".to_owned(), program),
        ("127.0.0.1:50051".to_owned(), callgate.grpc.to_string()),
        ("127.0.0.1:10006".to_owned(), callgate.http.to_string()),
        ("127.0.0.1:10007".to_owned(), callgate.admin.to_string()),
    ]
}

fn run(callgate: &Callgate, script: &str) -> String {
    let mut script = script.to_owned();
    for (readme, here) in names(callgate) {
        script = script.replace(&readme, &here);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_callgate"));
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env(
            "PATH",
            format!("{}:{path}", program.parent().unwrap().display()),
        )
        .env("CALLGATE_SERVER", format!("http://{}", callgate.grpc))
        .env("CALLGATE_POLICIES", callgate.setup().policies())
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    for (readme, here) in names(callgate).into_iter().rev() {
        text = text.replace(&here, &readme);
    }
    text
}

/// Whether lines match, `…` standing for anything.
fn matches(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"…", rest)) => (0..=actual.len()).any(|skip| matches(rest, &actual[skip..])),
        Some((first, rest)) => {
            !actual.is_empty() && line_matches(first, actual[0]) && matches(rest, &actual[1..])
        }
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let (expected, actual) = (expected.trim_end(), actual.trim_end());
    match expected.split_once('…') {
        None => expected == actual,
        Some((start, rest)) => actual.strip_prefix(start).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.into_iter().any(|at| line_matches(rest, &left[at..]))
        }),
    }
}

#[test]
fn examples_print_what_the_readme_says() {
    let readme = include_str!("../../README.md");
    let examples = examples(readme);
    println!("{} examples", examples.len());
    let callgate = Setup::shipped().start();
    let mut wrong = Vec::new();
    for example in examples {
        let actual = run(&callgate, &example.script);
        let Some(expected) = example.expected else {
            continue;
        };
        let same = matches(
            &expected.lines().collect::<Vec<_>>(),
            &actual.trim_end().lines().collect::<Vec<_>>(),
        );
        if !same {
            wrong.push(format!(
                "README.md:{}:\n{}\nprints\n{actual}\ninstead of\n{expected}",
                example.line, example.script
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn the_runner_finds_what_is_wrong() {
    let readme = "x\n<!-- test -->\n```sh\necho 1\n```\n\n```text\n1 …\n```\n```sh\nnot run\n```\n";
    let found = examples(readme);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, found[0].script.as_str()), (2, "echo 1"));
    assert_eq!(found[0].expected.as_deref(), Some("1 …"));
    let check = |expected: &str, actual: &str, same: bool| {
        let expected: Vec<_> = expected.lines().collect();
        let actual: Vec<_> = actual.lines().collect();
        assert_eq!(matches(&expected, &actual), same, "{expected:?} {actual:?}");
    };
    check("allow", "allow", true);
    check("allow", "block", false);
    check("policy 1-…", "policy 1-abc", true);
    check("a … b … c", "a 1 b 2 c", true);
    check("a … b", "a 1 c", false);
    check("a\n…\nz", "a\nb\nc\nz", true);
    check("a\n…\nz", "a\nb", false);
    check("a", "a\nb", false);
}
