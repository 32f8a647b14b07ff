//! The difference between what the kernel has and what it should have.
//!
//! The order of the changes matters, for packets pass while they are made: what is new is complete before anything
//! points to it, and what is old is taken away only after nothing does. What only counts comes last: to attach a program
//! takes the kernel some ten milliseconds, which is long where a node begins with hundreds of pods.

mod concerned;

use std::collections::BTreeMap;

use ipnet::IpNet;
use weir_common::{
    config::{INTERFACE_SPLITTER, INTERFACE_TAGS, InterfaceConfig, Owner, PodConfig, TierConfig, UplinkConfig},
    identity::Address,
    reason::Program,
};

pub use concerned::{concerned, is_vital};

use crate::kernel::{KernelState, Kind};

/// One change of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Zero the counters and clocks of an id that gets a new owner.
    Reset(Kind, u16),
    /// Write an uplink.
    PutUplink(u16, UplinkConfig),
    /// Exempt a network on an uplink.
    AddExempt(u16, IpNet),
    /// Give an uplink's interface a number.
    PutPort(u16, u32),
    /// Write a tier.
    PutTier(u16, TierConfig),
    /// Write a pod.
    PutPod(u16, PodConfig),
    /// Say what an interface is.
    PutInterface(u32, InterfaceConfig),
    /// Say which pod a cgroup is.
    PutCgroup(u64, u16),
    /// Say which pod has an address.
    PutAddress(Address, u16),
    /// Attach a program.
    Attach(u32, Program),
    /// Detach a program.
    Detach(u32, Program),
    /// Forget an interface.
    RemoveInterface(u32),
    /// Forget a cgroup.
    RemoveCgroup(u64),
    /// Forget an address.
    RemoveAddress(Address),
    /// Free a slot.
    RemovePod(u16),
    /// Free a tier id.
    RemoveTier(u16),
    /// Free the number of an interface.
    RemovePort(u16),
    /// No longer exempt a network.
    RemoveExempt(u16, IpNet),
    /// Free an uplink id.
    RemoveUplink(u16),
}

/// What must be done to the kernel so that it has `wanted` instead of `observed`; empty when they are equal.
#[must_use]
pub fn plan(observed: &KernelState, wanted: &KernelState) -> Vec<Change> {
    let mut changes = Vec::new();
    resets(&mut changes, Kind::Uplink, &observed.uplinks, &wanted.uplinks, |uplink| uplink.owner);
    resets(&mut changes, Kind::Tier, &observed.tiers, &wanted.tiers, |tier| tier.owner);
    resets(&mut changes, Kind::Pod, &observed.pods, &wanted.pods, |pod| pod.owner);

    puts(&mut changes, &observed.ports, &wanted.ports, Change::PutPort);
    puts(&mut changes, &observed.uplinks, &wanted.uplinks, Change::PutUplink);
    puts(&mut changes, &observed.tiers, &wanted.tiers, Change::PutTier);
    puts(&mut changes, &observed.pods, &wanted.pods, Change::PutPod);
    puts(&mut changes, &observed.interfaces, &wanted.interfaces, Change::PutInterface);
    // An interface that leads to no uplink any more sends no burst to be split.
    let old = observed.interfaces.iter().filter(|(ifindex, _)| !wanted.interfaces.contains_key(ifindex));
    let unsplit = |(&ifindex, &old)| Change::PutInterface(ifindex, InterfaceConfig { port: 0, ..old });
    changes.extend(old.filter(|(_, old)| old.port != 0).map(unsplit));
    puts(&mut changes, &observed.cgroups, &wanted.cgroups, Change::PutCgroup);
    puts(&mut changes, &observed.addresses, &wanted.addresses, Change::PutAddress);

    removals(&mut changes, &observed.interfaces, &wanted.interfaces, Change::RemoveInterface);
    removals(&mut changes, &observed.cgroups, &wanted.cgroups, Change::RemoveCgroup);
    removals(&mut changes, &observed.addresses, &wanted.addresses, Change::RemoveAddress);
    removals(&mut changes, &observed.pods, &wanted.pods, Change::RemovePod);
    removals(&mut changes, &observed.tiers, &wanted.tiers, Change::RemoveTier);
    removals(&mut changes, &observed.uplinks, &wanted.uplinks, Change::RemoveUplink);
    removals(&mut changes, &observed.ports, &wanted.ports, Change::RemovePort);

    changes.extend(wanted.exempt.difference(&observed.exempt).map(|&(id, network)| Change::AddExempt(id, network)));
    changes.extend(observed.exempt.difference(&wanted.exempt).map(|&(id, network)| Change::RemoveExempt(id, network)));
    let (new, old) = (wanted.attached.difference(&observed.attached), observed.attached.difference(&wanted.attached));
    changes.extend(new.map(|&(ifindex, program)| Change::Attach(ifindex, program)));
    changes.extend(old.map(|&(ifindex, program)| Change::Detach(ifindex, program)));
    changes.sort_by_key(|change| stage(change, observed, wanted));
    changes
}

