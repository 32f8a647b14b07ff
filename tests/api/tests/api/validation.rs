//! What `kubectl apply` says of good and bad objects: the definitions' schema and rules.

use crate::world::with_definitions;
use anyhow::{Result, ensure};

/// (kind, spec, what the refusal must say; none: it is accepted)
const OBJECTS: &[(&str, &str, Option<&str>)] = &[
    ("Uplink", "{capacity: 20M}", None),
    ("Uplink", "{capacity: 20000000, headroom: 2.5%, exempt: [10.0.0.0/8, 'fd00::/8']}", None),
    ("Uplink", "{capacity: 1.5G, scope: Node, interface: {name: ppp0}}", None),
    ("Uplink", "{}", Some("spec.capacity")),
    ("Uplink", "{capacity: 20 apples}", Some("capacity")),
    ("Uplink", "{capacity: 0}", Some("from 1k to 1T")),
    ("Uplink", "{capacity: 20M, scope: Cluster}", Some("Cluster is not supported yet")),
    ("Uplink", "{capacity: 20M, headroom: 60%}", Some("from 0% to 50%")),
    ("Uplink", "{capacity: 20M, exempt: [10.0.0.300/8]}", Some("CIDR notation")),
    ("Uplink", "{capacity: 20M, exempt: [10.0.0.1/8]}", Some("without address bits beyond the prefix")),
    ("Uplink", "{capacity: 20M, exempt: ['fd00::1/8']}", Some("without address bits beyond the prefix")),
    ("Uplink", "{capacity: 20M, interface: {name: enp3s0.20}}", None),
    ("Uplink", "{capacity: 20M, interface: {name: 'eth 0'}}", Some("an interface name such as eth0")),
    ("Uplink", "{capacity: 20M, interface: {name: eth0/1}}", Some("an interface name such as eth0")),
    ("Uplink", "{capacity: 20M, interface: {name: '..'}}", Some("an interface name such as eth0")),
    ("Uplink", "{capacity: 20M, interface: {name: 'übertragung-zu-x'}}", Some("15")),
    ("Uplink", "{capacity: 20M, interface: {name: 'ünïcödé-nïcé1'}}", Some("an interface name such as eth0")),
    ("Uplink", "{capacity: 20M, interface: {name: ''}}", Some("an interface name such as eth0")),
    ("Uplink", "{capacity: 20M, interface: {name: a-name-that-is-too-long}}", Some("Too long")),
    (
        "Uplink",
        "{capacity: 20M, exemptOnLink: false, overhead: {bytes: -64, linkLayer: ptm, minimumPacket: 256}}",
        None,
    ),
    ("Uplink", "{capacity: 20M, overhead: {bytes: 257}}", Some("less than or equal to 256")),
    (
        "Uplink",
        "{capacity: 20M, overhead: {linkLayer: isdn}}",
        Some("supported values: \"ethernet\", \"ptm\", \"atm\""),
    ),
    ("Uplink", "{capacity: 20M, overhead: {minimumPacket: -1}}", Some("greater than or equal to 0")),
    ("Uplink", "{capacity: 20M, speed: 3}", Some("speed")),
    ("TrafficTier", "{uplink: wan}", None),
    ("TrafficTier", "{uplink: wan, guarantee: 2M, ceiling: 8M, perPodCeiling: 4M, dscp: LE}", None),
    ("TrafficTier", "{uplink: wan, guarantee: 8M, ceiling: 2M}", Some("the ceiling is under the guarantee")),
    ("TrafficTier", "{uplink: ''}", Some("names no Uplink")),
    ("TrafficTier", "{uplink: wan, weight: 3}", Some("weights other than 1")),
    ("TrafficTier", "{uplink: wan, schedules: [{days: [Sat], ceiling: 1M}]}", Some("schedules are not supported")),
    ("TrafficTier", "{uplink: wan, dscp: 46}", None),
    ("TrafficTier", "{uplink: wan, dscp: af11}", None),
    ("TrafficTier", "{uplink: wan, dscp: 64}", Some("a number from 0 to 63")),
    ("TrafficTier", "{uplink: wan, dscp: AF14}", Some("AF11 to AF43")),
    ("TrafficTier", "{uplink: wan, ceiling: 5}", Some("from 1k to 1T")),
];

#[test]
fn bad_objects_are_refused_with_a_sentence_that_helps() -> Result<()> {
    let cluster = with_definitions()?;
    for (index, (kind, spec, refusal)) in OBJECTS.iter().enumerate() {
        let object =
            format!("apiVersion: weir.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: o{index}}}\nspec: {spec}\n");
        match (cluster.apply(&object), refusal) {
            (Ok(_), None) => {}
            (Ok(_), Some(wanted)) => anyhow::bail!("{kind} {spec} was accepted; expected: {wanted}"),
            (Err(error), None) => return Err(error.context(format!("{kind} {spec}"))),
            (Err(error), Some(wanted)) => {
                let said = format!("{error:#}");
                ensure!(said.contains(wanted), "{kind} {spec}: expected {wanted:?} in: {said}");
            }
        }
    }
    Ok(())
}
