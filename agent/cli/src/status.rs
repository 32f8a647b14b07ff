//! `weir status`: what is in force on a node, and what is not and why.

use std::fmt::Write as _;

use weir_api::admin::v1::{
    Finding, Pod, PodDesired, PodObserved, Reconcile, Snapshot, Tier, Uplink, pod_desired::Place,
};

use crate::{
    output::table as columns,
    units::{self, NONE},
};

/// The page; `all` lists pods without a limit too.
pub(crate) fn table(snapshot: &Snapshot, all: bool) -> String {
    let mut page = head(snapshot);
    let parts = [uplinks(&snapshot.uplinks), tiers(snapshot), pods(&snapshot.pods, all)];
    for part in parts.into_iter().flatten() {
        page.push('\n');
        page.push_str(&part);
    }
    findings(&mut page, "REJECTED (the last good version of each stays in force)", &snapshot.rejections);
    findings(&mut page, "NOT FULLY IN FORCE", &snapshot.notes);
    page
}

fn head(snapshot: &Snapshot) -> String {
    let limited = snapshot.pods.iter().filter(|pod| is_limited(pod)).count();
    let mut page = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, text: String| {
        let _ = writeln!(page, "{name:<9} {text}");
    };
    line("node", format!("{} (agent {}, kernel {})", snapshot.node, snapshot.version, snapshot.kernel));
    line("policy", policy(snapshot));
    for reason in &snapshot.degraded {
        line("degraded", reason.strip_prefix("degraded: ").unwrap_or(reason).to_owned());
    }
    line("pods", format!("{} here, {limited} with a limit", snapshot.pods.len()));
    page
}

/// Whether everything that is wanted is in the kernel, in a few words.
fn policy(snapshot: &Snapshot) -> String {
    let Some(stats) = &snapshot.reconcile else { return "unknown: the agent gives no figures of its loop".to_owned() };
    let missing = missing(snapshot);
    let mut words = if stats.rounds == 0 {
        "not in force yet: the first round is under way".to_owned()
    } else if !stats.last_error.is_empty() {
        format!("in force, but for what failed in the last round: {}", stats.last_error)
    } else if missing.is_empty() {
        "in force".to_owned()
    } else {
        format!("not yet in force for {}", missing.join(", "))
    };
    if stats.source_stale_ns > 0 {
        let _ = write!(words, "; STALE: the source has not answered for {}", units::long_time(stats.source_stale_ns));
    }
    if stats.rounds > 0 {
        let _ = write!(words, " ({})", rounds(stats));
    }
    words
}

fn rounds(stats: &Reconcile) -> String {
    let rounds = if stats.rounds == 1 { "round" } else { "rounds" };
    format!("{} {rounds}, {} failed, the last took {}", stats.rounds, stats.errors, units::time(stats.last_duration_ns))
}

/// Objects that should be in the kernel and are not.
fn missing(snapshot: &Snapshot) -> Vec<String> {
    let uplinks = snapshot.uplinks.iter().filter(|uplink| uplink.desired.is_some() && uplink.observed.is_none());
    let tiers = snapshot.tiers.iter().filter(|tier| tier.desired.is_some() && tier.observed.is_none());
    let pods = snapshot.pods.iter().filter(|pod| is_limited(pod) && pod.observed.is_none());
    uplinks
        .map(|uplink| format!("Uplink {}", uplink.name))
        .chain(tiers.map(|tier| format!("TrafficTier {}", tier.name)))
        .chain(pods.map(|pod| format!("Pod {}/{}", pod.namespace, pod.name)))
        .collect()
}

fn is_limited(pod: &Pod) -> bool {
    pod.desired.as_ref().is_some_and(|desired| !desired.tiers.is_empty() || !desired.ceilings.is_empty())
}

fn uplinks(uplinks: &[Uplink]) -> Option<String> {
    let rows = uplinks.iter().map(|uplink| {
        let desired = uplink.desired.as_ref();
        let observed = uplink.observed.as_ref();
        let interfaces: Vec<&str> =
            desired.into_iter().flat_map(|desired| &desired.interfaces).map(|link| link.name.as_str()).collect();
        let qdiscs: Vec<&str> =
            observed.into_iter().flat_map(|now| &now.qdiscs).map(|qdisc| qdisc.description.as_str()).collect();
        [
            uplink.name.clone(),
            or_none(&interfaces.join(", ")),
            units::rate_or_none(desired.map(|desired| desired.capacity_bits_per_second)),
            units::rate_or_none(desired.map(|desired| desired.rate_bits_per_second)),
            observed.map_or_else(|| NONE.to_owned(), |now| units::percent(now.interactive_load_share)),
            units::time_or_none(observed.map(|now| now.horizon_ns)),
            observed.map_or("not in force", |now| if now.paced { "paced" } else { "policed" }).to_owned(),
            or_none(&qdiscs.join(", ")),
        ]
    });
    (!uplinks.is_empty()).then(|| {
        columns(
            ["UPLINK", "INTERFACE", "CAPACITY", "RATE", "INTERACTIVE", "HORIZON", "BULK IS", "QDISC"],
            &[2, 3, 4, 5],
            rows,
        )
    })
}

fn tiers(snapshot: &Snapshot) -> Option<String> {
    let rows = snapshot.tiers.iter().map(|tier| tier_row(tier, &snapshot.pods));
    (!snapshot.tiers.is_empty()).then(|| {
        columns(
            ["TIER", "UPLINK", "GUARANTEE", "CEILING", "PER POD", "DSCP", "PODS", "SENT", "MARKED", "DROPPED"],
            &[2, 3, 4, 6, 7, 8, 9],
            rows,
        )
    })
}

