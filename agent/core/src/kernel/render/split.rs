//! Where bursts of bulk are split: Weir's own veth, and the uplinks' interfaces to which the segments come back.

use weir_common::{
    config::INTERFACE_SPLITTER,
    reason::Program,
    split::MAX_PORTS,
    units::{cost_of_rate, time_on_link},
};

use super::{Pacing, Rendered};
use crate::{
    desired::Desired,
    host::{Host, Splitter},
    kernel::KernelState,
};

/// The longest packet that a sender hands to the kernel in one piece (`GSO_LEGACY_MAX_SIZE`).
const LONGEST_BURST: u32 = 65_536;

/// Returns whether some uplink is so slow that a burst there keeps others waiting for more than δ.
#[must_use]
pub fn needs_splitter(desired: &Desired, pacing: &Pacing) -> bool {
    let delta = u64::from(pacing.delta_ns);
    desired.uplinks.values().any(|uplink| time_on_link(LONGEST_BURST, cost_of_rate(uplink.rate)) > delta)
}

impl Rendered {
    /// Lets bursts be split on every uplink, if the veth for it is there and its program stands: without that, what is sent
    /// there would go nowhere.
    pub(super) fn split(&mut self, desired: &Desired, host: &Host, observed: &KernelState) {
        let Some(Splitter { bursts, segments }) = host.splitter() else { return };
        self.interface(segments, host).flags |= INTERFACE_SPLITTER;
        self.state.attached.insert((segments, Program::SplitRx));
        if !observed.attached.contains(&(segments, Program::SplitRx)) {
            self.awaits_splitter = true;
            return;
        }
        for (name, uplink) in &desired.uplinks {
            let config = self.ids.uplinks.get(name).and_then(|id| self.state.uplinks.get_mut(id));
            let Some(config) = config else { continue };
            config.splitter = bursts;
            for &ifindex in uplink.interfaces.keys() {
                // On one that finds no number, bursts leave as they are.
                if let Some(port) = self.port(ifindex, observed) {
                    self.interface(ifindex, host).port = port;
                    self.state.ports.insert(port.into(), ifindex);
                }
            }
        }
    }

    /// The number that an interface has, or a free one: segments on the way keep theirs.
    fn port(&self, ifindex: u32, observed: &KernelState) -> Option<u8> {
        let ports = 1..u8::try_from(MAX_PORTS).unwrap_or(u8::MAX);
        let is_its_own = |port: &u8| observed.ports.get(&u16::from(*port)) == Some(&ifindex);
        let is_free = |port: &u8| {
            let port = u16::from(*port);
            !self.state.ports.contains_key(&port) && !observed.ports.contains_key(&port)
        };
        ports.clone().find(is_its_own).or_else(|| ports.clone().find(is_free))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{
        desired::DesiredUplink,
        host::{Link, SPLITTER},
        kernel::render,
    };

    fn host() -> Host {
        let link = |name: &str| Link { name: name.into(), ethernet: true, up: true, ..Link::default() };
        let mut host = Host::default();
        host.links.extend([(2, link("eth0")), (3, link("eth1"))]);
        for (ifindex, name) in (8..).zip(SPLITTER) {
            host.links.insert(ifindex, Link { kind: Some("veth".into()), max_segments: 1, ..link(name) });
        }
        host
    }

    fn desired(interfaces: &[u32]) -> Desired {
        let mut desired = Desired::default();
        for ifindex in interfaces {
            let uplink = DesiredUplink {
                capacity: 20_000_000,
                rate: 20_000_000,
                overhead: None,
                interfaces: BTreeMap::from([(*ifindex, String::new())]),
                exempt: Vec::new(),
            };
            desired.uplinks.insert(format!("uplink{ifindex}"), uplink);
        }
        desired
    }

    fn rendered(interfaces: &[u32], host: &Host, observed: &KernelState) -> KernelState {
        render(&desired(interfaces), host, &Pacing::default(), observed, &BTreeSet::new()).state
    }

    #[test]
    fn every_interface_of_an_uplink_has_a_number_and_keeps_it() {
        let before = rendered(&[2, 3], &host(), &KernelState::default());
        assert!(before.ports.is_empty() && before.uplinks.values().all(|uplink| uplink.splitter == 0));
        let state = rendered(&[2, 3], &host(), &before);
        assert_eq!(state.ports, [(1, 2), (2, 3)].into());
        assert_eq!((state.interfaces[&2].port, state.interfaces[&3].port), (1, 2));
        assert_eq!(state.interfaces[&9].flags, INTERFACE_SPLITTER);
        assert!(state.attached.contains(&(9, Program::SplitRx)));
        assert!(state.uplinks.values().all(|uplink| uplink.splitter == 8));
        let one = rendered(&[3], &host(), &state);
        assert_eq!(one.ports, [(2, 3)].into());
        let other = rendered(&[2, 3], &host(), &one);
        assert_eq!(other.ports, state.ports);
    }

    #[test]
    fn a_fast_uplink_needs_no_splitter() {
        let mut desired = desired(&[2]);
        assert!(needs_splitter(&desired, &Pacing::default()));
        desired.uplinks.get_mut("uplink2").unwrap().rate = 1_000_000_000;
        assert!(!needs_splitter(&desired, &Pacing::default()));
        assert!(!needs_splitter(&Desired::default(), &Pacing::default()));
    }

    #[test]
    fn without_a_veth_that_splits_nothing_is_split() {
        for (ifindex, change) in [(8u32, "gone"), (9, "gone"), (8, "down"), (9, "somebody's"), (8, "whole")] {
            let mut host = host();
            match change {
                "gone" => drop(host.links.remove(&ifindex)),
                "down" => host.links.get_mut(&ifindex).unwrap().up = false,
                "whole" => host.links.get_mut(&ifindex).unwrap().max_segments = 65_535,
                _ => host.links.get_mut(&ifindex).unwrap().kind = Some("dummy".into()),
            }
            let state = rendered(&[2], &host, &KernelState::default());
            assert!(state.ports.is_empty() && state.uplinks[&1].splitter == 0, "{ifindex} is {change}");
            assert_eq!(state.interfaces[&2].port, 0);
        }
    }
}