/// When a change is made: those of a lower stage come first.
fn stage(change: &Change, observed: &KernelState, wanted: &KernelState) -> u8 {
    let splits = |state: &KernelState, ifindex: &u32| {
        state.interfaces.get(ifindex).is_some_and(|interface| interface.flags & INTERFACE_SPLITTER != 0)
    };
    let stays_uplink = |port: &u16| {
        observed.ports.get(port).is_some_and(|&ifindex| wanted.attached.contains(&(ifindex, Program::UplinkTx)))
    };
    match change {
        Change::Reset(..) => 0,
        Change::AddExempt(..) | Change::PutPort(..) => 1,
        // The way by which bursts come back is there before any is sent.
        Change::PutInterface(ifindex, _) if splits(wanted, ifindex) => 2,
        Change::Attach(_, Program::SplitRx) => 3,
        Change::PutUplink(..) => 4,
        Change::PutTier(..) => 5,
        Change::PutPod(..) => 6,
        Change::PutInterface(..) => 7,
        Change::PutCgroup(..) | Change::PutAddress(..) => 8,
        Change::Attach(..) if only_counts(change, wanted) => u8::MAX,
        Change::Attach(..) => 9,
        // Without the uplink's program, segments that come back would leave with the VLAN tag that carries their slot.
        Change::RemovePort(port) if !stays_uplink(port) => 10,
        Change::RemovePort(_) => 16,
        // Those that are on the way still come back.
        Change::Detach(_, Program::SplitRx) => 17,
        Change::RemoveInterface(ifindex) if splits(observed, ifindex) => 18,
        Change::Detach(..) => 11,
        Change::RemoveInterface(_) | Change::RemoveCgroup(_) | Change::RemoveAddress(_) => 12,
        Change::RemovePod(_) => 13,
        Change::RemoveTier(_) | Change::RemoveExempt(..) => 14,
        Change::RemoveUplink(_) => 15,
    }
}

/// Returns whether a change is of no consequence for any packet's way: a program on a pod's interface that only counts.
///
/// On a bridge's port it also writes the pod's slot into packets, without which a limit would not hold.
#[must_use]
pub fn only_counts(change: &Change, wanted: &KernelState) -> bool {
    match *change {
        Change::Attach(_, Program::PodRx) => true,
        Change::Attach(ifindex, Program::PodTx) => wanted.interfaces.get(&ifindex).is_none_or(|interface| {
            let limited = wanted.pods.get(&interface.slot).is_some_and(is_limited);
            interface.flags & INTERFACE_TAGS == 0 || !limited
        }),
        _ => false,
    }
}

fn is_limited(pod: &PodConfig) -> bool {
    pod.tiers.iter().any(|tier| *tier != 0) || pod.ceilings.iter().any(|ceiling| *ceiling != 0)
}

fn resets<V>(
    changes: &mut Vec<Change>,
    kind: Kind,
    observed: &BTreeMap<u16, V>,
    wanted: &BTreeMap<u16, V>,
    owner: impl Fn(&V) -> Owner,
) {
    let is_new = |(id, value): &(&u16, &V)| observed.get(id).is_none_or(|old| owner(old) != owner(value));
    changes.extend(wanted.iter().filter(is_new).map(|(&id, _)| Change::Reset(kind, id)));
}

fn puts<K: Copy + Ord, V: Copy + PartialEq>(
    changes: &mut Vec<Change>,
    observed: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
    change: impl Fn(K, V) -> Change,
) {
    let differs = |(key, value): &(&K, &V)| observed.get(key) != Some(value);
    changes.extend(wanted.iter().filter(differs).map(|(&key, &value)| change(key, value)));
}

fn removals<K: Copy + Ord, V>(
    changes: &mut Vec<Change>,
    observed: &BTreeMap<K, V>,
    wanted: &BTreeMap<K, V>,
    change: impl Fn(K) -> Change,
) {
    changes.extend(observed.keys().filter(|key| !wanted.contains_key(key)).map(|&key| change(key)));
}

#[cfg(test)]
mod tests;
