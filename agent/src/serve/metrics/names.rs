//! Every metric family of the agent: its name, its labels and what it means.

use std::{collections::HashMap, sync::LazyLock};

use prometheus::{core::Desc, proto::MetricType};

/// A metric family.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

macro_rules! families {
    ($($kind:ident $id:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Family =
            Family { name: $name, help: $help, kind: MetricType::$kind, labels: &[$($label),*] };)*
        /// All of them.
        pub(super) const ALL: &[&Family] = &[$(&$id),*];
    };
}

families! {
    COUNTER POD_TRANSMIT_BYTES "weir_pod_network_transmit_bytes_total" ["namespace", "pod", "workload", "tier"]
        "Bytes that the pod sent, as its interface counts them.";
    COUNTER POD_TRANSMIT_PACKETS "weir_pod_network_transmit_packets_total" ["namespace", "pod", "workload", "tier"]
        "Packets that the pod sent, as its interface counts them.";
    COUNTER POD_RECEIVE_BYTES "weir_pod_network_receive_bytes_total" ["namespace", "pod", "workload", "tier"]
        "Bytes that the pod received, as its interface counts them.";
    COUNTER POD_RECEIVE_PACKETS "weir_pod_network_receive_packets_total" ["namespace", "pod", "workload", "tier"]
        "Packets that the pod received, as its interface counts them.";
    COUNTER POD_DROPS "weir_pod_drops_total" ["namespace", "pod", "reason"]
        "Packets of the pod that were dropped on an uplink.";

    GAUGE TIER_RATE "weir_tier_rate_bits_per_second" ["tier", "uplink"]
        "What the tier sent on the wire, averaged over half a minute.";
    GAUGE TIER_DEMAND "weir_tier_demand_bits_per_second" ["tier", "uplink"]
        "What the tier tried to send, averaged over half a minute: what passed and what was dropped.";
    GAUGE TIER_GUARANTEE "weir_tier_guarantee_bits_per_second" ["tier", "uplink"]
        "What is always available to the tier.";
    GAUGE TIER_CEILING "weir_tier_ceiling_bits_per_second" ["tier", "uplink"]
        "What the tier never exceeds.";
    COUNTER TIER_BYTES "weir_tier_bytes_total" ["tier", "uplink"]
        "Bytes that the tier sent on the wire.";
    COUNTER TIER_PACKETS "weir_tier_packets_total" ["tier", "uplink"]
        "Packets that the tier sent on the wire.";
    COUNTER TIER_MARKED "weir_tier_marked_packets_total" ["tier", "uplink"]
        "Packets of the tier that got a CE mark.";
    COUNTER TIER_DROPPED "weir_tier_dropped_packets_total" ["tier", "uplink", "reason"]
        "Packets of the tier that were dropped.";
    HISTOGRAM TIER_DELAY "weir_tier_delay_seconds" ["tier", "uplink"]
        "Time that packets of the tier were made to wait.";

    GAUGE UPLINK_CAPACITY "weir_uplink_capacity_bits_per_second" ["uplink"]
        "What the uplink can carry, as its object says.";
    GAUGE UPLINK_RATE "weir_uplink_rate_bits_per_second" ["uplink", "class"]
        "What left by the uplink's interfaces, averaged over half a minute; the class exempt does not cross the uplink.";
    COUNTER UPLINK_BYTES "weir_uplink_bytes_total" ["uplink", "class"]
        "Bytes that left by the uplink's interfaces; the class exempt does not cross the uplink.";
    COUNTER UPLINK_PACKETS "weir_uplink_packets_total" ["uplink", "class"]
        "Packets that left by the uplink's interfaces; the class exempt does not cross the uplink.";

    SUMMARY RECONCILE_DURATION "weir_reconcile_duration_seconds" []
        "Time that a round of the reconcile loop takes.";
    COUNTER RECONCILE_ERRORS "weir_reconcile_errors_total" []
        "Rounds of the reconcile loop that failed.";
    GAUGE SOURCE_STALE "weir_source_stale_seconds" []
        "How long the source of objects has not answered; 0 while it does.";
    GAUGE MAP_ENTRIES "weir_map_entries" ["map"]
        "Entries in use of a map in the kernel.";
    GAUGE MAP_CAPACITY "weir_map_capacity" ["map"]
        "Entries that a map in the kernel can hold.";
    COUNTER PROGRAM_EXITS "weir_program_exits_total" ["program", "exit"]
        "Packets by the way in which they left a program in the kernel.";
    GAUGE DEGRADED "weir_degraded" ["reason"]
        "1 for each kind of thing that limits the agent, by one word.";
    GAUGE REJECTED_OBJECTS "weir_rejected_objects" ["kind", "reason"]
        "Objects that are not obeyed.";
    GAUGE BUILD_INFO "weir_build_info" ["version"]
        "1, with the agent's version.";
}

/// The families as the registry wants them.
pub(super) fn descriptions() -> Vec<&'static Desc> {
    static DESCRIPTIONS: LazyLock<Vec<Desc>> = LazyLock::new(|| {
        ALL.iter()
            .map(|family| {
                let labels = family.labels.iter().map(|label| (*label).to_owned()).collect();
                Desc::new(family.name.to_owned(), family.help.to_owned(), labels, HashMap::new())
                    .expect("the names and labels above are valid, which a test sees to")
            })
            .collect()
    });
    DESCRIPTIONS.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_end_in_their_unit() {
        assert_eq!(descriptions().len(), ALL.len());
        for family in ALL {
            let counter = family.kind == MetricType::COUNTER;
            assert_eq!(counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.help.ends_with('.'), "{}", family.name);
        }
    }
}
