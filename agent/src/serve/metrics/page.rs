//! Metric families being filled.

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, Summary};

use super::names::Family;

/// Families by name, with what has been put into them.
#[derive(Debug, Default)]
pub(super) struct Page {
    families: BTreeMap<&'static str, MetricFamily>,
}

impl Page {
    /// Adds a counter's series.
    pub(super) fn counter(&mut self, family: &Family, labels: &[&str], value: u64) {
        let mut counter = Counter::default();
        counter.set_value(number(value));
        self.add(family, labels, |metric| metric.set_counter(counter));
    }

    /// Adds a gauge's series.
    pub(super) fn gauge(&mut self, family: &Family, labels: &[&str], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        self.add(family, labels, |metric| metric.set_gauge(gauge));
    }

    /// Adds a summary without quantiles: how often, and how long in all.
    pub(super) fn summary(&mut self, family: &Family, labels: &[&str], count: u64, sum: f64) {
        let mut summary = Summary::default();
        summary.set_sample_count(count);
        summary.set_sample_sum(sum);
        self.add(family, labels, |metric| metric.set_summary(summary));
    }

    /// Adds a histogram of times: `buckets` are (upper bound in ns, how many in this bucket alone), `u64::MAX` stands for
    /// no bound.
    pub(super) fn histogram(&mut self, family: &Family, labels: &[&str], buckets: &[(u64, u64)], sum_ns: u64) {
        let mut below = 0;
        // The encoder writes the bucket without a bound, +Inf, out of the count of all.
        let cumulative = buckets
            .iter()
            .filter(|(bound_ns, _)| *bound_ns != u64::MAX)
            .map(|&(bound_ns, count)| {
                below += count;
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(seconds(bound_ns));
                bucket.set_cumulative_count(below);
                bucket
            })
            .collect();
        let mut histogram = Histogram::default();
        histogram.set_bucket(cumulative);
        histogram.set_sample_count(buckets.iter().map(|(_, count)| count).sum());
        histogram.set_sample_sum(seconds(sum_ns));
        self.add(family, labels, |metric| metric.set_histogram(histogram));
    }

    /// What was filled.
    pub(super) fn into_families(self) -> Vec<MetricFamily> {
        self.families.into_values().collect()
    }

    fn add(&mut self, family: &Family, labels: &[&str], set: impl FnOnce(&mut Metric)) {
        debug_assert_eq!(family.labels.len(), labels.len(), "labels of {}", family.name);
        let pairs = family.labels.iter().zip(labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        set(&mut metric);
        let entry = self.families.entry(family.name).or_insert_with(|| {
            let mut started = MetricFamily::default();
            started.set_name(family.name.to_owned());
            started.set_help(family.help.to_owned());
            started.set_field_type(family.kind);
            started
        });
        entry.mut_metric().push(metric);
    }
}

/// A count as Prometheus keeps it: exact up to 2⁵³, which are nine petabytes.
#[allow(clippy::cast_precision_loss)]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// Nanoseconds as seconds.
fn seconds(ns: u64) -> f64 {
    number(ns) / 1e9
}
