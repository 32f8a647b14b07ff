//! A [`Snapshot`] as a message.

use std::{collections::BTreeMap, time::Duration};

use weir_core::{
    desired::{DesiredTier, DesiredUplink},
    model::Rejection,
    snapshot::{Snapshot, TierNow, UplinkNow},
};

use super::{pod, v1};

/// The message for a snapshot, taken under the kernel release `kernel` (`uname -r`).
#[must_use]
pub fn snapshot(snapshot: &Snapshot, kernel: &str) -> v1::Snapshot {
    let desired = &snapshot.desired;
    let stats = &snapshot.reconcile;
    v1::Snapshot {
        node: snapshot.node.clone(),
        version: snapshot.version.clone(),
        kernel: kernel.to_owned(),
        monotonic_ns: snapshot.monotonic_ns,
        degraded: snapshot.degraded.iter().map(|degraded| degraded.message.clone()).collect(),
        uplinks: both(&desired.uplinks, &snapshot.uplinks, |name, desired, now| uplink(name, desired, now)),
        tiers: both(&desired.tiers, &snapshot.tiers, |name, desired, now| tier(name, desired, now)),
        pods: both(&desired.pods, &snapshot.pods, pod::message),
        rejections: snapshot.findings.rejections.iter().map(finding).collect(),
        notes: snapshot.findings.notes.iter().map(finding).collect(),
        exits: snapshot
            .exits
            .iter()
            .map(|count| v1::ProgramExit {
                program: count.program.to_owned(),
                exit: count.exit.to_owned(),
                packets: count.packets,
            })
            .collect(),
        maps: snapshot
            .maps
            .iter()
            .map(|map| v1::Map { name: map.name.to_owned(), entries: map.entries, capacity: map.capacity })
            .collect(),
        reconcile: Some(v1::Reconcile {
            rounds: stats.rounds,
            errors: stats.errors,
            last_duration_ns: nanoseconds(stats.last_seconds),
            total_duration_ns: nanoseconds(stats.sum_seconds),
            source_stale_ns: nanoseconds(stats.stale_seconds),
            last_error: stats.last_error.clone().unwrap_or_default(),
        }),
    }
}

/// One message for each key of either map, in the order of the keys.
fn both<K: Ord, D, N, M>(
    desired: &BTreeMap<K, D>,
    now: &BTreeMap<K, N>,
    message: impl Fn(&K, Option<&D>, Option<&N>) -> M,
) -> Vec<M> {
    let mut keys: Vec<&K> = desired.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(|key| message(key, desired.get(key), now.get(key))).collect()
}

pub(super) fn uplink(name: &str, desired: Option<&DesiredUplink>, now: Option<&UplinkNow>) -> v1::Uplink {
    v1::Uplink {
        name: name.to_owned(),
        desired: desired.map(|desired| v1::UplinkDesired {
            capacity_bits_per_second: desired.capacity,
            rate_bits_per_second: desired.rate,
            interfaces: desired
                .interfaces
                .iter()
                .map(|(ifindex, name)| v1::Interface { ifindex: *ifindex, name: name.clone() })
                .collect(),
            exempt: desired.exempt.iter().map(ToString::to_string).collect(),
        }),
        observed: now.map(|now| v1::UplinkObserved {
            id: now.id.into(),
            classes: now
                .bytes
                .iter()
                .map(|(class, bytes)| v1::ClassTraffic {
                    class: (*class).to_owned(),
                    bytes: *bytes,
                    packets: now.packets.get(class).copied().unwrap_or_default(),
                })
                .collect(),
            booked_ns: now.booked_ns,
            interactive_load_share: share(now.load),
            horizon_ns: now.horizon_ns,
            qdiscs: now
                .qdiscs
                .iter()
                .map(|(interface, description)| v1::Qdisc {
                    interface: interface.clone(),
                    description: description.clone(),
                })
                .collect(),
            paced: now.paced,
            forwarded_bytes: now.forwarded_bytes,
            tunnelled_bytes: now.tunnelled_bytes,
        }),
    }
}

