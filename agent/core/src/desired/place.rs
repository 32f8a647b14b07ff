//! Where the packets of each pod are seen: the veth that leads to its addresses, or its cgroup.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Place, pods::note, reasons};
use crate::{
    host::Host,
    model::{Pod, PodKey, Rejection},
};

/// The place of each pod.
///
/// A veth is one pod's and a pod has one veth of its own. Where several fit, the pair with the most addresses in common
/// wins; then the pod that was started last, because an earlier one with its address has ended, whether or not its object
/// says so; then the first pod by namespace and name; then the interface that was made last (the highest ifindex).
pub(super) fn of_pods(
    pods: &BTreeMap<&PodKey, &Pod>,
    host: &Host,
    notes: &mut Vec<Rejection>,
) -> BTreeMap<PodKey, Place> {
    let leading = leading(host);
    let fitting: BTreeMap<&PodKey, Fitting> = pods.iter().map(|(key, pod)| (*key, fitting(pod, &leading))).collect();
    let owners = owners(pods, &fitting);
    let veths: BTreeMap<&PodKey, u32> = owners.iter().map(|(ifindex, key)| (*key, *ifindex)).collect();
    let mut places = BTreeMap::new();
    for (key, pod) in pods {
        let place = match veths.get(key) {
            _ if pod.host_network => on_host_network(key, pod, host, notes),
            Some(ifindex) => {
                let findings = other_veths(*ifindex, &fitting[key], &owners, host).into_iter();
                let findings = findings.chain(bypasses_hooks(*ifindex, host));
                notes.extend(findings.map(|(reason, message)| note(key, pod, reason, message)));
                Place::Veth { ifindex: *ifindex, name: name(*ifindex, host) }
            }
            None => {
                let (reason, message) = why_unknown(pod, &fitting[key], &owners, host);
                if reason == reasons::NO_INTERFACE && host.cgroups.contains_key(&pod.cgroup_uid) {
                    let message = format!("{message}; it is known by its sockets, if they stay with its packets");
                    notes.push(note(key, pod, reasons::BY_SOCKETS, message));
                    Place::Sockets
                } else {
                    notes.push(note(key, pod, reason, message));
                    Place::Unknown
                }
            }
        };
        places.insert((*key).clone(), place);
    }
    places
}

/// The other veths that lead into the network namespace of the pod at this place: secondary interfaces, whose addresses
/// its status need not list. Those that are taken are some pod's own.
pub(super) fn further(place: &Place, host: &Host, taken: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let beside = place.interface().into_iter().flat_map(|own| host.beside(own));
    let others = beside.filter(|(ifindex, _)| !taken.contains(ifindex));
    others.map(|(ifindex, link)| (ifindex, link.name.clone())).collect()
}

/// Addresses of a pod that each veth leads to, by ifindex.
type Fitting = BTreeMap<u32, BTreeSet<IpAddr>>;

/// ifindexes of the veths that lead to each address.
fn leading(host: &Host) -> BTreeMap<IpAddr, Vec<u32>> {
    let mut leading: BTreeMap<IpAddr, Vec<u32>> = BTreeMap::new();
    for (ifindex, link) in &host.links {
        for address in link.inside.iter().filter(|address| is_own(**address)) {
            leading.entry(*address).or_default().push(*ifindex);
        }
    }
    leading
}

fn fitting(pod: &Pod, leading: &BTreeMap<IpAddr, Vec<u32>>) -> Fitting {
    let mut fitting = Fitting::new();
    for address in pod.addresses.iter().filter(|_| !pod.host_network) {
        for ifindex in leading.get(address).into_iter().flatten() {
            fitting.entry(*ifindex).or_default().insert(*address);
        }
    }
    fitting
}

