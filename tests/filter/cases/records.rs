//! Files of cases and of evasions, one JSON object a line.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Finding;

/// A text, the lists to read it with, and what must come out.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub id: String,
    pub category: String,
    pub list: Vec<String>,
    #[serde(default)]
    pub allow: Vec<String>,
    /// Only what differs from the defaults.
    #[serde(default)]
    pub options: Map<String, Value>,
    pub text: String,
    expect: Vec<Expected>,
    pub masked: String,
}

#[derive(Debug, Deserialize)]
struct Expected {
    word: String,
    matched: String,
    start_char: usize,
    end_char: usize,
    start_byte: usize,
    end_byte: usize,
    start_utf16: usize,
    end_utf16: usize,
}

impl Case {
    pub fn findings(&self) -> Vec<Finding> {
        let findings = self.expect.iter().map(|expected| Finding {
            word: expected.word.clone(),
            matched: expected.matched.clone(),
            chars: [expected.start_char, expected.end_char],
            bytes: [expected.start_byte, expected.end_byte],
            utf16: [expected.start_utf16, expected.end_utf16],
        });
        findings.collect()
    }
}

/// A benign text with one disguised word in it.
#[derive(Debug, Deserialize)]
pub struct Evasion {
    pub id: Value,
    pub kind: String,
    pub word: String,
    pub text: String,
    pub start_char: usize,
    pub end_char: usize,
}

impl Evasion {
    /// The match that must be found, and the only one.
    pub fn finding(&self) -> Finding {
        Finding::at(&self.word, &self.text, [self.start_char, self.end_char])
    }
}

/// The files whose names begin so, and those that an environment variable names.
pub fn fixtures(prefix: &str, variable: &str) -> Vec<PathBuf> {
    let folder = Path::new("tests/fixtures/filter");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".jsonl")
        })
        .collect();
    files.sort();
    let more = env::var_os(variable).unwrap_or_default();
    files.extend(env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()));
    files
}

/// Reads a file of one record a line; empty lines are none. Errors name the file and the line.
pub fn read<Record: DeserializeOwned>(file: &Path) -> Result<Vec<Record>, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let records: Vec<Record> = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| {
            serde_json::from_str(line).map_err(|error| format!("{name}, line {number}: {error}"))
        })
        .collect::<Result<_, _>>()?;
    if records.is_empty() {
        return Err(format!("{name} holds no line"));
    }
    Ok(records)
}