pub(super) fn tier(name: &str, desired: Option<&DesiredTier>, now: Option<&TierNow>) -> v1::Tier {
    v1::Tier {
        name: name.to_owned(),
        desired: desired.map(|desired| v1::TierDesired {
            uplink: desired.uplink.clone(),
            guarantee_bits_per_second: desired.guarantee,
            ceiling_bits_per_second: desired.ceiling,
            pod_ceiling_bits_per_second: desired.pod_ceiling,
            dscp: desired.dscp.map(u32::from),
        }),
        observed: now.map(|now| v1::TierObserved {
            id: now.id.into(),
            bytes: now.bytes,
            packets: now.packets,
            dropped_bytes: now.dropped_bytes,
            marked_packets: now.marked,
            drops: drops(&now.dropped),
            delay: Some(v1::DelayHistogram {
                sum_ns: now.delay_sum_ns,
                buckets: now
                    .delay
                    .iter()
                    .map(|&(bound, packets)| v1::DelayBucket {
                        upper_bound_ns: (bound != u64::MAX).then_some(bound),
                        packets,
                    })
                    .collect(),
            }),
            ceiling_ahead_ns: now.ceiling_ahead_ns,
            guarantee_ahead_ns: now.guarantee_ahead_ns,
        }),
    }
}

pub(super) fn drops(dropped: &BTreeMap<&'static str, u64>) -> Vec<v1::Drops> {
    dropped.iter().map(|(reason, packets)| v1::Drops { reason: (*reason).to_owned(), packets: *packets }).collect()
}

pub(super) fn finding(rejection: &Rejection) -> v1::Finding {
    let (file, line) =
        rejection.location.as_ref().map(|location| (location.file.clone(), location.line)).unwrap_or_default();
    v1::Finding {
        kind: rejection.object.kind.clone(),
        name: rejection.object.name.clone(),
        file,
        line,
        reason: rejection.reason.clone(),
        message: rejection.message.clone(),
    }
}

/// A share in 2⁻¹⁶ as a number. Shares are far below 2⁵³ and so exact.
#[allow(clippy::cast_precision_loss)]
fn share(load: u64) -> f64 {
    load as f64 / 65_536.0
}

/// Seconds as ns; what is no time (negative, not a number) is 0, what is too long is the longest.
fn nanoseconds(seconds: f64) -> u64 {
    if !seconds.is_finite() || seconds < 0.0 {
        return 0;
    }
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::example;

    #[test]
    fn an_object_without_kernel_state_is_shown_as_not_enforced() {
        let mut state = example::snapshot();
        state.tiers.clear();
        let message = snapshot(&state, "6.12.0");
        assert!(message.tiers[0].desired.is_some() && message.tiers[0].observed.is_none());
    }

    #[test]
    fn kernel_state_without_an_object_is_not_hidden() {
        let mut state = example::snapshot();
        state.desired.pods.clear();
        let message = snapshot(&state, "6.12.0");
        let pods: Vec<_> = message.pods.iter().map(|pod| (pod.name.as_str(), pod.desired.is_some())).collect();
        assert_eq!(pods, [("seed", false), ("web", false)]);
    }

    #[test]
    fn units_and_bounds_are_kept() {
        let message = snapshot(&example::snapshot(), "6.12.0");
        let uplink = message.uplinks[0].observed.as_ref().expect("enforced");
        assert!((uplink.interactive_load_share - 0.25).abs() < 1e-9);
        let delay = message.tiers[0].observed.as_ref().and_then(|tier| tier.delay.clone()).expect("enforced");
        assert_eq!(delay.buckets.last().expect("buckets").upper_bound_ns, None);
        assert_eq!(message.reconcile.expect("figures").total_duration_ns, 1_500_000_000);
        assert_eq!((message.rejections[0].file.as_str(), message.rejections[0].line), ("tiers.yaml", 12));
    }

    #[test]
    fn times_that_are_no_times() {
        assert_eq!(nanoseconds(f64::NAN), 0);
        assert_eq!(nanoseconds(-1.0), 0);
        assert_eq!(nanoseconds(1e300), u64::MAX);
    }
}
