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
            Place::Cgroup { id, level } => Some(Message::Cgroup(v1::Cgroup { id: *id, level: *level })),
            Place::Unknown => None,
        },
        tier: pod.tier.clone(),
        ceiling: pod
            .ceiling
            .as_ref()
            .map(|ceiling| v1::PodCeiling { rate_bits_per_second: ceiling.rate, from: ceiling.from.clone() }),
    }
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
    }
}
