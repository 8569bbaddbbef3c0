//! The policy in force, and what its lists find.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;
use crate::decision::ListAction;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListLabels {
    list: Arc<str>,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct PolicyMetrics {
    matches: Series<ListLabels, Counter>,
    shadow_matches: Series<ListLabels, Counter>,
    reloads: Series<ResultLabel, Counter>,
    version: Gauge<i64, AtomicI64>,
    rejected: Gauge<i64, AtomicI64>,
    restored: Gauge<i64, AtomicI64>,
    held_lists: Gauge<i64, AtomicI64>,
    behind: Gauge<i64, AtomicI64>,
    unreachable: Gauge<i64, AtomicI64>,
}

impl PolicyMetrics {
    pub(super) fn register(registry: &mut Registry) -> PolicyMetrics {
        let metrics = PolicyMetrics::default();
        registry.register(
            "matches",
            "Matches of word lists, by what the list does",
            metrics.matches.clone(),
        );
        registry.register(
            "shadow_matches",
            "Matches that would have counted if their entries were not in shadow mode",
            metrics.shadow_matches.clone(),
        );
        registry.register(
            "reloads",
            "Edits of the policy files, by result",
            metrics.reloads.clone(),
        );
        registry.register(
            "policy_version",
            "Number of the policy in force",
            metrics.version.clone(),
        );
        registry.register(
            "policy_rejected",
            "1 while something on disk has errors and is not in force",
            metrics.rejected.clone(),
        );
        registry.register(
            "policy_restored",
            "1 while the last good policy from before the start is in force",
            metrics.restored.clone(),
        );
        registry.register(
            "policy_held_lists",
            "Files of word lists whose last good content is in force, not what is on disk",
            metrics.held_lists.clone(),
        );
        registry.register(
            "policy_version_behind",
            "By how much the newest version of all replicas is above the one in force here",
            metrics.behind.clone(),
        );
        registry.register(
            "policy_versions_away",
            "1 while the newest version of all replicas cannot be asked for",
            metrics.unreachable.clone(),
        );
        metrics
    }

    pub(super) fn matched(&self, list: &Arc<str>, action: ListAction) {
        let labels = ListLabels {
            list: Arc::clone(list),
            action: action.name(),
        };
        let series = match action {
            ListAction::Shadow => &self.shadow_matches,
            ListAction::Block | ListAction::Replace | ListAction::Flag => &self.matches,
        };
        series.of(&labels).inc();
    }

    pub(super) fn reloaded(&self, result: &'static str, version: u64, rejected: bool) {
        self.reloads.of(&ResultLabel { result }).inc();
        self.version.set(version as i64);
        self.rejected.set(i64::from(rejected));
    }

    pub(super) fn held(&self, restored: bool, lists: usize) {
        self.restored.set(i64::from(restored));
        self.held_lists
            .set(i64::try_from(lists).unwrap_or(i64::MAX));
    }

    pub(super) fn behind(&self, versions: u64, away: bool) {
        self.behind.set(i64::try_from(versions).unwrap_or(i64::MAX));
        self.unreachable.set(i64::from(away));
    }

    pub(super) fn keep_lists(&self, keep: &dyn Fn(&str) -> bool) {
        self.matches.keep_only(|labels| keep(&labels.list));
        self.shadow_matches.keep_only(|labels| keep(&labels.list));
    }
}
