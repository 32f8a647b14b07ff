//! Rates as a status shows them, and when they are a reason to write it.
//!
//! Traffic never stands still, and every write goes through the API server's store to all who watch. So rates go along
//! with what is written for another reason, as each node's report is every five minutes. Alone they are a reason only
//! where they changed a lot, and that rarely: right after an installation, and when bulk begins or ends.

use std::time::{Duration, Instant};

use weir_core::model::Rate;

/// Writes for a rate alone are this far apart, for each object.
const SELDOM: Duration = Duration::from_mins(5);
/// A change by less is none that anybody asks for.
const LITTLE: Rate = 100_000;

/// When an object was written for its rates' sake last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RatePace(Option<Instant>);

impl RatePace {
    /// Notes that it was.
    pub(super) fn wrote(now: Instant) -> Self {
        Self(Some(now))
    }

    /// Whether a rate that is `now` is reason enough to write it in the place of the one that stands there.
    pub(super) fn allows(self, standing: Rate, rate: Rate, now: Instant) -> bool {
        let (low, high) = (standing.min(rate), standing.max(rate));
        let a_lot = high - low >= LITTLE && high - low >= high / 2;
        a_lot && self.0.is_none_or(|last| now.saturating_duration_since(last) >= SELDOM)
    }
}

/// With two digits, so that a steady stream is no news each time. Under 1 kbit/s is nothing.
pub(super) fn rounded(rate: Rate) -> Rate {
    if rate < 1_000 {
        return 0;
    }
    let unit = 10u64.pow(rate.ilog10() - 1);
    rate.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_told() {
        let told = [0, 999, 1_000, 12_345, 12_500, 19_400_000, 994_999].map(rounded);
        assert_eq!(told, [0, 0, 1_000, 12_000, 13_000, 19_000_000, 990_000]);
    }

    #[test]
    fn a_rate_alone_is_written_when_it_changed_a_lot_and_rarely() {
        let start = Instant::now();
        let (first, later) = (RatePace::default(), RatePace::wrote(start));
        assert!(first.allows(0, 10_000_000, start), "right after an installation");
        assert!(!first.allows(10_000_000, 19_000_000, start), "not twice as much");
        assert!(!first.allows(0, 99_000, start), "next to nothing");
        assert!(!later.allows(0, 10_000_000, start + SELDOM / 2));
        assert!(later.allows(0, 10_000_000, start + SELDOM) && later.allows(10_000_000, 5_000_000, start + SELDOM));
    }
}
