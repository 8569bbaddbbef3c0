//! What `callgate test` says: for people and, as JSON, for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::output::plain;
use crate::policy::{Coverage, Covered, Covering, Ran, Snapshot};

/// The results of all cases.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub ok: bool,
    pub policy_hash: String,
    pub cases: usize,
    pub decisions: usize,
    pub failed: usize,
    pub results: Vec<Ran>,
    pub coverage: Covering,
}

impl Report {
    pub(super) fn new(snapshot: &Snapshot, results: Vec<Ran>, coverage: &Coverage) -> Report {
        let failed = results.iter().filter(|ran| !ran.is_good()).count();
        Report {
            ok: failed == 0,
            policy_hash: snapshot.version.hash.to_string(),
            cases: results.len(),
            decisions: results.iter().map(|ran| ran.decisions.len()).sum(),
            failed,
            coverage: coverage.of(snapshot),
            results,
        }
    }

    pub(super) fn text(&self, verbose: bool) -> String {
        let mut out = String::new();
        for ran in &self.results {
            push_case(&mut out, ran, verbose);
        }
        self.push_coverage(&mut out, verbose);
        out.push_str(&match self.failed {
            0 => format!("good: {} cases, {} decisions", self.cases, self.decisions),
            failed => format!("{failed} of {} cases failed", self.cases),
        });
        out.push_str(&format!(", policy {}\n", self.policy_hash));
        out
    }

    fn push_coverage(&self, out: &mut String, verbose: bool) {
        let Covering {
            lists,
            hooks,
            failures,
        } = &self.coverage;
        let lists: BTreeMap<String, &Covered> = lists
            .iter()
            .map(|(name, covered)| (format!("list {name}"), covered))
            .collect();
        let others = [
            ("hooks".to_owned(), hooks),
            ("failures of hooks".to_owned(), failures),
        ];
        for (name, covered) in lists.into_iter().chain(others) {
            let Covered { seen, all, missing } = covered;
            out.push_str(&format!("{name}: {seen} of {all} at work in a case"));
            if verbose && !missing.is_empty() {
                let more = if all - seen > missing.len() {
                    ", …"
                } else {
                    ""
                };
                out.push_str(&plain(&format!("; not {}{more}", missing.join(", "))));
            }
            out.push('\n');
        }
    }
}

fn push_case(out: &mut String, ran: &Ran, verbose: bool) {
    if ran.is_good() && !verbose {
        return;
    }
    let word = if ran.is_good() { "good" } else { "FAIL" };
    let micros = ran.decisions.iter().filter_map(|made| made.micros).max();
    let micros = micros.map_or(String::new(), |micros| format!(", at most {micros} µs"));
    out.push_str(&plain(&format!(
        "{word} {}:{}: {} ({} decisions{micros})",
        ran.file,
        ran.line,
        ran.name,
        ran.decisions.len()
    )));
    out.push('\n');
    for made in ran.decisions.iter().filter(|made| !made.faults.is_empty()) {
        out.push_str(&plain(&format!("  {made}")));
        out.push('\n');
        for fault in &made.faults {
            out.push_str(&plain(&format!("    {fault}")));
            out.push('\n');
        }
    }
}
