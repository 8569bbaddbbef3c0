//! Runs what a page shows, and compares.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::pages::{Block, Kind};
use crate::harness::{Callgate, Setup};

/// A server on the shipped policy, and a directory like the repository around it.
pub struct Runner {
    callgate: Callgate,
}

impl Runner {
    pub fn start() -> Runner {
        let callgate = Setup::shipped().start();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["tests", "proto", "deploy", "docs"] {
            symlink(root.join(name), directory(&callgate).join(name)).unwrap();
        }
        Runner { callgate }
    }

    pub fn try_block(&mut self, block: &Block) -> Result<(), String> {
        match &block.kind {
            Kind::Run(expected) => self.run(&block.text, expected.as_deref()),
            Kind::Policy => self.policy(&block.text),
            Kind::Engine => check("engine.yaml", &block.text),
        }
    }

    /// Checks a policy; one that begins with `# policies/policy.yaml` is in force below.
    fn policy(&self, text: &str) -> Result<(), String> {
        if text.starts_with("# policies/policy.yaml") {
            fill(&self.callgate.setup().policies(), text);
            self.callgate.setup().write("policy.yaml", text);
        }
        check("policy.yaml", text)
    }

    fn run(&self, script: &str, expected: Option<&str>) -> Result<(), String> {
        let output = self.bash(script);
        let mut actual = String::from_utf8(output.stdout).unwrap();
        for (page, here) in self.names().into_iter().rev() {
            actual = actual.replace(&here, &page);
        }
        match expected {
            None if output.status.success() => Ok(()),
            None => Err(format!(
                "\n{script}\nends with {}:\n{actual}",
                output.status
            )),
            Some(expected) if prints(expected, &actual) => Ok(()),
            Some(expected) => Err(format!(
                "\n{script}\nprints\n{actual}\ninstead of\n{expected}"
            )),
        }
    }

    fn bash(&self, script: &str) -> Output {
        let mut script = script.to_owned();
        for (page, here) in self.names() {
            script = script.replace(&page, &here);
        }
        let program = Path::new(env!("CARGO_BIN_EXE_callgate"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{script}")])
            .current_dir(directory(&self.callgate))
            .env("PATH", path)
            .env("CALLGATE_SERVER", format!("http://{}", self.callgate.grpc))
            .env("CALLGATE_ADMIN", format!("http://{}", self.callgate.admin))
            .output()
            .unwrap()
    }

    /// The documents' names for the program and its ports, and those of this test.
    fn names(&self) -> Vec<(String, String)> {
        let program = env!("CARGO_BIN_EXE_callgate").to_owned();
        let Callgate {
            grpc, http, admin, ..
        } = &self.callgate;
        vec![
            ("cargo run --release --".to_owned(), program.clone()),
            ("target/release/callgate".to_owned(), program),
            ("127.0.0.1:50051".to_owned(), grpc.to_string()),
            ("127.0.0.1:10006".to_owned(), http.to_string()),
            ("127.0.0.1:10007".to_owned(), admin.to_string()),
        ]
    }
}

fn directory(callgate: &Callgate) -> PathBuf {
    callgate.setup().policies().parent().unwrap().to_owned()
}

/// Whether a file of `policies/` is without errors, everything that it names being there.
fn check(name: &str, text: &str) -> Result<(), String> {
    let setup = Setup::new("hooks: {}\n");
    if name == "engine.yaml" {
        fs::remove_file(setup.policies().join(name)).unwrap();
    }
    setup.write(name, text);
    fill(&setup.policies(), text);
    let output = setup.run(&["check"]);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "\n{text}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Writes the files that a policy names, where they are missing.
fn fill(policies: &Path, text: &str) {
    for file in named_files(text) {
        let path = policies.join(file);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content_of(file)).unwrap();
        }
    }
}

/// What stands behind `file:`, `include:` and the like.
fn named_files(text: &str) -> Vec<&str> {
    let keys = ["file: ", "include: ", "secret_file: "];
    let found = keys.iter().flat_map(|key| text.split(key).skip(1));
    found
        .filter_map(|rest| rest.split([',', '}', '\n', ' ']).next())
        .filter(|file| !file.is_empty())
        .collect()
}

fn content_of(file: &str) -> &'static str {
    match file {
        file if file.ends_with(".yml") => include_str!("../../fixtures/config/webhooks.yml"),
        file if file.contains("secret") || file.contains("key") => {
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
        }
        _ => "an entry\n",
    }
}

/// Whether what was printed is what is expected, `…` standing for anything.
pub fn prints(expected: &str, actual: &str) -> bool {
    let expected: Vec<_> = expected.trim_end().lines().collect();
    let actual: Vec<_> = actual.trim_end().lines().collect();
    lines_match(&expected, &actual)
}

fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"…", rest)) => (0..=actual.len()).any(|skip| lines_match(rest, &actual[skip..])),
        Some((first, rest)) => {
            !actual.is_empty() && line_matches(first, actual[0]) && lines_match(rest, &actual[1..])
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
