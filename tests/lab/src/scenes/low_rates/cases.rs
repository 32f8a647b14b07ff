//! The cells: each pair of values of two different traits occurs in one of them.

use std::fmt;

use serde::Serialize;

/// What limits the bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum What {
    /// The tier's ceiling.
    #[serde(rename = "ceiling")]
    Ceiling,
    /// The tier's guarantee, beside interactive traffic that fills the link.
    #[serde(rename = "guarantee")]
    Guarantee,
    /// The ceiling of each of the tier's pods.
    #[serde(rename = "perPodCeiling")]
    PerPodCeiling,
    /// Nothing: UDP at this rate, in bursts that are handed over in one piece.
    #[serde(rename = "bursts")]
    Bursts,
    /// Nothing but the interactive load beside it, which leaves this rate.
    #[serde(rename = "borrowed")]
    Borrowed,
}

impl What {
    /// Those that hold TCP to a rate.
    const LIMITS: [Self; 3] = [Self::Ceiling, Self::Guarantee, Self::PerPodCeiling];

    /// Returns whether the tier limits the bulk to the rate.
    pub(super) fn is_limit(self) -> bool {
        Self::LIMITS.contains(&self)
    }

    /// The field of a `TrafficTier`, or what else it is.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Borrowed => "borrowed",
            Self::Bursts => "bursts",
            Self::Ceiling => "ceiling",
            Self::Guarantee => "guarantee",
            Self::PerPodCeiling => "perPodCeiling",
        }
    }
}

/// One cell, without the arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub(super) what: What,
    pub(super) rate_kbit: u64,
    /// The uplink's capacity, on the wire.
    pub(super) capacity_mbit: u64,
    pub(super) rtt_ms: u64,
    /// TCP streams of each pod.
    pub(super) streams: u8,
    pub(super) pods: u8,
    /// Interactive load, on the wire.
    pub(super) beside_mbit: u32,
    pub(super) host_network: bool,
    /// Whether the kernel has no `fq`.
    pub(super) policed: bool,
}

const RATES_KBIT: [u64; 5] = [256, 500, 1_000, 2_000, 10_000];
const RTTS_MS: [u64; 2] = [20, 100];
const STREAMS: [u8; 2] = [1, 4];
const CAPACITY_MBIT: u64 = 20;
/// What fills the link of this capacity.
const FULL_MBIT: u32 = 20;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = match self.rate_kbit {
            kbit if kbit % 1_000 == 0 => format!("{}M", kbit / 1_000),
            kbit => format!("{kbit}k"),
        };
        let where_from = if self.host_network { "hostNetwork" } else { "veth" };
        let capacity = match self.capacity_mbit {
            CAPACITY_MBIT => String::new(),
            other => format!(" of {other}M"),
        };
        write!(f, "{} {rate}{capacity}, {} ms, {} streams, {where_from}", self.what.name(), self.rtt_ms, self.streams)?;
        if self.pods > 1 {
            write!(f, ", {} pods", self.pods)?;
        }
        if self.beside_mbit > 0 {
            write!(f, ", beside {} Mbit/s", self.beside_mbit)?;
        }
        if self.policed { f.write_str(", policed") } else { Ok(()) }
    }
}

/// All cells.
pub(super) fn all() -> Vec<Case> {
    let mut cases = pairwise();
    let one = Case {
        what: What::Ceiling,
        rate_kbit: 2_000,
        capacity_mbit: CAPACITY_MBIT,
        rtt_ms: 20,
        streams: 1,
        pods: 1,
        beside_mbit: 0,
        host_network: false,
        policed: false,
    };
    let many = Case { what: What::PerPodCeiling, rate_kbit: 500, pods: 50, beside_mbit: 12, ..one };
    let bursts = Case { what: What::Bursts, rate_kbit: 8_000, ..one };
    cases.extend([many, Case { policed: true, ..one }, Case { rate_kbit: 10_000, policed: true, ..one }]);
    cases.extend([bursts, Case { rate_kbit: 4_000, capacity_mbit: 5, ..bursts }]);
    let borrowed = Case { what: What::Borrowed, rate_kbit: 8_000, streams: 8, beside_mbit: 12, ..one };
    cases.extend([borrowed, Case { host_network: true, ..borrowed }]);
    cases
}

/// Chooses, again and again, the case with the most pairs that have not occurred yet, until all have.
fn pairwise() -> Vec<Case> {
    let every: Vec<Case> = every().collect();
    let mut missing: Vec<Pair> = every.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let new = |case: &&Case| pairs(case).filter(|pair| missing.contains(pair)).count();
        // The first of the best, so that the list is always the same.
        let Some(best) = every.iter().rev().max_by_key(new) else { break };
        let done: Vec<Pair> = pairs(best).collect();
        missing.retain(|pair| !done.contains(pair));
        chosen.push(*best);
    }
    chosen
}

/// Every combination.
fn every() -> impl Iterator<Item = Case> {
    let streams = |make: fn(What, u64, u64, u8, bool) -> Case| {
        What::LIMITS.into_iter().flat_map(move |what| {
            RATES_KBIT.into_iter().flat_map(move |rate| {
                RTTS_MS.into_iter().flat_map(move |rtt| {
                    STREAMS.into_iter().flat_map(move |streams| {
                        [false, true].into_iter().map(move |host| make(what, rate, rtt, streams, host))
                    })
                })
            })
        })
    };
    streams(|what, rate_kbit, rtt_ms, streams, host_network| Case {
        what,
        rate_kbit,
        capacity_mbit: CAPACITY_MBIT,
        rtt_ms,
        streams,
        pods: 1,
        beside_mbit: if what == What::Guarantee { FULL_MBIT } else { 0 },
        host_network,
        policed: false,
    })
}

/// A value of one trait with a value of another.
type Pair = ((u8, u64), (u8, u64));

fn pairs(case: &Case) -> impl Iterator<Item = Pair> {
    let traits = [
        (0, case.what as u64),
        (1, case.rate_kbit),
        (2, case.rtt_ms),
        (3, u64::from(case.streams)),
        (4, u64::from(case.host_network)),
    ];
    (0..traits.len()).flat_map(move |first| (0..first).map(move |second| (traits[first], traits[second])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_values_occurs_and_no_case_is_idle() {
        let chosen = pairwise();
        let all: Vec<Pair> = every().flat_map(|case| pairs(&case).collect::<Vec<_>>()).collect();
        let found: Vec<Pair> = chosen.iter().flat_map(pairs).collect();
        assert!(all.iter().all(|pair| found.contains(pair)));
        assert!((15..=20).contains(&chosen.len()), "{} cases", chosen.len());
        assert_eq!(pairwise(), chosen, "the list is always the same");
    }

    #[test]
    fn a_case_names_itself() {
        let case = all().into_iter().find(|case| case.pods > 1).unwrap();
        assert_eq!(case.to_string(), "perPodCeiling 500k, 20 ms, 1 streams, veth, 50 pods, beside 12 Mbit/s");
        let narrow = all().into_iter().find(|case| case.capacity_mbit == 5).unwrap();
        assert_eq!(narrow.to_string(), "bursts 4M of 5M, 20 ms, 1 streams, veth");
    }
}
