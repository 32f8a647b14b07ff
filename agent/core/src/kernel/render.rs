//! From names and rates to ids and map values.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use weir_common::{
    config::{
        DSCP_KEEP, INTERFACE_PORT, INTERFACE_SAMPLES, INTERFACE_SHARED, INTERFACE_TAGS, InterfaceConfig, POD_TAGGED,
        POD_TIERED, PodConfig, TierConfig, UPLINKS,
    },
    identity::Address,
    limits::MAX_EXEMPT_PER_UPLINK,
    reason::Program,
    units::cost_of_rate,
};

use super::{Ids, KernelState, Kind, ids::Allocator, pod_owner, tier_owner, uplink_owner};
use crate::{
    desired::{Desired, DesiredPod, DesiredUplink, Place, reasons},
    host::Host,
    model::{ObjectRef, PodKey, Rejection},
};

mod split;
mod uplink;

pub use split::needs_splitter;

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
    /// ifindex of each slot's interface that no program can be attached to: its own counters are the pod's.
    pub counted_by_interface: BTreeMap<u16, u32>,
    /// What found no room.
    pub notes: Vec<Rejection>,
    /// Bursts are to be split from the next time on, when the program for it stands.
    pub awaits_splitter: bool,
}

/// Turns what a node should have into map values. `observed` is asked only for the ids that owners already have.
/// `resting` are slots whose pods ended a moment ago.
#[must_use]
pub fn render(
    desired: &Desired,
    host: &Host,
    pacing: &Pacing,
    observed: &KernelState,
    resting: &BTreeSet<u16>,
) -> Rendered {
    let mut rendered = Rendered::default();
    rendered.uplinks(desired, host, pacing, observed);
    rendered.split(desired, host, observed);
    rendered.tiers(desired, observed);
    rendered.pods(desired, host, observed, resting);
    rendered
}

impl Rendered {
    fn uplinks(&mut self, desired: &Desired, host: &Host, pacing: &Pacing, observed: &KernelState) {
        let none = BTreeSet::new();
        let in_kernel = observed.uplinks.iter().map(|(&id, uplink)| (id, uplink.owner));
        let mut allocator = Allocator::new(Kind::Uplink, in_kernel, &none);
        for (name, uplink) in &desired.uplinks {
            let owner = uplink_owner(name);
            let Some(id) = self.id(&mut allocator, owner, "Uplink", name) else { continue };
            self.ids.uplinks.insert(name.clone(), id);
            let mut config = uplink::config(owner, uplink, pacing, pacing.policed.contains(name));
            config.cgroup_levels = cgroup_levels(&desired.pods);
            self.state.uplinks.insert(id, config);
            self.exempt(name, id, uplink);
            for &ifindex in uplink.interfaces.keys() {
                self.interface(ifindex, host).uplink = id;
                self.state.attached.insert((ifindex, Program::UplinkTx));
                if let Some(bridge) = host.bridge(ifindex) {
                    self.interface(ifindex, host).flags |= INTERFACE_PORT;
                    self.interface(bridge, host);
                    self.state.attached.insert((bridge, Program::BridgeTx));
                }
            }
        }
    }

    /// The networks that an uplink exempts, as far as there is room for them.
    fn exempt(&mut self, name: &str, id: u16, uplink: &DesiredUplink) {
        let room = MAX_EXEMPT_PER_UPLINK as usize;
        for is_v4 in [true, false] {
            let of_family = uplink.exempt.iter().filter(|network| network.addr().is_ipv4() == is_v4);
            let networks: BTreeSet<_> = of_family.map(|network| (id, network.trunc())).collect();
            if networks.len() > room {
                let message = format!(
                    "it has {} exempt networks of one address family and there is room for {room}: the last by address are \
                     shaped",
                    networks.len()
                );
                self.note(ObjectRef::uplink(name), reasons::TOO_MANY_EXEMPT, message);
            }
            self.state.exempt.extend(networks.into_iter().take(room));
        }
    }

