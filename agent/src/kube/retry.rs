//! How soon a watch that failed is tried again.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use kube::runtime::utils::Backoff;

/// Between the first failure and the first new try.
const SHORTEST: Duration = Duration::from_millis(200);
/// Between two tries, before jitter doubles it at most: a cluster's agents must not all come back in one moment.
pub(super) const LONGEST: Duration = Duration::from_secs(8);

/// A watch that has worked for this long begins with the shortest delay again.
const WORKS_AGAIN: Duration = Duration::from_mins(1);

/// Doubling delays with jitter, from the beginning again when nothing has failed for a while.
///
/// Not when the watch says something: that a list begins is something said, before the API server was even asked.
pub(super) struct Retry {
    delays: ExponentialBackoff,
    last: Option<Instant>,
}

fn delays() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(SHORTEST).with_max_delay(LONGEST);
    builder.with_jitter().without_max_times().build()
}

impl Default for Retry {
    fn default() -> Self {
        Self { delays: delays(), last: None }
    }
}

impl Retry {
    fn after_failure(&mut self, now: Instant) -> Option<Duration> {
        if self.last.replace(now).is_some_and(|last| now.saturating_duration_since(last) > WORKS_AGAIN) {
            self.delays = delays();
        }
        self.delays.next()
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.after_failure(Instant::now())
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_bound_and_begin_anew_after_a_while() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        let delays: Vec<Duration> = (0..20).filter_map(|_| retry.after_failure(now)).collect();
        assert!(delays[0] < 2 * SHORTEST, "{delays:?}");
        assert!(delays[19] >= LONGEST && delays[19] <= 2 * LONGEST, "{delays:?}");
        retry.reset();
        assert!(retry.after_failure(now).is_some_and(|delay| delay >= LONGEST));
        assert!(retry.after_failure(now + 2 * WORKS_AGAIN).is_some_and(|delay| delay < 2 * SHORTEST));
    }
}
