//! A histogram that is counted elsewhere and shown here.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// How values are spread over ranges, each from the bound before it to its own, which is included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// The bound of each range, rising, with how many values it has.
    pub ranges: Vec<(f64, u64)>,
    /// Values above all bounds.
    pub above: u64,
    /// Of all values.
    pub sum: f64,
}

/// Shows the spread that it was given last.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<Spread>>);

impl Shown {
    pub(super) fn set(&self, spread: Spread) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = spread;
    }
}

impl TypedMetric for Shown {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Shown {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let spread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ranges = spread.ranges.clone();
        ranges.push((f64::INFINITY, spread.above));
        let count = ranges.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(spread.sum, count, &ranges, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn each_bound_counts_all_below_it() {
        let shown = Shown::default();
        let mut registry = Registry::default();
        registry.register("size", "help", shown.clone());
        shown.set(Spread {
            ranges: vec![(1.0, 3), (8.0, 2)],
            above: 1,
            sum: 30.0,
        });
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        let expected = "# HELP size help.\n# TYPE size histogram\nsize_sum 30.0\nsize_count 6\n\
            size_bucket{le=\"1.0\"} 3\nsize_bucket{le=\"8.0\"} 5\nsize_bucket{le=\"+Inf\"} 6\n# EOF\n";
        assert_eq!(out, expected);
    }
}
