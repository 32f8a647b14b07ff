//! Whose packet it is: each sign of a pod, in the order in which they count, and nothing else.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use weir::datapath::test_run::{Input, Output, run};
use weir_common::{
    config::{
        INTERFACE_PORT, INTERFACE_SAMPLES, INTERFACE_SHARED, INTERFACE_TAGS, InterfaceConfig, POD_TAGGED, PodConfig,
    },
    identity::mapped,
    reason::{Exit, Program},
    tag::tag_of_slot,
};
use weir_core::kernel::KernelState;
use weir_load_tests::frame;

use super::{Fixture, INTERNET, LOOPBACK, in_tier, state};

/// ifindex of a pod's veth, of a bridge, and of something that is neither.
const VETH: u32 = 50;
const BRIDGE: u32 = 51;
const DOCKER: u32 = 52;
/// The source address of frames that are made up.
const SOURCE: [u8; 4] = [198, 51, 100, 1];

/// Slot 5 is behind `VETH` or `BRIDGE`, and slot 6 has another interface; both are in the tier. The loopback device is the
/// uplink, and no pod's.
fn pods(tagged: bool) -> KernelState {
    let mut state = state();
    let interface = |slot, flags| InterfaceConfig { slot, l2_len: 14, flags, ..InterfaceConfig::default() };
    state.interfaces = [
        (LOOPBACK, InterfaceConfig { uplink: 2, l2_len: 14, ..InterfaceConfig::default() }),
        (VETH, interface(5, 0)),
        (BRIDGE, interface(0, INTERFACE_SHARED)),
    ]
    .into();
    let flags = if tagged { POD_TAGGED } else { 0 };
    let pod = |owner| PodConfig { flags: in_tier(owner).flags | flags, ..in_tier(owner) };
    state.pods = [(5, pod([3; 16])), (6, pod([4; 16]))].into();
    state
}

fn input(ingress_ifindex: u32, queue_mapping: u32) -> Input {
    Input { frame: frame::ipv4(INTERNET, 0, 1514), ingress_ifindex, mark: queue_mapping, ..Input::default() }
}

impl Fixture {
    /// Offers a packet to `uplink_tx`, with its mark as `queue_mapping`. Returns whether it was paced.
    fn is_paced(&mut self, input: &Input) -> Result<bool> {
        Ok(run(self.datapath.test_program("uplink_tx_marked")?, input)?.tstamp > 0)
    }

    fn bridge_rx(&mut self, input: &Input) -> Result<Output> {
        Ok(run(self.datapath.test_program("bridge_rx_marked")?, input)?)
    }
}

#[test]
fn the_interface_by_which_it_came_names_the_pod_whatever_the_packet_says() -> Result<()> {
    let mut fixture = Fixture::new(&pods(false))?;
    for queue_mapping in [0, tag_of_slot(6), tag_of_slot(9), u32::from(u16::MAX)] {
        assert!(fixture.is_paced(&input(VETH, queue_mapping))?, "queue_mapping {queue_mapping}");
    }
    assert!(!fixture.is_paced(&input(DOCKER, 0))?, "another interface is nobody's");
    Ok(())
}

#[test]
fn a_tag_counts_from_a_bridge_alone_and_for_pods_that_are_tagged() -> Result<()> {
    let mut tagged = Fixture::new(&pods(true))?;
    assert!(tagged.is_paced(&input(BRIDGE, tag_of_slot(5)))?);
    for (ingress, queue_mapping) in [(BRIDGE, 0), (BRIDGE, 7), (BRIDGE, tag_of_slot(9)), (DOCKER, tag_of_slot(5))] {
        assert!(!tagged.is_paced(&input(ingress, queue_mapping))?, "from {ingress} with {queue_mapping}");
    }
    // Cilium's bandwidth manager writes endpoint ids into the same field.
    let mut untagged = Fixture::new(&pods(false))?;
    assert!(!untagged.is_paced(&input(BRIDGE, tag_of_slot(5)))?);
    Ok(())
}

#[test]
fn the_source_address_names_the_pod_where_nothing_else_does() -> Result<()> {
    let mut wanted = pods(false);
    wanted.addresses = [(mapped(SOURCE), 5)].into();
    let mut fixture = Fixture::new(&wanted)?;
    for ingress in [BRIDGE, DOCKER] {
        assert!(fixture.is_paced(&input(ingress, 0))?, "from {ingress}");
    }
    let IpAddr::V6(six) = "2001:db8::9".parse()? else { unreachable!() };
    let other = Input { frame: frame::ipv6(six, 1514), ..input(DOCKER, 0) };
    assert!(!fixture.is_paced(&other)?, "another source");
    Ok(())
}

