//! Series of delays, and what they come to.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// One packet or request.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was sent.
    pub sent: Instant,
    /// How long until its answer; none if there was none.
    pub delay: Option<Duration>,
}

/// A series of delays, in milliseconds. The percentiles are of those that were answered.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct Summary {
    /// How many were sent.
    pub count: usize,
    /// How many had no answer.
    pub lost: usize,
    /// The median.
    pub p50_ms: f64,
    /// 95 of 100 were not slower.
    pub p95_ms: f64,
    /// 99 of 100 were not slower.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Summary {
    /// Sums up the samples sent within `[from, to)`.
    #[must_use]
    pub fn of(samples: &[Sample], from: Instant, to: Instant) -> Self {
        let window: Vec<&Sample> = samples.iter().filter(|sample| (from..to).contains(&sample.sent)).collect();
        let mut delays: Vec<f64> =
            window.iter().filter_map(|sample| Some(sample.delay?.as_secs_f64() * 1000.0)).collect();
        delays.sort_by(f64::total_cmp);
        Self {
            count: window.len(),
            lost: window.len() - delays.len(),
            p50_ms: percentile(&delays, 50),
            p95_ms: percentile(&delays, 95),
            p99_ms: percentile(&delays, 99),
            max_ms: percentile(&delays, 100),
        }
    }

    /// Sums up all samples.
    #[must_use]
    pub fn of_all(samples: &[Sample]) -> Self {
        match (samples.first(), samples.last()) {
            (Some(first), Some(last)) => Self::of(samples, first.sent, last.sent + Duration::from_nanos(1)),
            _ => Self::of(&[], Instant::now(), Instant::now()),
        }
    }

    /// The share without an answer, in percent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // counts of packets, far below 2^52
        let share = self.lost as f64 / self.count.max(1) as f64;
        share * 100.0
    }
}

/// The nearest-rank percentile of a sorted series; 0 for an empty one.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&hundred, 50) - 50.0).abs() < 1e-9);
        assert!((percentile(&hundred, 99) - 99.0).abs() < 1e-9);
        assert!((percentile(&[7.0], 99) - 7.0).abs() < 1e-9);
        assert!(percentile(&[], 99).abs() < 1e-9);
    }

    #[test]
    fn a_window_counts_its_losses() {
        let start = Instant::now();
        let at = |ms, delay: Option<u64>| Sample {
            sent: start + Duration::from_millis(ms),
            delay: delay.map(Duration::from_millis),
        };
        let samples = [at(0, Some(900)), at(10, Some(20)), at(20, None), at(30, Some(40)), at(40, Some(900))];
        let from = start + Duration::from_millis(10);
        let summary = Summary::of(&samples, from, from + Duration::from_millis(30));
        assert_eq!((summary.count, summary.lost), (3, 1));
        assert!((summary.max_ms - 40.0).abs() < 1e-9);
        assert!((summary.loss_percent() - 100.0 / 3.0).abs() < 1e-9);
        assert_eq!(Summary::of_all(&samples).count, 5);
    }
}
