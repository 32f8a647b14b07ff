//! Traffic that a tier should hold and does not, found out from the kernel's counters.
//!
//! - Packets of a tier's pod that arrive at an uplink without any sign of their pod. `pod_tx` leaves samples of what it
//!   sees, and `uplink_tx` looks for them among the packets whose sender it does not know: only a packet that left a pod of
//!   the tier *and* arrived without a sender counts, and so nothing that other containers, VMs or routed networks send.
//! - A pod that is in a tier of one uplink and sends over another, on which it has none: after a failover, for example.
//! - Much that leaves an uplink inside tunnels of the node, where nobody can tell whose it is.

use std::collections::BTreeMap;

use crate::{
    desired::{Desired, DesiredPod, reasons},
    host::Host,
    model::{ObjectRef, PodKey, Rate, Rejection, rate},
    snapshot::Snapshot,
};

/// How far readings of the counters lie apart, in ns.
pub const SPACING_NS: u64 = 5_000_000_000;
/// How long a finding lasts after it was seen last, in ns.
pub const LASTS_NS: u64 = 60_000_000_000;
/// As many samples of a pod are needed: one alone may be another's packet to the same place with the same beginning.
pub const ENOUGH_SAMPLES: u64 = 3;
/// What a pod may send over an uplink without a tier within a spacing before it is worth a word, in bytes: a few name
/// look-ups and keep-alives.
pub const FEW_BYTES: u64 = 64 << 10;
/// Which part of an uplink's rate tunnels may take before it is worth a word.
const TUNNELLED_PART: u64 = 50;
/// Kinds of links (`IFLA_INFO_KIND`) whose packets leave inside others.
const TUNNELS: [&str; 16] = [
    "amt",
    "bareudp",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "sit",
    "tun",
    "vti",
    "vxlan",
    "wireguard",
    "xfrm",
];

/// What was found lately.
#[derive(Clone, Debug, Default)]
pub struct Escapes {
    last: Option<Reading>,
    lost: BTreeMap<PodKey, Seen<u64>>,
    untiered: BTreeMap<PodKey, Seen<String>>,
    tunnelled: BTreeMap<String, Seen<Rate>>,
}

/// Counters at one moment.
#[derive(Clone, Debug)]
struct Reading {
    monotonic_ns: u64,
    pods: BTreeMap<PodKey, Pod>,
    /// Bytes inside tunnels, by uplink.
    tunnelled: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Pod {
    slot: u16,
    lost_samples: u64,
    untiered_bytes: u64,
}

/// What was seen, and when last.
#[derive(Clone, Debug)]
struct Seen<T> {
    what: T,
    at_ns: u64,
}

impl Escapes {
    /// Returns whether the next reading is due.
    #[must_use]
    pub fn is_due(&self, monotonic_ns: u64) -> bool {
        self.last.as_ref().is_none_or(|last| monotonic_ns.saturating_sub(last.monotonic_ns) >= SPACING_NS)
    }

    /// Compares the counters in `snapshot` with those before.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let now = snapshot.monotonic_ns;
        let lasts = |at: u64| now.saturating_sub(at) < LASTS_NS;
        self.lost.retain(|_, seen| lasts(seen.at_ns));
        self.untiered.retain(|_, seen| lasts(seen.at_ns));
        self.tunnelled.retain(|_, seen| lasts(seen.at_ns));
        let reading = Reading::of(snapshot);
        if let Some(before) = self.last.replace(reading.clone()) {
            self.compare(&before, &reading, snapshot);
        }
    }

    fn compare(&mut self, before: &Reading, after: &Reading, snapshot: &Snapshot) {
        let now = after.monotonic_ns;
        for (key, pod) in &after.pods {
            // Another slot belongs to another pod of this name.
            let Some(earlier) = before.pods.get(key).filter(|earlier| earlier.slot == pod.slot) else { continue };
            let lost = pod.lost_samples.saturating_sub(earlier.lost_samples);
            if lost > 0 {
                let seen = self.lost.entry(key.clone()).or_insert(Seen { what: 0, at_ns: now });
                *seen = Seen { what: seen.what + lost, at_ns: now };
            }
            let uplink = snapshot.pods.get(key).map_or(0, |now| now.untiered_uplink);
            let uplink = snapshot.uplinks.iter().find(|(_, other)| other.id == uplink).map(|(name, _)| name);
            if let Some(uplink) = uplink
                && pod.untiered_bytes.saturating_sub(earlier.untiered_bytes) > FEW_BYTES
            {
                self.untiered.insert(key.clone(), Seen { what: uplink.clone(), at_ns: now });
            }
        }
        let elapsed_ns = u128::from(now.saturating_sub(before.monotonic_ns)).max(1);
        for (uplink, bytes) in &after.tunnelled {
            let more = bytes.saturating_sub(before.tunnelled.get(uplink).copied().unwrap_or(*bytes));
            let sent = u64::try_from(u128::from(more) * 8_000_000_000 / elapsed_ns).unwrap_or(u64::MAX);
            let all = snapshot.desired.uplinks.get(uplink).map_or(u64::MAX, |uplink| uplink.rate);
            if sent > all / TUNNELLED_PART {
                self.tunnelled.insert(uplink.clone(), Seen { what: sent, at_ns: now });
            }
        }
    }

