//! Recorded texts with the matches that must be found in them, run through the filter.
//!
//! `cases` reads `tests/fixtures/filter/cases*.jsonl`, `evasion` reads
//! `evasion*.jsonl` beside them; both take more files from the environment, colon-separated:
//!
//! ```text
//! CALLGATE_CASES=a.jsonl:b.jsonl cargo test --test filter cases -- --nocapture
//! CALLGATE_EVASION=c.jsonl cargo test --test filter evasion -- --nocapture
//! ```
//!
//! The model (`model`) runs through the same files, so that it is known to be right.

mod engine;
mod evasions;
mod options;
mod records;

use std::path::Path;

pub use engine::Words;
pub use evasions::check_evasions;
pub use options::options_from_json;
use records::Evasion;
pub use records::{Case, fixtures, read};

/// A match as a case describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub word: String,
    pub matched: String,
    pub chars: [usize; 2],
    pub bytes: [usize; 2],
    pub utf16: [usize; 2],
}

impl Finding {
    /// The finding at these characters of a text; its other units are counted here, so that a
    /// file cannot agree with the filter in a mistake.
    pub fn at(word: &str, text: &str, chars: [usize; 2]) -> Finding {
        let before = |end: usize| text.chars().take(end);
        let bytes = chars.map(|end| before(end).map(char::len_utf8).sum());
        Finding {
            word: word.to_owned(),
            matched: text[bytes[0]..bytes[1]].to_owned(),
            chars,
            bytes,
            utf16: chars.map(|end| before(end).map(char::len_utf16).sum()),
        }
    }
}

/// What a filter made of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    pub found: Vec<Finding>,
    pub masked: String,
}

/// Runs every case of the files that is `wanted` through `run` and prints a line for each file.
///
/// Panics, after the last file, if a case of any went wrong, with all of them.
pub fn check_cases(
    files: &[impl AsRef<Path>],
    wanted: impl Fn(&Case) -> bool,
    mut run: impl FnMut(&Case) -> Result<Reading, String>,
) {
    assert!(!files.is_empty(), "no file of cases");
    let mut wrong = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        let mut cases: Vec<Case> = read(file).unwrap_or_else(|problem| panic!("{problem}"));
        cases.retain(|case| wanted(case));
        let mut failed = Vec::new();
        for case in &cases {
            if let Err(difference) = compare(case, run(case)) {
                failed.push(case.id.clone());
                wrong.push(format!(
                    "{}, {} ({}): {difference}",
                    file.display(),
                    case.id,
                    case.category
                ));
            }
        }
        print_result(file, cases.len(), &failed);
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Prints `FILE: passed N of M` and which failed.
fn print_result(file: &Path, count: usize, failed: &[String]) {
    let passed = count - failed.len();
    println!("{}: passed {passed} of {count}", file.display());
    if !failed.is_empty() {
        println!("    failed: {}", failed.join(" "));
    }
}

fn compare(case: &Case, reading: Result<Reading, String>) -> Result<(), String> {
    let reading = reading?;
    let expected = case.findings();
    if expected != reading.found {
        let found = &reading.found;
        return Err(format!("expected {expected:#?}\nfound {found:#?}"));
    }
    if case.masked != reading.masked {
        let (expected, masked) = (&case.masked, &reading.masked);
        return Err(format!("expected {expected:?}, masked {masked:?}"));
    }
    Ok(())
}

#[test]
fn filter_cases() {
    let files = fixtures("cases", "CALLGATE_CASES");
    check_cases(
        &files,
        |_| true,
        |case| {
            let options = options_from_json(&case.options)?;
            let mut words = Words::new(&case.list, &case.allow, &options)?;
            Ok(words.run(&case.text))
        },
    );
}

#[test]
fn filter_evasion() {
    let files = fixtures("evasion", "CALLGATE_EVASION");
    check_evasions(&files, |words, options| {
        let mut words = Words::new(words, &[], &options)?;
        Ok(move |text: &str| words.run(text).found)
    });
}

/// What a case that must fail says about it.
fn failure(line: &str) -> String {
    let case: Case = serde_json::from_str(line).unwrap();
    compare(
        &case,
        Words::new(&case.list, &[], &options_from_json(&case.options).unwrap())
            .map(|mut words| words.run(&case.text)),
    )
    .unwrap_err()
}

#[test]
fn wrong_word_span_and_mask_are_failures() {
    let line = |word: &str, utf16: usize, masked: &str| {
        format!(
            r#"{{"id":"1","category":"c","list":["av","b"],"text":"😀av","masked":"{masked}","expect":
            [{{"word":"{word}","matched":"av","start_char":1,"end_char":3,"start_byte":4,"end_byte":6,"start_utf16":2,"end_utf16":{utf16}}}]}}"#
        )
    };
    assert!(failure(&line("b", 4, "😀**")).contains("found"));
    assert!(failure(&line("av", 3, "😀**")).contains("found"));
    assert!(failure(&line("av", 4, "😀*")).contains("masked"));
}

#[test]
fn unreadable_file_and_bad_line_are_named() {
    let absent = read::<Case>(Path::new("tests/fixtures/absent.jsonl")).unwrap_err();
    assert!(
        absent.starts_with("tests/fixtures/absent.jsonl: "),
        "{absent}"
    );

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.jsonl");
    std::fs::write(&file, "\n{\"id\": 1}\n").unwrap();
    let bad = read::<Case>(&file).unwrap_err();
    assert!(bad.contains("bad.jsonl, line 2: "), "{bad}");

    std::fs::write(&file, "").unwrap();
    assert!(read::<Case>(&file).unwrap_err().ends_with("holds no line"));
}