fn tier_row(tier: &Tier, pods: &[Pod]) -> [String; 10] {
    let desired = tier.desired.as_ref();
    let observed = tier.observed.as_ref();
    let members = pods
        .iter()
        .filter(|pod| {
            pod.desired.iter().flat_map(|desired| &desired.tiers).any(|membership| membership.tier == tier.name)
        })
        .count();
    [
        tier.name.clone(),
        desired.map_or_else(|| NONE.to_owned(), |desired| desired.uplink.clone()),
        units::rate_or_none(desired.map(|desired| desired.guarantee_bits_per_second)),
        units::rate_or_none(desired.map(|desired| desired.ceiling_bits_per_second)),
        units::rate_or_none(desired.and_then(|desired| desired.pod_ceiling_bits_per_second)),
        desired.and_then(|desired| desired.dscp).map_or_else(|| "kept".to_owned(), units::dscp),
        members.to_string(),
        observed.map_or_else(|| "not in force".to_owned(), |now| units::bytes(now.bytes)),
        observed.map_or_else(|| NONE.to_owned(), |now| now.marked_packets.to_string()),
        observed.map_or_else(|| NONE.to_owned(), |now| sum_of_drops(&now.drops).to_string()),
    ]
}

fn pods(pods: &[Pod], all: bool) -> Option<String> {
    let shown: Vec<&Pod> = pods.iter().filter(|pod| all || is_limited(pod)).collect();
    let rows = shown.iter().map(|pod| {
        let desired = pod.desired.as_ref();
        let observed = pod.observed.as_ref();
        let count =
            |value: fn(&PodObserved) -> u64| observed.map_or_else(|| NONE.to_owned(), |now| units::bytes(value(now)));
        // No interface counts for a pod of the host network, or one behind a macvlan, alone.
        let own = |value| if is_without_interface(pod) { NONE.to_owned() } else { count(value) };
        [
            format!("{}/{}", pod.namespace, pod.name),
            desired.map(tier_names).filter(|names| !names.is_empty()).unwrap_or_else(|| "interactive".to_owned()),
            units::rate_or_none(
                desired.into_iter().flat_map(|desired| &desired.ceilings).map(|own| own.rate_bits_per_second).min(),
            ),
            place(desired.and_then(|desired| desired.place.as_ref())),
            observed.map_or_else(|| "not in force".to_owned(), |now| now.slot.to_string()),
            own(|now| now.transmit_bytes),
            own(|now| now.receive_bytes),
            count(|now| now.uplink_bytes),
            observed.map_or_else(|| NONE.to_owned(), |now| sum_of_drops(&now.drops).to_string()),
        ]
    });
    (!shown.is_empty()).then(|| {
        columns(
            ["POD", "TIER", "CEILING", "INTERFACE", "SLOT", "SENT", "RECEIVED", "UPLINK", "DROPPED"],
            &[2, 4, 5, 6, 7, 8],
            rows,
        )
    })
}

/// The names of a pod's tiers; empty for an interactive pod.
pub(crate) fn tier_names(pod: &PodDesired) -> String {
    pod.tiers.iter().map(|membership| membership.tier.as_str()).collect::<Vec<_>>().join(", ")
}

/// Returns whether no interface of the node counts for the pod alone.
pub(crate) fn is_without_interface(pod: &Pod) -> bool {
    let place = pod.desired.as_ref().and_then(|desired| desired.place.as_ref());
    matches!(place, Some(Place::HostNetwork(_) | Place::Sockets(_)))
}

/// Where a pod's packets are seen.
pub(crate) fn place(place: Option<&Place>) -> String {
    match place {
        Some(Place::Veth(interface)) => interface.name.clone(),
        Some(Place::HostNetwork(_)) => "host network".to_owned(),
        Some(Place::Sockets(_)) => "sockets".to_owned(),
        None => "not found".to_owned(),
    }
}

/// Packets dropped for any reason.
pub(crate) fn sum_of_drops(drops: &[weir_api::admin::v1::Drops]) -> u64 {
    drops.iter().map(|drop| drop.packets).sum()
}

/// A list of findings under a heading; nothing where there are none.
pub(crate) fn findings(page: &mut String, heading: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    let _ = writeln!(page, "\n{heading}");
    for finding in findings {
        let _ = writeln!(page, "  {}", finding_line(finding));
    }
}

fn finding_line(finding: &Finding) -> String {
    let mut line = String::new();
    if !finding.file.is_empty() {
        let _ = write!(line, "{}:{}: ", finding.file, finding.line);
    }
    let object = format!("{} {}", finding.kind, finding.name);
    let _ = write!(line, "{}: {} ({})", object.trim(), finding.message, finding.reason);
    line
}

fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{output::json, testing};

    #[test]
    fn a_node_with_everything_in_force() {
        insta::assert_snapshot!(table(&testing::healthy(10), false));
    }

    #[test]
    fn a_node_with_trouble() {
        insta::assert_snapshot!(table(&testing::troubled(), true));
    }

    #[test]
    fn a_node_without_objects() {
        insta::assert_snapshot!(table(&testing::empty(), false));
    }

    #[test]
    fn json_has_units_in_its_names() {
        insta::assert_snapshot!(json(&testing::troubled()).expect("serializable"));
    }
}
