//! Rates of uplinks and tiers over a window of the agent's own, so that they do not depend on who asks and how often.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    model::Rate,
    snapshot::{Snapshot, TierNow},
};

/// How far readings of the counters lie apart, in ns. Two of them give a rate, so that an agent that has just started
/// has one soon.
pub const SPACING_NS: u64 = 4_000_000_000;
/// Length of the window, in ns: long enough for TCP's saw teeth to average out.
pub const WINDOW_NS: u64 = 30_000_000_000;
const BITS: u128 = 8;
const SECOND_NS: u128 = 1_000_000_000;

/// What uplinks and tiers sent over the window, in bits per second on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// By uplink and class.
    pub uplinks: BTreeMap<String, BTreeMap<&'static str, Rate>>,
    /// By tier.
    pub tiers: BTreeMap<String, TierRate>,
}

/// What a tier sent and what it tried to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierRate {
    /// What passed.
    pub sent: Rate,
    /// What passed and what was dropped.
    pub demanded: Rate,
}

/// Readings of the counters, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Window(VecDeque<Reading>);

/// Bytes that were counted until a moment.
#[derive(Clone, Debug)]
struct Reading {
    monotonic_ns: u64,
    uplinks: BTreeMap<String, BTreeMap<&'static str, u64>>,
    tiers: BTreeMap<String, TierBytes>,
}

#[derive(Clone, Copy, Debug)]
struct TierBytes {
    passed: u64,
    dropped: u64,
}

impl Window {
    /// Returns whether the next reading is due.
    #[must_use]
    pub fn is_due(&self, monotonic_ns: u64) -> bool {
        self.0.back().is_none_or(|last| monotonic_ns.saturating_sub(last.monotonic_ns) >= SPACING_NS)
    }

    /// Adds the counters of uplinks and tiers in `snapshot`, and forgets those that are older than the window.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let now = snapshot.monotonic_ns;
        let tier = |tier: &TierNow| TierBytes { passed: tier.bytes, dropped: tier.dropped_bytes };
        self.0.push_back(Reading {
            monotonic_ns: now,
            uplinks: snapshot.uplinks.iter().map(|(name, uplink)| (name.clone(), uplink.bytes.clone())).collect(),
            tiers: snapshot.tiers.iter().map(|(name, counters)| (name.clone(), tier(counters))).collect(),
        });
        // The first one that is a window old is where the window begins.
        while self.0.get(1).is_some_and(|second| now.saturating_sub(second.monotonic_ns) >= WINDOW_NS) {
            self.0.pop_front();
        }
    }

    /// Returns the rates up to the last reading. An uplink or a tier that was read once has none yet.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let Some(last) = self.0.back() else { return Rates::default() };
        let uplinks = last.uplinks.iter().map(|(name, classes)| {
            let of_class = |(&class, &bytes): (&&'static str, &u64)| {
                let sent = self.rate(|reading| reading.uplinks.get(name)?.get(class).copied(), bytes)?;
                Some((class, sent))
            };
            (name.clone(), classes.iter().filter_map(of_class).collect())
        });
        let tiers = last.tiers.iter().filter_map(|(name, now)| {
            let sent = self.rate(|reading| Some(reading.tiers.get(name)?.passed), now.passed)?;
            let dropped = self.rate(|reading| Some(reading.tiers.get(name)?.dropped), now.dropped)?;
            Some((name.clone(), TierRate { sent, demanded: sent.saturating_add(dropped) }))
        });
        Rates { uplinks: uplinks.collect(), tiers: tiers.collect() }
    }

    /// Returns the rate of a counter that stands at `now`, since the oldest reading of it. A reading above `now` is one
    /// of an earlier owner of the same name.
    fn rate(&self, read: impl Fn(&Reading) -> Option<u64>, now: u64) -> Option<Rate> {
        let last = self.0.back()?;
        let (since, before) = self.0.iter().find_map(|reading| {
            let before = read(reading).filter(|before| *before <= now)?;
            Some((reading.monotonic_ns, before))
        })?;
        let elapsed_ns = last.monotonic_ns.checked_sub(since).filter(|elapsed| *elapsed > 0)?;
        let rate = u128::from(now - before) * BITS * SECOND_NS / u128::from(elapsed_ns);
        Some(Rate::try_from(rate).unwrap_or(Rate::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::UplinkNow;

    fn at(second: u64, bytes: u64) -> Snapshot {
        let uplink = UplinkNow { bytes: [("bulk", bytes), ("exempt", 9 * bytes)].into(), ..UplinkNow::default() };
        let tier = TierNow { bytes, dropped_bytes: bytes / 10, ..TierNow::default() };
        Snapshot {
            monotonic_ns: second * 1_000_000_000,
            uplinks: [("wan".to_owned(), uplink)].into(),
            tiers: [("bulk".to_owned(), tier)].into(),
            ..Snapshot::default()
        }
    }

    fn tier(window: &Window) -> Option<TierRate> {
        window.rates().tiers.get("bulk").copied()
    }

    #[test]
    fn the_window_slides() {
        let mut window = Window::default();
        assert!(window.is_due(0));
        window.add(&at(100, 0));
        assert_eq!((tier(&window), window.is_due(103_000_000_000)), (None, false));
        assert!(window.is_due(104_000_000_000));
        window.add(&at(104, 4_000_000));
        assert_eq!(tier(&window), Some(TierRate { sent: 8_000_000, demanded: 8_800_000 }));
        assert_eq!(window.rates().uplinks["wan"], [("bulk", 8_000_000), ("exempt", 72_000_000)].into());
        // A second of silence among many is no silence.
        for second in 105..=134 {
            window.add(&at(second, 4_000_000));
        }
        assert_eq!(tier(&window).map(|tier| tier.sent), Some(0), "what was sent is older than the window");
        assert!(window.0.len() <= 32, "{} readings are kept", window.0.len());
    }

    #[test]
    fn one_that_begins_anew_is_counted_from_its_beginning() {
        let mut window = Window::default();
        window.add(&at(0, 50_000_000));
        window.add(&at(4, 1_000_000));
        assert_eq!(tier(&window), None, "it was read once");
        window.add(&at(8, 3_000_000));
        assert_eq!(tier(&window).map(|tier| tier.sent), Some(4_000_000));
    }
}
