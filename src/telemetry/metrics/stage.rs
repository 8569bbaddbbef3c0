//! Where the time of a before call goes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::event::closed_set;

/// Where the time of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    Decode,
    Filter,
    Callback,
    Total,
}

closed_set!(Stage);

impl Stage {
    fn label(self) -> StageLabel {
        StageLabel { stage: self.name() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// Seconds; from the filter's microseconds to the longest wait for an endpoint.
const BUCKETS: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0,
    5.0, 15.0,
];

#[derive(Debug)]
pub(super) struct StageMetrics {
    /// The members of the family, found without a look-up.
    stages: [Histogram; Stage::ALL.len()],
}

impl StageMetrics {
    pub(super) fn register(registry: &mut Registry) -> StageMetrics {
        let family =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let stages = Stage::ALL.map(|stage| family.get_or_create(&stage.label()).clone());
        registry.register_with_unit(
            "stage",
            "Time spent on a before call, by stage",
            Unit::Seconds,
            family,
        );
        StageMetrics { stages }
    }

    pub(super) fn spent(&self, stage: Stage, time: Duration) {
        self.stages[stage as usize].observe(time.as_secs_f64());
    }
}
