//! The options of `fq` (`net/sched/sch_fq.c`): which ones Weir sets, and which ones a person sets up for a purpose.

use netlink_packet_core::DefaultNla;

use super::{
    message::{self, option},
    tree::Qdisc,
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

/// Attributes (`linux/pkt_sched.h`).
const TCA_FQ_PLIMIT: u16 = 1;
const TCA_FQ_FLOW_PLIMIT: u16 = 2;
const TCA_FQ_RATE_ENABLE: u16 = 5;
const TCA_FQ_FLOW_MAX_RATE: u16 = 7;
pub(super) const TCA_FQ_BUCKETS_LOG: u16 = 8;
const TCA_FQ_ORPHAN_MASK: u16 = 10;
const TCA_FQ_CE_THRESHOLD: u16 = 12;
pub(super) const TCA_FQ_HORIZON: u16 = 14;

/// What Weir sets. The last three are the kernel's defaults, in case that somebody changed them.
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
/// The rest are lengths and shares of time between flows.
const PURPOSEFUL: [(u16, u32, &str); 4] = [
    (TCA_FQ_FLOW_MAX_RATE, u32::MAX, "maxrate"),
    (TCA_FQ_RATE_ENABLE, 1, "nopacing"),
    (TCA_FQ_CE_THRESHOLD, u32::MAX, "ce_threshold"),
    (TCA_FQ_HORIZON, 10_000_000, "horizon"),
];

/// Options of Weir's `fq`, as `TCA_OPTIONS`.
pub(super) fn options() -> Vec<u8> {
    let attributes = OURS.map(|(kind, value)| DefaultNla::new(kind, value.to_ne_bytes().to_vec()));
    message::encode(&attributes)
}

/// Whether this is `fq` as Weir sets it up.
pub(super) fn is_wanted(qdisc: &Qdisc) -> bool {
    let options = qdisc.options.as_deref().unwrap_or_default();
    qdisc.kind == "fq" && OURS.iter().all(|&(kind, wanted)| option(options, kind) == Some(wanted))
}

/// The first option by which an `fq` does more to packets than queue them, in `tc`'s words.
pub(super) fn purpose(qdisc: &Qdisc) -> Option<&'static str> {
    let options = qdisc.options.as_deref().unwrap_or_default();
    let differs =
        |(kind, default, _): &&(u16, u32, &str)| option(options, *kind).is_some_and(|value| value != *default);
    PURPOSEFUL.iter().filter(|_| qdisc.kind == "fq").find(differs).map(|&(_, _, word)| word)
}