    fn tiers(&mut self, desired: &Desired, observed: &KernelState) {
        let none = BTreeSet::new();
        let in_kernel = observed.tiers.iter().map(|(&id, tier)| (id, tier.owner));
        let mut allocator = Allocator::new(Kind::Tier, in_kernel, &none);
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

    fn pods(&mut self, desired: &Desired, host: &Host, observed: &KernelState, resting: &BTreeSet<u16>) {
        let in_kernel = observed.pods.iter().map(|(&slot, pod)| (slot, pod.owner));
        let mut allocator = Allocator::new(Kind::Pod, in_kernel, resting);
        for (key, pod) in &desired.pods {
            let owner = pod_owner(key, &pod.uid);
            let Some(slot) = self.id(&mut allocator, owner, "Pod", &key.to_string()) else { continue };
            self.ids.pods.insert(key.clone(), slot);
            let mut config = self.limits(owner, pod);
            for ifindex in pod.interfaces() {
                self.veth(ifindex, slot, &mut config, host);
                self.note_taken_bridge(key, pod, ifindex, host);
                self.note_bypass(key, pod, ifindex, desired, host);
            }
            if let Some(ifindex) = pod.place.interface().filter(|&ifindex| host.blocked(ifindex).is_some()) {
                self.counted_by_interface.insert(slot, ifindex);
            }
            self.state.pods.insert(slot, config);
            if pod.place != Place::Unknown {
                self.state.addresses.extend(pod.addresses.iter().map(|address| (mapped(*address), slot)));
            }
            if let Some(cgroup) = pod.cgroup.filter(|_| needs_cgroup(pod)) {
                self.state.cgroups.insert(cgroup.id, slot);
            }
        }
    }

    fn limits(&self, owner: [u8; 16], pod: &DesiredPod) -> PodConfig {
        let mut config = PodConfig { owner, ..PodConfig::default() };
        // Ids are below the arrays' lengths, as the allocator gives them out.
        let place = |uplink: &String| self.ids.uplinks.get(uplink).map(|id| usize::from(*id) % UPLINKS);
        for (uplink, tier) in &pod.tiers {
            if let (Some(place), Some(&tier)) = (place(uplink), self.ids.tiers.get(tier)) {
                config.tiers[place] = tier;
                config.flags |= POD_TIERED;
            }
        }
        for (uplink, ceiling) in &pod.ceilings {
            if let Some(place) = place(uplink) {
                config.ceilings[place] = cost_of_rate(ceiling.rate);
            }
        }
        config
    }

    /// A pod's interface, its programs, and the bridge or VRF that it belongs to.
    fn veth(&mut self, ifindex: u32, slot: u16, pod: &mut PodConfig, host: &Host) {
        self.interface(ifindex, host).slot = slot;
        if pod.flags & POD_TIERED != 0 {
            self.interface(ifindex, host).flags |= INTERFACE_SAMPLES;
        }
        if let Some(master) = host.shared_master(ifindex) {
            pod.flags |= POD_TAGGED;
            self.interface(ifindex, host).flags |= INTERFACE_TAGS;
            self.interface(master, host).flags |= INTERFACE_SHARED;
            // A VRF takes the packets of its interfaces without passing them through its own hook (vrf_ip_rcv).
            if host.bridge(ifindex).is_some() {
                self.attach(master, Program::BridgeRx, host);
            }
        }
        if host.blocked(ifindex).is_none() {
            self.state.attached.extend([(ifindex, Program::PodTx), (ifindex, Program::PodRx)]);
        }
    }

    /// Says of a pod with limits that nothing shows whose its packets are: neither its interface nor its bridge or VRF has a
    /// place for a program, and behind address translation nothing else is left.
    fn note_taken_bridge(&mut self, key: &PodKey, pod: &DesiredPod, ifindex: u32, host: &Host) {
        if !pod.is_limited() || host.blocked(ifindex).is_none() {
            return;
        }
        let Some(master) = host.shared_master(ifindex) else { return };
        let (pod, shared) = (host.name(ifindex), host.name(master));
        let taken = match host.bridge(ifindex) {
            Some(bridge) if host.blocked(bridge).is_none() => return,
            Some(_) => format!("somebody else's filters or qdiscs on {pod} and {shared}"),
            None => format!(
                "somebody else's filter or qdisc on {pod}, and its VRF {shared}, which has no hook for programs,"
            ),
        };
        let message = format!(
            "{taken} leave Weir no place to tell the pod's packets from those of others: give what is there another \
             priority, or use a kernel from 6.6 on"
        );
        self.note(object("Pod", &key.to_string()), reasons::BRIDGE_TAKEN, message);
    }

    /// Says of a pod with limits that it is a port of a bridge on which an uplink stands as a whole.
    fn note_bypass(&mut self, key: &PodKey, pod: &DesiredPod, ifindex: u32, desired: &Desired, host: &Host) {
        let Some(bridge) = host.bridge(ifindex).filter(|_| pod.is_limited()) else { return };
        let interfaces = desired.uplinks.values().flat_map(|uplink| &uplink.interfaces);
        let mut on_bridge = interfaces.filter(|(uplink, _)| host.stands_on(**uplink, bridge));
        if let Some((_, name)) = on_bridge.next() {
            let message = format!(
                "it is a port of the bridge {}, and what it sends leaves by another port without passing {name}: write the \
                 port by which the internet is reached as the uplink's interface.name",
                host.name(bridge)
            );
            self.note(object("Pod", &key.to_string()), reasons::BYPASSES_UPLINK, message);
        }
    }

    /// Wants a program that others than the uplink's lack nothing without, unless it cannot be attached.
    fn attach(&mut self, ifindex: u32, program: Program, host: &Host) {
        if host.links.get(&ifindex).is_some_and(|link| link.blocked.is_none()) {
            self.state.attached.insert((ifindex, program));
        }
    }

    fn interface(&mut self, ifindex: u32, host: &Host) -> &mut InterfaceConfig {
        let ethernet = host.links.get(&ifindex).is_none_or(|link| link.ethernet);
        let config = self.state.interfaces.entry(ifindex).or_default();
        config.l2_len = if ethernet { ETHERNET_HEADER } else { 0 };
        config
    }

    fn id(&mut self, allocator: &mut Allocator<'_>, owner: [u8; 16], kind: &str, name: &str) -> Option<u16> {
        match allocator.id(owner) {
            Ok(id) => Some(id),
            Err(error) => {
                self.note(object(kind, name), "NoRoom", error.to_string());
                None
            }
        }
    }

    fn note(&mut self, object: ObjectRef, reason: &str, message: String) {
        self.notes.push(Rejection { object, location: None, reason: reason.to_owned(), message });
    }
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), name: name.to_owned() }
}

/// Bytes of an Ethernet header without tags.
const ETHERNET_HEADER: u16 = 14;

/// Returns whether a pod has to be known by its sockets: those of the node's network have nothing else, and those with
/// limits must not escape them by a way around their interface.
fn needs_cgroup(pod: &DesiredPod) -> bool {
    pod.place == Place::HostNetwork || pod.is_limited()
}

fn mapped(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Bit n for each level n at which a cgroup stands that pods are known by.
fn cgroup_levels(pods: &BTreeMap<PodKey, DesiredPod>) -> u32 {
    let cgroups = pods.values().filter(|pod| needs_cgroup(pod)).filter_map(|pod| pod.cgroup);
    cgroups.filter_map(|cgroup| 1u32.checked_shl(cgroup.level)).fold(0, |levels, bit| levels | bit)
}

#[cfg(test)]
mod tests;
