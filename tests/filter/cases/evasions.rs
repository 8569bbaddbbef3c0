//! Recall for each way of hiding a word in a benign text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use callgate::filter::Options;

use super::{Evasion, Finding, options_from_json, print_result, read};

/// What it takes to see through every kind in the files: the defaults, and signs, blanks and
/// repeated letters inside a word.
const EVASION_OPTIONS: &str = r#"{"skip": ["space", "punct", "symbol"], "repeat": 3}"#;

/// Runs every evasion of the files through the filter that `build` makes of all words of a
/// file, and prints a line for each file and for each kind.
///
/// Panics, after the last file, if a word was not found exactly where it is, or another was.
pub fn check_evasions<Find: FnMut(&str) -> Vec<Finding>>(
    files: &[impl AsRef<Path>],
    mut build: impl FnMut(&[String], Options) -> Result<Find, String>,
) {
    assert!(!files.is_empty(), "no file of evasions");
    let options: serde_json::Map<_, _> =
        serde_json::from_str(EVASION_OPTIONS).expect("the text above is an object");
    let mut wrong = Vec::new();
    for file in files.iter().map(AsRef::as_ref) {
        let evasions: Vec<Evasion> = read(file).unwrap_or_else(|problem| panic!("{problem}"));
        let words: BTreeSet<&String> = evasions.iter().map(|evasion| &evasion.word).collect();
        let words: Vec<String> = words.into_iter().cloned().collect();
        let options = options_from_json(&options).expect("the text above names options");
        let mut find = match build(&words, options) {
            Ok(find) => find,
            Err(problem) => panic!("{}: {problem}", file.display()),
        };
        let mut kinds: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
        let mut failed = Vec::new();
        for evasion in &evasions {
            let (expected, found) = (evasion.finding(), find(&evasion.text));
            let hit = found.contains(&expected);
            let false_hits = found.len() - usize::from(hit);
            let [texts, hits, beside] = kinds.entry(&evasion.kind).or_default();
            *texts += 1;
            *hits += usize::from(hit);
            *beside += false_hits;
            if !hit || false_hits > 0 {
                failed.push(evasion.id.to_string());
                wrong.push(format!(
                    "{}, {} ({}): expected {expected:?} alone\nfound {found:?}",
                    file.display(),
                    evasion.id,
                    evasion.kind,
                ));
            }
        }
        print_result(file, evasions.len(), &failed);
        for (kind, [texts, hits, beside]) in kinds {
            println!("    {kind:<10} recall {hits} of {texts}, false hits {beside}");
        }
    }
    let first = wrong.iter().take(20).cloned().collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        first.join("\n")
    );
}