#[test]
fn a_bridge_writes_the_slot_of_the_source_address() -> Result<()> {
    let mut wanted = pods(true);
    wanted.addresses = [(mapped(SOURCE), 5)].into();
    let mut fixture = Fixture::new(&wanted)?;
    let from_bridge = |queue_mapping| Input { ifindex: LOOPBACK, ..input(0, queue_mapping) };
    assert_eq!(fixture.bridge_rx(&from_bridge(0))?.mark, tag_of_slot(5));
    assert_eq!(fixture.bridge_rx(&from_bridge(3))?.mark, tag_of_slot(5), "a receive queue is no tag");
    assert_eq!(fixture.bridge_rx(&from_bridge(tag_of_slot(6)))?.mark, tag_of_slot(5), "another program's number");
    // A pod that sends from an address that is not its own has the tag of its interface.
    let mut forged = from_bridge(tag_of_slot(6));
    forged.frame[14 + 12] ^= 0xff;
    assert_eq!(fixture.bridge_rx(&forged)?.mark, tag_of_slot(6));
    assert_eq!(fixture.exits(Program::BridgeRx, Exit::Tagged)?, 4);
    let arp = Input { frame: frame::arp(), ..from_bridge(3) };
    assert_eq!(fixture.bridge_rx(&arp)?.mark, 3, "what is not ours stays as it is");
    assert_eq!(fixture.exits(Program::BridgeRx, Exit::NoPod)?, 1);
    Ok(())
}

#[test]
fn a_bridge_hands_the_sender_over_to_its_port() -> Result<()> {
    let mut wanted = pods(true);
    wanted.addresses = [(mapped(SOURCE), 5)].into();
    wanted.interfaces.get_mut(&LOOPBACK).expect("the uplink is there").flags = INTERFACE_PORT;
    let fixture = Fixture::new(&wanted)?;
    let packet = input(BRIDGE, 0);
    run(fixture.datapath.program(Program::BridgeTx)?, &packet)?;
    // The address is translated by now.
    wanted.addresses.clear();
    let mut fixture = super::configure_again(fixture, &wanted)?;
    assert!(fixture.is_paced(&packet)?);
    // The port does not take packets of its size: the kernel splits it on the way.
    let part = Input { frame: frame::ipv4(INTERNET, 0, 700), ..input(BRIDGE, 0) };
    assert!(fixture.is_paced(&part)? && fixture.is_paced(&part)?);
    assert!(!fixture.is_paced(&input(DOCKER, 0))?, "somebody else's");
    run(fixture.datapath.program(Program::BridgeTx)?, &packet)?;
    assert!(!fixture.is_paced(&packet)?, "the next one is nobody's");
    Ok(())
}

#[test]
fn pods_tag_only_behind_a_bridge() -> Result<()> {
    for (flags, expected) in [(0, 77), (INTERFACE_TAGS, tag_of_slot(5))] {
        let mut wanted = pods(true);
        let own = InterfaceConfig { slot: 5, l2_len: 14, flags, ..InterfaceConfig::default() };
        wanted.interfaces.insert(LOOPBACK, own);
        let mut fixture = Fixture::new(&wanted)?;
        let output = run(fixture.datapath.test_program("pod_tx_marked")?, &input(0, 77))?;
        assert_eq!(output.mark, expected, "flags {flags}");
    }
    Ok(())
}

#[test]
fn a_packet_that_lost_its_pod_is_found_out_and_a_strangers_is_not() -> Result<()> {
    let mut wanted = pods(false);
    let flags = INTERFACE_SAMPLES;
    wanted
        .interfaces
        .insert(LOOPBACK, InterfaceConfig { slot: 5, uplink: 2, l2_len: 14, flags, ..InterfaceConfig::default() });
    let mut fixture = Fixture::new(&wanted)?;
    let sample = input(0, 0);
    run(fixture.datapath.program(Program::PodTx)?, &sample)?;
    let lost = |fixture: &Fixture| -> Result<u64> {
        Ok(fixture.snapshot()?.pods.values().next().map_or(0, |pod| pod.lost_samples))
    };
    // Known by its interface.
    fixture.is_paced(&input(VETH, 0))?;
    // A container of another runtime that sends elsewhere.
    let elsewhere = Input { frame: frame::ipv4(Ipv4Addr::new(192, 0, 2, 1), 0, 1514), ..input(DOCKER, 0) };
    fixture.is_paced(&elsewhere)?;
    // The same to the same place, with other content.
    let mut another = input(DOCKER, 0);
    another.frame[14 + 20 + 8] ^= 0xff;
    fixture.is_paced(&another)?;
    assert_eq!(lost(&fixture)?, 0);
    // The very packet, without any sign of the pod.
    fixture.is_paced(&input(DOCKER, 0))?;
    assert_eq!(lost(&fixture)?, 1);
    // Another one like it is no other sample.
    fixture.is_paced(&input(DOCKER, 0))?;
    assert_eq!(lost(&fixture)?, 1);
    let uplink = &fixture.snapshot()?.uplinks["wan"];
    assert_eq!((uplink.forwarded_bytes, uplink.tunnelled_bytes), (4 * 1514, 0));
    Ok(())
}
