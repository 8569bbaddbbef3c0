//! What messages came to in the last hour, day or week.

use std::collections::BTreeMap;
use std::sync::Arc;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::admin::lately::Minutes;
use crate::admin::shown::Admin;
use crate::history::{Counts, Filter, History, HistoryError};
use crate::telemetry::CameTo;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;

/// How far back one looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
pub(super) enum Range {
    /// Counted since the start of the process, and never late.
    #[default]
    #[strum(serialize = "1h")]
    Hour,
    #[strum(serialize = "24h")]
    Day,
    #[strum(serialize = "7d")]
    Week,
}

impl Range {
    /// The time that one column stands for, and how many there are.
    fn columns(self) -> (u64, u64) {
        match self {
            Range::Hour => (MINUTE_S, 60),
            Range::Day => (15 * MINUTE_S, 96),
            Range::Week => (2 * HOUR_S, 84),
        }
    }
}

/// Numbers of a range, and when versions of the policy came into force in it.
pub(super) struct Past {
    pub minutes: Minutes,
    /// A time in milliseconds since 1970, and the number of the version.
    pub versions: Vec<(u64, u64)>,
}

/// Errors: the history cannot be read; of the last hour nothing is read.
pub(super) async fn past(admin: &Admin, range: Range, now_ms: u64) -> Result<Past, HistoryError> {
    if range == Range::Hour {
        let loaded = admin.policies.versions().into_iter();
        return Ok(Past {
            minutes: admin
                .lately
                .minutes(admin.metrics.outcomes.totals(), now_ms),
            versions: loaded.map(|one| (one.at_ms, one.version.number)).collect(),
        });
    }
    let (step_s, columns) = range.columns();
    let last_s = now_ms / 1000 / step_s * step_s;
    let start_s = last_s.saturating_sub((columns - 1) * step_s);
    let history: Arc<History> = admin.history.clone();
    let reading = move || {
        let filter = Filter {
            from_us: Some(start_s * 1_000_000),
            ..Filter::default()
        };
        history.counts(&filter, step_s)
    };
    let counts = tokio::task::spawn_blocking(reading).await;
    // What panics is caught nowhere else; there is nothing to show then.
    let counts = counts.unwrap_or(Err(HistoryError::Off))?;
    Ok(of_counts(&counts, start_s, step_s, columns))
}

fn of_counts(counts: &Counts, start_s: u64, step_s: u64, columns: u64) -> Past {
    let mut sums = vec![[0; CameTo::ALL.len()]; columns as usize];
    let mut first: BTreeMap<u64, u64> = BTreeMap::new();
    for counted in counts {
        let column = counted.from_s.saturating_sub(start_s) / step_s;
        if let Some(column) = sums.get_mut(column as usize) {
            column[came_to(&counted.outcome) as usize] += counted.count;
        }
        let first = first.entry(counted.version).or_insert(counted.from_s);
        *first = (*first).min(counted.from_s);
    }
    // What was in force from the beginning on came into force before it.
    let within = first.into_iter().filter(|(_, from_s)| *from_s > start_s);
    Past {
        minutes: Minutes {
            start_ms: start_s * 1000,
            step_ms: step_s * 1000,
            counts: sums,
        },
        versions: within
            .map(|(version, from_s)| (from_s * 1000, version))
            .collect(),
    }
}

/// As the curve of the last hour counts it.
fn came_to(outcome: &str) -> CameTo {
    match outcome {
        "block" => CameTo::Blocked,
        "let_through" => CameTo::LetThrough,
        "replace" => CameTo::Replaced,
        "flag" | "shadow" => CameTo::Flagged,
        _ => CameTo::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Counted, Kind};

    #[test]
    fn what_is_counted_stands_in_its_column_and_versions_where_they_begin() {
        let counted = |from_s: u64, outcome: Kind, version: u64, count: u64| Counted {
            from_s,
            hook: "beforeSendSingleMsg".to_owned(),
            outcome: outcome.name().to_owned(),
            list: None,
            version,
            count,
        };
        let counts = vec![
            counted(900, Kind::Block, 1, 2),
            counted(900, Kind::Allow, 1, 5),
            counted(1800, Kind::Shadow, 2, 3),
            counted(2700, Kind::LetThrough, 2, 1),
        ];
        let past = of_counts(&counts, 900, 900, 3);
        assert_eq!(past.minutes.of(CameTo::Blocked), [2, 0, 0]);
        assert_eq!(past.minutes.of(CameTo::Passed), [5, 0, 0]);
        assert_eq!(past.minutes.of(CameTo::Flagged), [0, 3, 0]);
        assert_eq!(past.minutes.of(CameTo::LetThrough), [0, 0, 1]);
        assert_eq!(past.versions, [(1_800_000, 2)]);
    }

    #[test]
    fn every_outcome_is_counted_as_in_the_last_hour() {
        let marked = [Kind::Flag, Kind::Shadow];
        for kind in Kind::ALL {
            let expected = match kind {
                Kind::Block => CameTo::Blocked,
                Kind::LetThrough => CameTo::LetThrough,
                Kind::Replace => CameTo::Replaced,
                kind if marked.contains(&kind) => CameTo::Flagged,
                _ => CameTo::Passed,
            };
            assert_eq!(came_to(kind.name()), expected, "{}", kind.name());
        }
    }
}
