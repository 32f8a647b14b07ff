//! From names and rates to ids and map values.

use std::collections::{BTreeMap, BTreeSet};

use weir_common::{
    config::{DSCP_KEEP, InterfaceConfig, PodConfig, TierConfig, UPLINK_POLICE, UplinkConfig},
    reason::Program,
    units::cost_of_rate,
};

use super::{Ids, KernelState, Kind, ids::Allocator, pod_owner, tier_owner, uplink_owner};
use crate::{
    desired::{Desired, DesiredPod, Place},
    host::Host,
    model::{ObjectRef, PodKey, Rejection},
};

/// How packets are paced: the constants of the virtual link clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// δ: delay that bulk may add to interactive packets, in ns.
    pub delta_ns: u32,
    /// Shortest horizon, in ns.
    pub horizon_min_ns: u32,
    /// Longest horizon, in ns.
    pub horizon_max_ns: u32,
    /// What a clock may catch up after idling, in ns.
    pub burst_ns: u32,
    /// Uplinks, by name, whose devices cannot hold `fq`: their ceilings are policed.
    pub policed: BTreeSet<String>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            delta_ns: 2_500_000,
            horizon_min_ns: 2_000_000,
            horizon_max_ns: 40_000_000,
            burst_ns: 1_000_000,
            policed: BTreeSet::new(),
        }
    }
}

/// What the kernel should have, and under which ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Map values and attachments.
    pub state: KernelState,
    /// Which id stands for what.
    pub ids: Ids,
    /// What found no room.
    pub notes: Vec<Rejection>,
}

/// Turns what a node should have into map values. `observed` is asked only for the ids that owners already have.
#[must_use]
pub fn render(desired: &Desired, host: &Host, pacing: &Pacing, observed: &KernelState) -> Rendered {
    let mut rendered = Rendered::default();
    rendered.uplinks(desired, host, pacing, observed);
    rendered.tiers(desired, observed);
    rendered.pods(desired, host, observed);
    rendered
}

impl Rendered {
    fn uplinks(&mut self, desired: &Desired, host: &Host, pacing: &Pacing, observed: &KernelState) {
        let mut allocator =
            Allocator::new(Kind::Uplink, observed.uplinks.iter().map(|(&id, uplink)| (id, uplink.owner)));
        for (name, uplink) in &desired.uplinks {
            let owner = uplink_owner(name);
            let Some(id) = self.id(&mut allocator, owner, "Uplink", name) else { continue };
            self.ids.uplinks.insert(name.clone(), id);
            let flags = if pacing.policed.contains(name) { UPLINK_POLICE } else { 0 };
            let config = UplinkConfig {
                owner,
                capacity: cost_of_rate(uplink.rate),
                delta_ns: pacing.delta_ns,
                horizon_min_ns: pacing.horizon_min_ns,
                horizon_max_ns: pacing.horizon_max_ns,
                burst_ns: pacing.burst_ns,
                flags,
                cgroup_levels: cgroup_levels(&desired.pods),
            };
            self.state.uplinks.insert(id, config);
            self.state.exempt.extend(uplink.exempt.iter().map(|network| (id, network.trunc())));
            for &ifindex in uplink.interfaces.keys() {
                self.interface(ifindex, host).uplink = id;
                self.state.attached.insert((ifindex, Program::UplinkTx));
            }
        }
    }

    fn tiers(&mut self, desired: &Desired, observed: &KernelState) {
        let mut allocator = Allocator::new(Kind::Tier, observed.tiers.iter().map(|(&id, tier)| (id, tier.owner)));
        for (name, tier) in &desired.tiers {
            let Some(&uplink) = self.ids.uplinks.get(&tier.uplink) else { continue };
            let owner = tier_owner(name);
            let Some(id) = self.id(&mut allocator, owner, "TrafficTier", name) else { continue };
            self.ids.tiers.insert(name.clone(), id);
            let config = TierConfig {
                owner,
                ceiling: cost_of_rate(tier.ceiling),
                guarantee: if tier.guarantee == 0 { 0 } else { cost_of_rate(tier.guarantee) },
                uplink,
                dscp: tier.dscp.unwrap_or(DSCP_KEEP),
                reserved: [0; 5],
            };
            self.state.tiers.insert(id, config);
        }
    }

    fn pods(&mut self, desired: &Desired, host: &Host, observed: &KernelState) {
        let mut allocator = Allocator::new(Kind::Pod, observed.pods.iter().map(|(&slot, pod)| (slot, pod.owner)));
        for (key, pod) in &desired.pods {
            let owner = pod_owner(key, &pod.uid);
            let Some(slot) = self.id(&mut allocator, owner, "Pod", &key.to_string()) else { continue };
            self.ids.pods.insert(key.clone(), slot);
            let config = PodConfig {
                owner,
                ceiling: pod.ceiling.as_ref().map_or(0, |ceiling| cost_of_rate(ceiling.rate)),
                tier: pod.tier.as_ref().and_then(|tier| self.ids.tiers.get(tier)).copied().unwrap_or(0),
                reserved: [0; 3],
            };
            self.state.pods.insert(slot, config);
            match pod.place {
                Place::Veth { ifindex, .. } => {
                    self.interface(ifindex, host).slot = slot;
                    self.state.attached.insert((ifindex, Program::PodTx));
                    self.state.attached.insert((ifindex, Program::PodRx));
                }
                Place::Cgroup { id, .. } => {
                    self.state.cgroups.insert(id, slot);
                }
                Place::Unknown => {}
            }
        }
    }

    fn interface(&mut self, ifindex: u32, host: &Host) -> &mut InterfaceConfig {
        let ethernet = host.links.get(&ifindex).is_none_or(|link| link.ethernet);
        let config = self.state.interfaces.entry(ifindex).or_default();
        config.l2_len = if ethernet { ETHERNET_HEADER } else { 0 };
        config
    }

    fn id(&mut self, allocator: &mut Allocator, owner: [u8; 16], kind: &str, name: &str) -> Option<u16> {
        match allocator.id(owner) {
            Ok(id) => Some(id),
            Err(error) => {
                self.notes.push(Rejection {
                    object: ObjectRef { kind: kind.into(), name: name.into() },
                    location: None,
                    reason: "NoRoom".into(),
                    message: error.to_string(),
                });
                None
            }
        }
    }
}

/// Bytes of an Ethernet header without tags.
const ETHERNET_HEADER: u32 = 14;

/// Bit n for each level n at which a hostNetwork pod's cgroup stands.
fn cgroup_levels(pods: &BTreeMap<PodKey, DesiredPod>) -> u32 {
    pods.values()
        .filter_map(|pod| match pod.place {
            Place::Cgroup { level, .. } => 1u32.checked_shl(level),
            _ => None,
        })
        .fold(0, |levels, bit| levels | bit)
}

#[cfg(test)]
mod tests;
