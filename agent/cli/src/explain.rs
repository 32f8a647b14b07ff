//! `weir explain pod`: why a pod gets what it gets.

use std::fmt::Write as _;

use weir_api::admin::v1::{Cgroup, Drops, ExplainPodResponse, Interface, Pod, pod_desired::Place};

use crate::{
    output::table as columns,
    status::{findings, is_without_interface, place, tier_names},
    units::{self, NONE},
};

/// The page.
pub(crate) fn table(explained: &ExplainPodResponse) -> String {
    let empty = Pod::default();
    let pod = explained.pod.as_ref().unwrap_or(&empty);
    let mut page = head(pod, explained);
    page.push('\n');
    page.push_str(&limits(explained));
    if let Some(counters) = counters(pod) {
        page.push('\n');
        page.push_str(&counters);
    }
    let clocks = clocks(pod, explained);
    if !clocks.is_empty() {
        page.push_str("\nCLOCKS\n");
        for clock in clocks {
            let _ = writeln!(page, "  {clock}");
        }
    }
    if !explained.degraded.is_empty() {
        page.push_str("\nDEGRADED\n");
        for reason in &explained.degraded {
            let _ = writeln!(page, "  {}", reason.strip_prefix("degraded: ").unwrap_or(reason));
        }
    }
    findings(&mut page, "NOTES", &explained.findings);
    page
}

fn head(pod: &Pod, explained: &ExplainPodResponse) -> String {
    let desired = pod.desired.as_ref();
    let mut page = String::new();
    let mut line = |name: &str, text: &str| {
        let _ = writeln!(page, "{name:<10} {text}");
    };
    line("pod", &format!("{}/{}", pod.namespace, pod.name));
    if let Some(desired) = desired {
        line("workload", &desired.workload);
        let names = tier_names(desired);
        line("tier", if names.is_empty() { "none: interactive" } else { &names });
    }
    line("", &explained.tier_reason);
    for (name, tier) in explained.tiers.iter().filter_map(|tier| Some((&tier.name, tier.desired.as_ref()?))) {
        if let Some(dscp) = tier.dscp {
            let on = if explained.tiers.len() > 1 { format!(", by {name}") } else { String::new() };
            line("dscp", &format!("{} is written into its packets on the uplink{on}", units::dscp(dscp)));
        }
    }
    line("interface", &interface(desired.and_then(|desired| desired.place.as_ref())));
    for further in desired.iter().flat_map(|desired| &desired.further) {
        line("interface", &named(further));
    }
    match &pod.observed {
        Some(now) => line("slot", &now.slot.to_string()),
        None => line("slot", "none yet: nothing is in force for this pod"),
    }
    page
}

fn interface(found: Option<&Place>) -> String {
    match found {
        Some(Place::Veth(interface)) => named(interface),
        Some(Place::HostNetwork(Cgroup { id, level }) | Place::Sockets(Cgroup { id, level })) => {
            format!("{}: known by its cgroup {id} at level {level}", place(found))
        }
        None => place(None),
    }
}

fn named(interface: &Interface) -> String {
    format!("{} (ifindex {})", interface.name, interface.ifindex)
}

fn limits(explained: &ExplainPodResponse) -> String {
    if explained.limits.is_empty() {
        return "LIMITS\n  none: it sends as fast as its interface and the uplink let it\n".to_owned();
    }
    let rows = explained
        .limits
        .iter()
        .map(|limit| [limit.what.clone(), units::rate(limit.rate_bits_per_second), limit.from.clone()]);
    columns(["LIMIT", "RATE", "FROM"], &[1], rows)
}

fn counters(pod: &Pod) -> Option<String> {
    let now = pod.observed.as_ref()?;
    let row = |name: &str, bytes, packets: u64| [name.to_owned(), units::bytes(bytes), packets.to_string()];
    let mut rows = Vec::new();
    if !is_without_interface(pod) {
        rows.push(row("sent", now.transmit_bytes, now.transmit_packets));
        rows.push(row("received", now.receive_bytes, now.receive_packets));
    }
    rows.push(row("over the uplink", now.uplink_bytes, now.uplink_packets));
    rows.push(["marked with CE".to_owned(), NONE.to_owned(), now.marked_packets.to_string()]);
    for Drops { reason, packets } in &now.drops {
        rows.push([format!("dropped: {reason}"), NONE.to_owned(), packets.to_string()]);
    }
    Some(columns(["TRAFFIC", "BYTES", "PACKETS"], &[1, 2], rows))
}

/// How long a packet would have to wait now for each clock that holds for the pod.
fn clocks(pod: &Pod, explained: &ExplainPodResponse) -> Vec<String> {
    let mut clocks = Vec::new();
    let ahead = |ns| match ns {
        0 => "free".to_owned(),
        ns => format!("{} ahead of now", units::time(ns)),
    };
    if let Some(now) = pod.observed.as_ref()
        && pod.desired.as_ref().is_some_and(|desired| !desired.ceilings.is_empty())
    {
        clocks.push(format!("pod ceiling     {}", ahead(now.ceiling_ahead_ns)));
    }
    for now in explained.tiers.iter().filter_map(|tier| tier.observed.as_ref()) {
        clocks.push(format!("tier ceiling    {}", ahead(now.ceiling_ahead_ns)));
        clocks.push(format!("tier guarantee  {}", ahead(now.guarantee_ahead_ns)));
    }
    for now in explained.uplinks.iter().filter_map(|uplink| uplink.observed.as_ref()) {
        clocks.push(format!(
            "link            {}; bulk is dropped beyond {} (the others use {})",
            ahead(now.booked_ns),
            units::time(now.horizon_ns),
            units::percent(now.interactive_load_share)
        ));
    }
    clocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_pod_in_a_tier() {
        insta::assert_snapshot!(table(&testing::explained()));
    }

    #[test]
    fn an_interactive_pod_of_the_host_network() {
        insta::assert_snapshot!(table(&testing::explained_interactive()));
    }
}