    /// Returns what a person should know, as notes on tiers, pods and uplinks.
    #[must_use]
    pub fn notes(&self, desired: &Desired, host: &Host) -> Vec<Rejection> {
        let lost = self.lost_by_tier(desired).into_iter().map(|(tier, pods)| {
            let message = format!(
                "packets of {} arrive at an uplink without any sign of their pod, so that its limits do not hold: \
                 another program, tunnel or device on their way through the node hides it",
                pods.join(", ")
            );
            note("TrafficTier", &tier, reasons::IDENTITY_LOST, message)
        });
        let lost_pods = self.lost_pods(desired).map(|(key, _)| {
            let message =
                "its packets arrive at an uplink without any sign of it, so that its limits do not hold: another \
                           program, tunnel or device on their way through the node hides it"
                    .to_owned();
            note("Pod", &key.to_string(), reasons::IDENTITY_LOST, message)
        });
        let untiered = self.untiered.iter().filter_map(|(key, Seen { what: uplink, .. })| {
            let pod = desired.pods.get(key).filter(|pod| !pod.tiers.contains_key(uplink))?;
            let message = format!(
                "it sends over Uplink {uplink}, on which it is in no TrafficTier and never waits; it is in {} on {}: write \
                 a tier for it on Uplink {uplink} too",
                pod.tier_names(),
                pod.tiers.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            );
            Some(note("Pod", &key.to_string(), reasons::NO_TIER_THERE, message))
        });
        let tunnels = tunnels(host);
        let tunnelled = self.tunnelled.iter().filter_map(|(uplink, Seen { what: sent, .. })| {
            let has_tiers = desired.tiers.values().any(|tier| tier.uplink == *uplink);
            if !has_tiers || tunnels.is_empty() {
                return None;
            }
            let message = format!(
                "{}bit/s leave it inside tunnels of the node ({}): whose they are cannot be told, and they never wait",
                rate::format(*sent),
                tunnels.join(", ")
            );
            Some(note("Uplink", uplink, reasons::TUNNELLED, message))
        });
        lost.chain(lost_pods).chain(untiered).chain(tunnelled).collect()
    }

    /// Pods of each tier that lose their packets.
    fn lost_by_tier(&self, desired: &Desired) -> BTreeMap<String, Vec<String>> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, pod) in self.lost_pods(desired) {
            for tier in pod.tiers.values() {
                found.entry(tier.clone()).or_default().push(format!("Pod {key}"));
            }
        }
        found
    }

    fn lost_pods<'a>(&'a self, desired: &'a Desired) -> impl Iterator<Item = (&'a PodKey, &'a DesiredPod)> {
        let lost = self.lost.iter().filter(|(_, seen)| seen.what >= ENOUGH_SAMPLES);
        lost.filter_map(|(key, _)| Some((key, desired.pods.get(key).filter(|pod| !pod.tiers.is_empty())?)))
    }
}

impl Reading {
    fn of(snapshot: &Snapshot) -> Self {
        let pods = snapshot.pods.iter().map(|(key, pod)| {
            let counters = Pod { slot: pod.slot, lost_samples: pod.lost_samples, untiered_bytes: pod.untiered_bytes };
            (key.clone(), counters)
        });
        let tunnelled = snapshot.uplinks.iter().map(|(name, uplink)| (name.clone(), uplink.tunnelled_bytes));
        Self { monotonic_ns: snapshot.monotonic_ns, pods: pods.collect(), tunnelled: tunnelled.collect() }
    }
}

/// The node's tunnels by name.
fn tunnels(host: &Host) -> Vec<String> {
    let is_tunnel = |kind: &Option<String>| kind.as_deref().is_some_and(|kind| TUNNELS.contains(&kind));
    host.links.values().filter(|link| link.up && is_tunnel(&link.kind)).map(|link| link.name.clone()).collect()
}

fn note(kind: &str, name: &str, reason: &str, message: String) -> Rejection {
    Rejection {
        object: ObjectRef { kind: kind.to_owned(), name: name.to_owned() },
        location: None,
        reason: reason.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
