//! README and docs: every command in them is run, and every policy in them is compiled.
//!
//! A page's blocks run in their order, in a directory with the shipped `policies/`, beside a
//! server that runs on them; each page has a directory and a server of its own.
//!
//! - `sh`: run by bash, and must succeed. A `text` block behind it is what it must print, to
//!   standard output and standard error together; `…` stands for anything within a line, and a
//!   line `…` for any lines. `callgate` and `target/release/callgate` are the program under test,
//!   the three default ports those of the server.
//! - `text` that begins with `$ `: the same, commands and what they print in one block.
//! - `yaml`: `policy.yaml`, or `engine.yaml` if its first line is a comment that names it, and
//!   must be without errors. The files that it names exist. A first line
//!   `# policies/policy.yaml` puts it in force for the commands below it.
//! - `<!-- not run: reason -->` on the line above leaves a block alone.

mod pages;
mod runner;

use std::fs;
use std::path::Path;

use pages::{Block, Page, pages};
use runner::Runner;

#[test]
fn every_command_and_policy_in_the_documents_works() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for page in pages() {
        let mut runner = None;
        for block in &page.blocks {
            let runner = runner.get_or_insert_with(Runner::start);
            tried += 1;
            if let Err(what) = runner.try_block(block) {
                wrong.push(format!("{}:{}: {what}", page.name, block.line));
            }
        }
    }
    println!("{tried} blocks");
    assert!(tried > 10, "only {tried} blocks were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let wrong: Vec<_> = pages().iter().flat_map(Page::broken_links).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let readme = include_str!("../../../README.md");
    assert!(readme.len() <= 10_000, "{} bytes", readme.len());
}

#[test]
fn the_reader_of_pages_finds_what_is_to_be_tried() {
    let text = "x\n```sh\necho 1\n```\n\n```text\n1 …\n```\n<!-- not run: needs a moon -->\n```sh\n\
                moon\n```\n```text\nprose\n```\n```text\n$ echo 2\n2\n```\n```yaml\nhooks: {}\n```\n";
    let page = Page::read("page.md", text);
    let found: Vec<_> = page.blocks.iter().map(Block::summary).collect();
    assert_eq!(
        found,
        ["2 run echo 1 -> 1 …", "16 run echo 2 -> 2", "20 policy"]
    );
}

#[test]
fn a_block_without_its_reason_is_not_left_out() {
    let page = Page::read("page.md", "<!-- not run: -->\n```sh\necho 1\n```\n");
    assert_eq!(page.blocks.len(), 1);
}

#[test]
fn the_runner_finds_what_is_wrong() {
    let check = |expected: &str, actual: &str, same: bool| {
        assert_eq!(
            runner::prints(expected, actual),
            same,
            "{expected:?} {actual:?}"
        );
    };
    check("allow", "allow", true);
    check("allow", "block", false);
    check("policy 1-…", "policy 1-abc", true);
    check("a … b … c", "a 1 b 2 c", true);
    check("a … b", "a 1 c", false);
    check("a\n…\nz", "a\nb\nc\nz", true);
    check("a\n…\nz", "a\nb", false);
    check("a", "a\nb", false);
    let mut runner = Runner::start();
    let mut failed = |text: &str| {
        let page = Page::read("page.md", text);
        runner.try_block(&page.blocks[0]).err()
    };
    assert!(failed("```sh\nfalse\n```\n").is_some());
    assert!(failed("```sh\necho 1\n```\n```text\n2\n```\n").is_some());
    assert!(failed("```yaml\nhoks: {}\n```\n").is_some());
    assert!(failed("```yaml\n# engine.yaml\nhtpp: {}\n```\n").is_some());
    let good = "```yaml\n# engine.yaml\nhttp: {listen: \"127.0.0.1:0\"}\n```\n";
    assert_eq!(failed(good), None);
}

/// The first string behind each `register`, in the source of the metrics.
fn registered() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/telemetry/metrics");
    let files = fs::read_dir(root).unwrap().map(|file| file.unwrap().path());
    let sources = files.filter(|path| path.is_file());
    sources
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let calls = text.split(".register").skip(1);
            let names = calls.filter_map(|call| call.split('"').nth(1).map(str::to_owned));
            names.collect::<Vec<_>>()
        })
        .filter(|name| {
            name.chars()
                .all(|letter| letter == '_' || letter.is_ascii_lowercase())
        })
        .collect()
}

#[test]
fn every_metric_is_in_the_documents() {
    let page = include_str!("../../../docs/operator/metrics.md");
    let registered = registered();
    assert!(registered.len() > 30, "{registered:?}");
    let missing: Vec<_> = registered
        .iter()
        .filter(|name| !page.contains(&format!("`callgate_{name}")))
        .collect();
    assert!(missing.is_empty(), "not in metrics.md: {missing:?}");
}
