//! Whether a policy keeps to what it expects of a change.

use super::super::budget::{Allowed, Budget};
use super::super::snapshot::Snapshot;
use super::call::RecordedCall;
use super::differences::{Change, Differences, Report};
use crate::settings::{At, Problem, Severity};

/// Causes that a refusal names.
const NAMED_MAX: usize = 5;

/// How much a change may change, as one policy says it.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    budget: &'a Budget,
    /// How many recorded calls are judged at most, the newest.
    pub calls_max: usize,
}

impl Snapshot {
    /// What the change to this policy is held to; `None`: to nothing. A policy that says nothing any
    /// more is held to what the one before said: nothing else comes in with that edit.
    pub fn expected_after<'a>(&'a self, ruling: &'a Snapshot) -> Option<Expected<'a>> {
        let budget = self.budget.as_ref().or(ruling.budget.as_ref())?;
        Some(Expected {
            budget,
            calls_max: budget.calls_max,
        })
    }
}

impl Expected<'_> {
    /// Judges the change from `ruling` to `candidate`. `calls` are `None` where none are recorded.
    ///
    /// What comes back keeps the policy from coming into force if an error is among it.
    pub fn weigh(
        &self,
        ruling: &Snapshot,
        candidate: &Snapshot,
        calls: Option<&[RecordedCall]>,
    ) -> Vec<Problem> {
        let budget = self.budget;
        let at = budget.blocks.as_ref().or(budget.freed.as_ref());
        let Some(at) = at.map(|allowed| &allowed.at) else {
            return Vec::new();
        };
        let Some(calls) = calls else {
            let what = "the change is not judged: no call is recorded".to_owned();
            let hint = "set `recordings.enabled` in engine.yaml";
            return vec![problem(at, what, hint, Severity::Warning)];
        };
        let mut differences = Differences::default();
        for call in calls {
            differences.judge(ruling, candidate, call);
        }
        let judged = differences.judged();
        if judged < budget.calls_min as u64 {
            let what = format!(
                "the change is not judged: {judged} recorded calls can be, and it takes {}",
                budget.calls_min
            );
            let hint = "wait for more, raise `recordings.share` or lower `expect.calls_min`";
            return vec![problem(at, what, hint, Severity::Warning)];
        }
        let report = differences.report();
        let checks = [
            (
                &budget.blocks,
                Change::Blocked,
                report.blocked,
                "newly blocked",
            ),
            (
                &budget.freed,
                Change::Freed,
                report.freed,
                "no longer blocked",
            ),
        ];
        let over = checks
            .into_iter()
            .filter_map(|(allowed, change, count, word)| {
                let allowed = allowed.as_ref()?;
                if allowed.holds(count, judged) {
                    return None;
                }
                Some(refusal(allowed, &report, change, count, word))
            });
        over.collect()
    }
}

fn refusal(allowed: &Allowed, report: &Report, change: Change, count: u64, word: &str) -> Problem {
    let share = 100.0 * count as f64 / report.judged as f64;
    let mut what = format!(
        "{count} of {} recorded calls would be {word} ({share:.2} %), and {allowed} may be",
        report.judged
    );
    let groups = report.groups.iter();
    let of_change = groups.filter(|group| group.change == change.name());
    let causes: Vec<String> = of_change
        .clone()
        .take(NAMED_MAX)
        .map(|group| {
            let cause = &group.cause;
            let entry = cause.entry.as_ref();
            let entry = entry.map_or_else(String::new, |entry| format!(" `{entry}`"));
            format!("{} {}{entry} ({})", cause.rule, cause.name, group.count)
        })
        .collect();
    if !causes.is_empty() {
        what += &format!(": {}", causes.join(", "));
    }
    let more = of_change.count().saturating_sub(NAMED_MAX);
    if more > 0 {
        what += &format!(" and {more} more");
    }
    let hint = "mend the edit, or `callgate reload --force --reason …` if it is meant so";
    problem(&allowed.at, what, hint, Severity::Error)
}

fn problem(at: &At, what: String, hint: &str, severity: Severity) -> Problem {
    Problem {
        file: at.place.file.to_string(),
        line: at.place.line,
        column: at.place.column,
        path: at.path.clone(),
        what,
        hint: hint.to_owned(),
        severity,
    }
}
