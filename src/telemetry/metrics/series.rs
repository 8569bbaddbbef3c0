//! A metric with labels, of which those can be forgotten whose owner is gone.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// One metric for each set of labels. A clone is the same series.
#[derive(Debug)]
pub(super) struct Series<L, M> {
    members: Arc<RwLock<HashMap<L, M>>>,
}

impl<L, M> Default for Series<L, M> {
    fn default() -> Series<L, M> {
        Series {
            members: Arc::default(),
        }
    }
}

impl<L, M> Clone for Series<L, M> {
    fn clone(&self) -> Series<L, M> {
        Series {
            members: Arc::clone(&self.members),
        }
    }
}

impl<L: Clone + Eq + Hash, M: Clone + Default> Series<L, M> {
    /// The metric with these labels; made when it is asked for first.
    pub(super) fn of(&self, labels: &L) -> M {
        {
            let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(metric) = members.get(labels) {
                return metric.clone();
            }
        }
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.entry(labels.clone()).or_default().clone()
    }

    /// Forgets the others.
    pub(super) fn keep_only(&self, keep: impl Fn(&L) -> bool) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.retain(|labels, _| keep(labels));
    }
}

impl<L, M> EncodeMetric for Series<L, M>
where
    L: EncodeLabelSet,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        for (labels, metric) in members.iter() {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}
