//! Percentiles of the delay that a tier's packets were given, out of a histogram's buckets.

use weir_api::admin::v1::{DelayBucket, DelayHistogram};

/// Packets by delay within one window.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// (upper bound in ns, packets), rising; no bound for the last.
    buckets: Vec<(Option<u64>, u64)>,
}

impl Delays {
    /// What came to the histogram between two snapshots.
    pub(super) fn between(before: Option<&DelayHistogram>, after: Option<&DelayHistogram>) -> Self {
        let Some(after) = after else { return Self::default() };
        let earlier = |bound: Option<u64>| -> u64 {
            before
                .into_iter()
                .flat_map(|histogram| &histogram.buckets)
                .filter(|bucket| bucket.upper_bound_ns == bound)
                .map(|bucket| bucket.packets)
                .sum()
        };
        let new = |bucket: &DelayBucket| {
            let before = earlier(bucket.upper_bound_ns);
            (bucket.upper_bound_ns, super::grown(Some(before), bucket.packets))
        };
        Self { buckets: after.buckets.iter().map(new).collect() }
    }

    /// The delay that `percent` of the packets stayed below, taken to be spread evenly within a bucket; for the bucket
    /// without a bound, its lower one. None without packets.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.buckets.iter().map(|(_, packets)| packets).sum();
        if total == 0 {
            return None;
        }
        let rank = u128::from(total) * u128::from(percent);
        let mut below: u128 = 0;
        let mut lower = 0;
        for &(bound, packets) in &self.buckets {
            // Hundredths of a packet, so that no share of a packet is lost.
            let packets = u128::from(packets) * 100;
            if packets > 0 && below + packets >= rank {
                let Some(upper) = bound else { return Some(lower) };
                let width = u128::from(upper.saturating_sub(lower));
                let within = width * (rank - below) / packets;
                return Some(lower + u64::try_from(within).unwrap_or(u64::MAX));
            }
            below += packets;
            lower = bound.unwrap_or(lower);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: &[(Option<u64>, u64)]) -> DelayHistogram {
        let buckets =
            buckets.iter().map(|&(upper_bound_ns, packets)| DelayBucket { upper_bound_ns, packets }).collect();
        DelayHistogram { sum_ns: 0, buckets }
    }

    #[test]
    fn percentiles_lie_within_their_bucket() {
        let after = histogram(&[(Some(100), 50), (Some(200), 49), (Some(400), 1), (None, 0)]);
        let delays = Delays::between(None, Some(&after));
        assert_eq!(delays.percentile(25), Some(50));
        assert_eq!(delays.percentile(50), Some(100));
        assert_eq!(delays.percentile(99), Some(200));
        assert_eq!(delays.percentile(100), Some(400));
    }

    #[test]
    fn only_new_packets_count() {
        let before = histogram(&[(Some(100), 1_000), (None, 0)]);
        let after = histogram(&[(Some(100), 1_000), (None, 3)]);
        assert_eq!(
            Delays::between(Some(&before), Some(&after)).percentile(50),
            Some(100),
            "the last bucket's lower end"
        );
        assert_eq!(Delays::between(Some(&after), Some(&after)).percentile(50), None);
    }
}
