//! Metrics with labels. The compiler counts the labels' values, so that none of them can panic.

use prometheus::{
    Error, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, MetricVec, MetricVecBuilder},
};

/// A metric with `N` labels, one series for each combination of their values.
pub(super) struct Family<V, const N: usize>(V);

impl<B: MetricVecBuilder, const N: usize> Family<MetricVec<B>, N> {
    /// The series with these values, in the order of the labels. It is made if there is none yet.
    pub(super) fn of(&self, values: [&str; N]) -> B::M {
        // It panics on another number of values alone, and `N` is the number.
        self.0.with_label_values(&values)
    }

    /// Removes the series with these values, if there is one.
    pub(super) fn remove(&self, values: [&str; N]) {
        // The one error is that there is none.
        let _ = self.0.remove_label_values(&values);
    }

    /// Removes all series.
    pub(super) fn clear(&self) {
        self.0.reset();
    }
}

/// Adds a metric to the registry.
///
/// # Errors
/// When its name is taken.
pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

pub(super) fn int_counters<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
) -> Result<Family<IntCounterVec, N>, Error> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), &labels)?).map(Family)
}

pub(super) fn int_gauges<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
) -> Result<Family<IntGaugeVec, N>, Error> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), &labels)?).map(Family)
}

pub(super) fn histograms<const N: usize>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: [&str; N],
    buckets: &[f64],
) -> Result<Family<HistogramVec, N>, Error> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, &labels)?).map(Family)
}
