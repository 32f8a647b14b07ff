//! The options of `fq` (`net/sched/sch_fq.c`): which ones Weir sets, and which ones a person sets up for a purpose.

use std::collections::BTreeMap;

use netlink_packet_core::DefaultNla;

use super::{
    message::{self, option},
    tree::{Qdisc, RootQdisc},
};

/// Packets that an `fq` may hold: a horizon of 40 ms at 25 Gbit/s in full-size packets, with room.
pub const FQ_LIMIT_PACKETS: u32 = 100_000;
/// Packets that one flow may hold in an `fq`. The default of 100 would drop what the horizon lets through.
pub const FQ_FLOW_LIMIT_PACKETS: u32 = 10_000;
/// Bits of the packet's hash by which flows without a socket are told apart: all. With the default of ten, an
/// interactive flow shares its queue with a bulk flow that waits.
const ORPHAN_MASK: u32 = u32::MAX;
/// How far ahead a packet may be scheduled, in µs: ten minutes, as far as a ceiling's clock is believed. With the
/// default of ten seconds, `fq` drops what a low ceiling schedules.
const HORIZON_US: u32 = 600_000_000;
/// The kernel's default.
const DEFAULT_HORIZON_US: u32 = 10_000_000;
/// The kernel's default, as a power of two.
const DEFAULT_BUCKETS_LOG: u32 = 10;

/// Attributes (`linux/pkt_sched.h`).
const TCA_FQ_PLIMIT: u16 = 1;
const TCA_FQ_FLOW_PLIMIT: u16 = 2;
const TCA_FQ_RATE_ENABLE: u16 = 5;
pub(super) const TCA_FQ_FLOW_MAX_RATE: u16 = 7;
pub(super) const TCA_FQ_BUCKETS_LOG: u16 = 8;
const TCA_FQ_ORPHAN_MASK: u16 = 10;
const TCA_FQ_CE_THRESHOLD: u16 = 12;
const TCA_FQ_HORIZON: u16 = 14;

/// What Weir sets, except for what it keeps. The last three are the kernel's defaults, in case that somebody changed them.
const OURS: [(u16, u32); 7] = [
    (TCA_FQ_PLIMIT, FQ_LIMIT_PACKETS),
    (TCA_FQ_FLOW_PLIMIT, FQ_FLOW_LIMIT_PACKETS),
    (TCA_FQ_ORPHAN_MASK, ORPHAN_MASK),
    (TCA_FQ_HORIZON, HORIZON_US),
    (TCA_FQ_FLOW_MAX_RATE, u32::MAX),
    (TCA_FQ_RATE_ENABLE, 1),
    (TCA_FQ_CE_THRESHOLD, u32::MAX),
];

/// Options that limit, mark or drop packets: their attributes, the kernel's defaults, and `tc`'s words for another value.
/// The rest are lengths, shares of time between flows, and those that are kept.
const PURPOSEFUL: [(u16, u32, &str); 3] = [
    (TCA_FQ_FLOW_MAX_RATE, u32::MAX, "maxrate"),
    (TCA_FQ_RATE_ENABLE, 1, "nopacing"),
    (TCA_FQ_CE_THRESHOLD, u32::MAX, "ce_threshold"),
];

/// Options that keep the value that another program set, and the kernel's defaults, which nobody set. Cilium's bandwidth
/// manager, which also paces packets by their departure times, sets both, and replaces the root qdisc where it does not
/// find them.
const KEPT: [(u16, u32); 2] = [(TCA_FQ_HORIZON, DEFAULT_HORIZON_US), (TCA_FQ_BUCKETS_LOG, DEFAULT_BUCKETS_LOG)];

/// Returns the options of Weir's `fq` in the place of `current`, as `TCA_OPTIONS`.
pub(super) fn options(current: Option<&RootQdisc>) -> Vec<u8> {
    let mut options = BTreeMap::from(OURS);
    options.extend(current.map(kept).unwrap_or_default());
    encode(options)
}

/// Returns options as `TCA_OPTIONS`.
pub(super) fn encode(options: impl IntoIterator<Item = (u16, u32)>) -> Vec<u8> {
    let attributes = options.into_iter().map(|(kind, value)| DefaultNla::new(kind, value.to_ne_bytes().to_vec()));
    message::encode(&attributes.collect::<Vec<_>>())
}

/// Returns the options that the first `fq` of a device keeps.
fn kept(current: &RootQdisc) -> Vec<(u16, u32)> {
    let mut qdiscs = std::iter::once(&current.root).chain(current.leaves());
    let Some(options) = qdiscs.find(|qdisc| qdisc.kind == "fq").and_then(|fq| fq.options.as_deref()) else {
        return Vec::new();
    };
    let differs = |(kind, default)| Some((kind, option(options, kind).filter(|value| *value != default)?));
    KEPT.into_iter().filter_map(differs).collect()
}

/// Whether this is `fq` as Weir sets it up.
pub(super) fn is_wanted(qdisc: &Qdisc) -> bool {
    let options = qdisc.options.as_deref().unwrap_or_default();
    let is_right = |&(kind, wanted): &(u16, u32)| match option(options, kind) {
        Some(horizon) if kind == TCA_FQ_HORIZON => horizon != DEFAULT_HORIZON_US,
        value => value == Some(wanted),
    };
    qdisc.kind == "fq" && OURS.iter().all(is_right)
}

/// The first option by which an `fq` does more to packets than queue them, in `tc`'s words.
pub(super) fn purpose(qdisc: &Qdisc) -> Option<&'static str> {
    let options = qdisc.options.as_deref().unwrap_or_default();
    let differs =
        |(kind, default, _): &&(u16, u32, &str)| option(options, *kind).is_some_and(|value| value != *default);
    PURPOSEFUL.iter().filter(|_| qdisc.kind == "fq").find(differs).map(|&(_, _, word)| word)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::Handle, *};

    fn fq(options: &[(u16, u32)]) -> Qdisc {
        Qdisc { kind: "fq".to_owned(), options: Some(encode(options.iter().copied())), ..Qdisc::default() }
    }

    #[test]
    fn horizon_and_buckets_of_another_program_are_kept() {
        let theirs = |horizon, buckets_log| {
            let leaf = fq(&[(TCA_FQ_HORIZON, horizon), (TCA_FQ_BUCKETS_LOG, buckets_log)]);
            let leaf = Qdisc { parent: Handle { major: 1, minor: 1 }, ..leaf };
            let root = Qdisc { kind: "mq".to_owned(), handle: Handle { major: 1, minor: 0 }, ..Qdisc::default() };
            RootQdisc { root, below: vec![leaf] }
        };
        let set = |current: Option<&RootQdisc>| {
            let ours = Qdisc { kind: "fq".to_owned(), options: Some(options(current)), ..Qdisc::default() };
            assert!(is_wanted(&ours), "{ours:?}");
            let options = ours.options.unwrap();
            (option(&options, TCA_FQ_HORIZON), option(&options, TCA_FQ_BUCKETS_LOG))
        };
        assert_eq!(set(None), (Some(HORIZON_US), None));
        assert_eq!(set(Some(&theirs(DEFAULT_HORIZON_US, DEFAULT_BUCKETS_LOG))), (Some(HORIZON_US), None));
        assert_eq!(set(Some(&theirs(2_000_000, 15))), (Some(2_000_000), Some(15)), "as Cilium sets them");
        assert!(!is_wanted(&fq(&[(TCA_FQ_HORIZON, 2_000_000)])), "its other limits are the kernel's defaults");
    }
}
