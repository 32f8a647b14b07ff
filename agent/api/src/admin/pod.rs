//! A pod as a message.

use weir_core::{
    desired::{DesiredPod, Place},
    model::PodKey,
    snapshot::PodNow,
};

use super::{convert::drops, v1};

pub(super) fn message(key: &PodKey, desired: Option<&DesiredPod>, now: Option<&PodNow>) -> v1::Pod {
    v1::Pod {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        desired: desired.map(wanted),
        observed: now.map(observed),
    }
}

fn wanted(pod: &DesiredPod) -> v1::PodDesired {
    use v1::pod_desired::Place as Message;
    v1::PodDesired {
        uid: pod.uid.clone(),
        workload: pod.workload.clone(),
        place: match &pod.place {
            Place::Veth { ifindex, name } => {
                Some(Message::Veth(v1::Interface { ifindex: *ifindex, name: name.clone() }))
            }
            Place::HostNetwork => Some(Message::HostNetwork(cgroup(pod))),
            Place::Sockets => Some(Message::Sockets(cgroup(pod))),
            Place::Unknown => None,
        },
        further: pod.further.iter().map(|(&ifindex, name)| v1::Interface { ifindex, name: name.clone() }).collect(),
        tiers: pod
            .tiers
            .iter()
            .map(|(uplink, tier)| v1::PodTier { uplink: uplink.clone(), tier: tier.clone() })
            .collect(),
        ceilings: pod
            .ceilings
            .iter()
            .map(|(uplink, ceiling)| v1::PodCeiling {
                rate_bits_per_second: ceiling.rate,
                from: ceiling.from.clone(),
                uplink: uplink.clone(),
            })
            .collect(),
    }
}

fn cgroup(pod: &DesiredPod) -> v1::Cgroup {
    pod.cgroup.map(|cgroup| v1::Cgroup { id: cgroup.id, level: cgroup.level }).unwrap_or_default()
}

fn observed(pod: &PodNow) -> v1::PodObserved {
    v1::PodObserved {
        slot: pod.slot.into(),
        transmit_bytes: pod.tx_bytes,
        transmit_packets: pod.tx_packets,
        receive_bytes: pod.rx_bytes,
        receive_packets: pod.rx_packets,
        uplink_bytes: pod.uplink_bytes,
        uplink_packets: pod.uplink_packets,
        marked_packets: pod.marked,
        drops: drops(&pod.dropped),
        ceiling_ahead_ns: pod.ceiling_ahead_ns,
        untiered_bytes: pod.untiered_bytes,
        lost_samples: pod.lost_samples,
    }
}
