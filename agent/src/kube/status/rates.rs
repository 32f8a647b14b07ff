//! What is sent, averaged between two looks at the counters.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_core::{model::Rate, snapshot::Snapshot};

/// How often a rate is taken anew.
pub(super) const WINDOW: Duration = Duration::from_secs(30);
/// The agent's first window: who has just installed it looks.
const FIRST: Duration = Duration::from_secs(5);
const BITS: u128 = 8;
const SECOND_NS: u128 = 1_000_000_000;

/// The rates of uplinks and tiers over the last window.
#[derive(Debug, Default)]
pub(super) struct Rates {
    counted: Option<Counted>,
    /// When this window began.
    begun: Option<Instant>,
    is_taken: bool,
    pub(super) uplinks: BTreeMap<String, Rate>,
    pub(super) tiers: BTreeMap<String, Rate>,
}

#[derive(Debug)]
struct Counted {
    monotonic_ns: u64,
    uplinks: BTreeMap<String, u64>,
    tiers: BTreeMap<String, u64>,
}

impl Rates {
    /// Takes note of the counters. The rates change only once a window has passed.
    pub(super) fn see(&mut self, snapshot: &Snapshot) {
        let now = Counted::of(snapshot);
        let Some(before) = &self.counted else {
            (self.counted, self.begun) = (Some(now), Some(Instant::now()));
            return;
        };
        let elapsed = Duration::from_nanos(now.monotonic_ns.saturating_sub(before.monotonic_ns));
        if elapsed < self.window() {
            return;
        }
        self.is_taken = true;
        self.uplinks = between(&before.uplinks, &now.uplinks, elapsed);
        self.tiers = between(&before.tiers, &now.tiers, elapsed);
        (self.counted, self.begun) = (Some(now), Some(Instant::now()));
    }

    /// How long this window is still open.
    pub(super) fn left(&self) -> Duration {
        self.window().saturating_sub(self.begun.map_or(Duration::ZERO, |begun| begun.elapsed()))
    }

    fn window(&self) -> Duration {
        if self.is_taken { WINDOW } else { FIRST }
    }
}

impl Counted {
    fn of(snapshot: &Snapshot) -> Self {
        let shaped = |class: &str| class != "exempt";
        let uplinks = snapshot.uplinks.iter().map(|(name, uplink)| {
            let bytes = uplink.bytes.iter().filter(|(class, _)| shaped(class)).map(|(_, bytes)| bytes).sum();
            (name.clone(), bytes)
        });
        let tiers = snapshot.tiers.iter().map(|(name, tier)| (name.clone(), tier.bytes));
        Self { monotonic_ns: snapshot.monotonic_ns, uplinks: uplinks.collect(), tiers: tiers.collect() }
    }
}

fn between(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>, elapsed: Duration) -> BTreeMap<String, Rate> {
    let rate = |(name, bytes): (&String, &u64)| {
        // A counter that went back belongs to a new owner of the id.
        let sent = bytes.checked_sub(*before.get(name)?)?;
        let rate = u128::from(sent) * BITS * SECOND_NS / elapsed.as_nanos().max(1);
        Some((name.clone(), rounded(Rate::try_from(rate).unwrap_or(Rate::MAX))))
    };
    now.iter().filter_map(rate).collect()
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
    use weir_core::snapshot::{TierNow, UplinkNow};

    use super::*;

    fn at(second: u64, bytes: u64) -> Snapshot {
        let uplink =
            UplinkNow { bytes: BTreeMap::from([("bulk", bytes), ("exempt", 9 * bytes)]), ..UplinkNow::default() };
        Snapshot {
            monotonic_ns: second * 1_000_000_000,
            uplinks: BTreeMap::from([("wan".to_owned(), uplink)]),
            tiers: BTreeMap::from([("bulk".to_owned(), TierNow { bytes, ..TierNow::default() })]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_rate_is_taken_over_a_window_and_kept_for_the_next() {
        let mut rates = Rates::default();
        rates.see(&at(0, 0));
        rates.see(&at(1, 1_000_000));
        assert!(rates.tiers.is_empty(), "a second is no window");
        rates.see(&at(8, 20_000_000));
        assert_eq!((rates.tiers["bulk"], rates.uplinks["wan"]), (20_000_000, 20_000_000));
        rates.see(&at(20, 90_000_000));
        assert_eq!(rates.tiers["bulk"], 20_000_000, "only the first window is short");
        rates.see(&at(48, 70_000_000));
        assert_eq!(rates.tiers["bulk"], 10_000_000);
        rates.see(&at(80, 1));
        assert!(rates.tiers.is_empty(), "a counter that went back gives no rate");
    }

    #[test]
    fn two_digits_are_told() {
        let told = [0, 999, 1_000, 12_345, 12_500, 19_400_000, 994_999].map(rounded);
        assert_eq!(told, [0, 0, 1_000, 12_000, 13_000, 19_000_000, 990_000]);
    }
}