/// The pod of each veth, by ifindex.
fn owners<'a>(pods: &BTreeMap<&PodKey, &Pod>, fitting: &BTreeMap<&'a PodKey, Fitting>) -> BTreeMap<u32, &'a PodKey> {
    let mut pairs: Vec<_> = fitting
        .iter()
        .flat_map(|(key, veths)| {
            let started = Reverse(pods.get(key).and_then(|pod| pod.started));
            veths.iter().map(move |(ifindex, common)| (Reverse(common.len()), started, *key, Reverse(*ifindex)))
        })
        .collect();
    pairs.sort();
    let mut owners = BTreeMap::new();
    let mut settled = BTreeSet::new();
    for (_, _, key, Reverse(ifindex)) in pairs {
        if !owners.contains_key(&ifindex) && settled.insert(key) {
            owners.insert(ifindex, key);
        }
    }
    owners
}

/// Whether an address can tell one pod from another. Every namespace has a loopback address.
fn is_own(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

fn on_host_network(key: &PodKey, pod: &Pod, host: &Host, notes: &mut Vec<Rejection>) -> Place {
    let uid = &pod.cgroup_uid;
    if host.cgroups.contains_key(uid) && !uid.is_empty() {
        return Place::HostNetwork;
    }
    let message = if uid.is_empty() {
        "it shares the node's network and has no metadata.uid, by which its cgroup would be found".to_owned()
    } else if host.legacy_cgroups.contains(uid) {
        format!(
            "it shares the node's network, and the cgroup of its UID {uid} is in the version 1 hierarchy alone, where no \
             socket is known by it: boot the node with systemd.unified_cgroup_hierarchy=1"
        )
    } else {
        format!("it shares the node's network and no cgroup of its UID {uid} is there yet")
    };
    notes.push(note(key, pod, reasons::NO_CGROUP, message));
    Place::Unknown
}

type Finding = (&'static str, String);

/// Veths that lead to a pod's addresses and are nobody's, beside the one that it was given.
fn other_veths(own: u32, fitting: &Fitting, owners: &BTreeMap<u32, &PodKey>, host: &Host) -> Option<Finding> {
    let is_own = |ifindex: u32| host.beside(own).any(|(beside, _)| beside == ifindex);
    let others = fitting.keys().copied().filter(|ifindex| !owners.contains_key(ifindex) && !is_own(*ifindex));
    let others: Vec<String> = others.map(|ifindex| name(ifindex, host)).collect();
    let message = format!("{} leads to its addresses too; {} is taken for it", others.join(", "), name(own, host));
    (!others.is_empty()).then_some((reasons::SEVERAL_INTERFACES, message))
}

/// Returns the finding of a netkit device, whose program may redirect packets before they reach the hooks of the device.
fn bypasses_hooks(ifindex: u32, host: &Host) -> Option<Finding> {
    let link = host.links.get(&ifindex).filter(|link| link.kind.as_deref() == Some("netkit"))?;
    let message = format!(
        "its interface {} is a netkit device, whose program can send packets past Weir's: then the pod is known by its \
         sockets, and what it forwards for others by nothing",
        link.name
    );
    Some((reasons::BY_SOCKETS, message))
}

fn why_unknown(pod: &Pod, fitting: &Fitting, owners: &BTreeMap<u32, &PodKey>, host: &Host) -> Finding {
    let rival = fitting.iter().find_map(|(ifindex, common)| Some((owners.get(ifindex)?, ifindex, common)));
    if let Some((owner, ifindex, common)) = rival {
        let (addresses, veth) = (list(common), name(*ifindex, host));
        return (
            reasons::ADDRESS_TAKEN,
            format!("Pod {owner} has its address {addresses} too, and {veth} is taken for that one's"),
        );
    }
    let own: BTreeSet<IpAddr> = pod.addresses.iter().copied().filter(|address| is_own(*address)).collect();
    if own.is_empty() {
        return (reasons::NO_ADDRESS, "it has no address of its own yet (status.podIPs)".to_owned());
    }
    (reasons::NO_INTERFACE, format!("no interface of the node leads to {} yet", list(&own)))
}

fn name(ifindex: u32, host: &Host) -> String {
    host.links.get(&ifindex).map_or_else(String::new, |link| link.name.clone())
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
