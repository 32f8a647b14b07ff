//! `weir top --once`: the same figures as plain text.

use crate::{
    command::Sort,
    output::table as columns,
    rates::{PodRate, Rates, TierRate, UplinkRate},
    units,
};

pub(super) const UPLINK_HEADER: [&str; 7] = ["UPLINK", "INTERFACE", "RATE", "INTERACTIVE", "BULK", "EXEMPT", "BOOKED"];
pub(super) const TIER_HEADER: [&str; 9] =
    ["TIER", "UPLINK", "SENT", "DEMAND", "CEILING", "DELAY p50", "p99", "DROPS/s", "MARKS/s"];
pub(super) const POD_HEADER: [&str; 7] = ["POD", "TIER", "UPLINK", "CEILING", "SENT", "RECEIVED", "DROPS/s"];

/// Rates in the order that was asked for.
pub(super) fn sorted(mut rates: Rates, order: Sort) -> Rates {
    super::sort(&mut rates, order);
    rates
}

/// The page.
pub(super) fn table(rates: &Rates, order: Sort) -> String {
    let rates = sorted(rates.clone(), order);
    let mut page = format!("node {}, rates in bits per second over {}\n", rates.node, units::time(rates.window_ns));
    for reason in &rates.degraded {
        page.push_str(reason);
        page.push('\n');
    }
    let mut part = |text: String| {
        page.push('\n');
        page.push_str(&text);
    };
    part(columns(UPLINK_HEADER, &[2, 3, 4, 5, 6], rates.uplinks.iter().map(uplink)));
    part(columns(TIER_HEADER, &[2, 3, 4, 5, 6, 7, 8], rates.tiers.iter().map(tier)));
    part(columns(POD_HEADER, &[2, 3, 4, 5, 6], rates.pods.iter().map(pod)));
    page
}

pub(super) fn uplink(uplink: &UplinkRate) -> [String; 7] {
    [
        uplink.name.clone(),
        if uplink.interfaces.is_empty() { units::NONE.to_owned() } else { uplink.interfaces.join(",") },
        units::rate(uplink.rate_bits_per_second),
        units::rate(uplink.interactive_bits_per_second),
        units::rate(uplink.bulk_bits_per_second),
        units::rate(uplink.exempt_bits_per_second),
        format!("{} / {}", units::time(uplink.booked_ns), units::time(uplink.horizon_ns)),
    ]
}

pub(super) fn tier(tier: &TierRate) -> [String; 9] {
    [
        tier.name.clone(),
        tier.uplink.clone(),
        units::rate(tier.sent_bits_per_second),
        units::rate(tier.demand_bits_per_second),
        units::rate(tier.ceiling_bits_per_second),
        units::time_or_none(tier.delay_p50_ns),
        units::time_or_none(tier.delay_p99_ns),
        units::per_second(tier.drops_per_second),
        units::per_second(tier.marks_per_second),
    ]
}

pub(super) fn pod(pod: &PodRate) -> [String; 7] {
    [
        format!("{}/{}", pod.namespace, pod.name),
        if pod.tier.is_empty() { units::NONE.to_owned() } else { pod.tier.clone() },
        units::rate(pod.uplink_bits_per_second),
        units::rate_or_none(pod.ceiling_bits_per_second),
        units::rate_or_none(pod.transmit_bits_per_second),
        units::rate_or_none(pod.receive_bits_per_second),
        units::per_second(pod.drops_per_second),
    ]
}
