//! What a page of the documents has in it that can be tried.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Page {
    /// Relative to the repository.
    pub name: String,
    text: String,
    pub blocks: Vec<Block>,
}

pub struct Block {
    /// Line of the fence, from 1.
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

pub enum Kind {
    /// A script, and what it must print.
    Run(Option<String>),
    Policy,
    Engine,
}

impl Block {
    pub fn summary(&self) -> String {
        let Block { line, text, .. } = self;
        match &self.kind {
            Kind::Run(None) => format!("{line} run {text}"),
            Kind::Run(Some(expected)) => format!("{line} run {text} -> {expected}"),
            Kind::Policy => format!("{line} policy"),
            Kind::Engine => format!("{line} engine"),
        }
    }
}

/// README.md and every page below docs/.
pub fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md")];
    collect(&root.join("docs"), &mut paths);
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        Page::read(name, &fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

impl Page {
    pub fn read(name: &str, text: &str) -> Page {
        let lines: Vec<_> = text.lines().collect();
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let Some(language) = lines[at].strip_prefix("```") else {
                at += 1;
                continue;
            };
            let (body, end) = body(&lines, at + 1);
            if at == 0 || !is_left_out(lines[at - 1]) {
                blocks.extend(block(&lines, at, language, body, end));
            }
            at = end;
        }
        Page {
            name: name.to_owned(),
            text: text.to_owned(),
            blocks,
        }
    }

    /// Links to files that are not there.
    pub fn broken_links(&self) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = root.join(&self.name).parent().unwrap().to_owned();
        let targets = self.text.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        targets
            .filter(|target| !target.contains("://") && !target.starts_with('#'))
            .filter(|target| {
                let file = target.split('#').next().unwrap();
                !directory.join(file).exists()
            })
            .map(|target| format!("{}: `{target}` is not there", self.name))
            .collect()
    }
}

/// The lines up to the closing fence, and the line after it.
fn body(lines: &[&str], start: usize) -> (String, usize) {
    let length = lines[start..].iter().position(|line| *line == "```");
    let end = start + length.expect("the block is closed");
    (lines[start..end].join("\n"), end + 1)
}

fn is_left_out(line: &str) -> bool {
    let reason = line.trim().strip_prefix("<!-- not run:");
    reason.is_some_and(|rest| !rest.trim_end_matches("-->").trim().is_empty())
}

fn block(lines: &[&str], at: usize, language: &str, body: String, end: usize) -> Option<Block> {
    let (kind, text) = match language {
        "sh" => (Kind::Run(expected(lines, end)), body),
        "text" if body.starts_with("$ ") => {
            let (command, output) = body.split_once('\n').unwrap_or((&body, ""));
            (
                Kind::Run(Some(output.to_owned())),
                command["$ ".len()..].to_owned(),
            )
        }
        "yaml" if body.lines().next()?.contains("engine.yaml") => (Kind::Engine, body),
        "yaml" => (Kind::Policy, body),
        _ => return None,
    };
    Some(Block {
        line: at + 1,
        kind,
        text,
    })
}

/// What the block before line `end` must print, if the next thing is a block that says so.
fn expected(lines: &[&str], end: usize) -> Option<String> {
    let next = (end..lines.len()).find(|at| !lines[*at].trim().is_empty())?;
    let (output, _) = (lines[next] == "```text").then(|| body(lines, next + 1))?;
    (!output.starts_with("$ ")).then_some(output)
}
