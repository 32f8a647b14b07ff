//! The arrays that the programs read before hash and trie never change the answer.

use ipnet::IpNet;
use weir_common::limits::{NEAR_EXEMPT_V4, NEAR_EXEMPT_V6, NEAR_INTERFACES};

use super::*;

/// Runs `pod_tx` once on the loopback device and says whether it knew the interface.
fn is_known(fixture: &Fixture) -> Result<bool> {
    let before = fixture.exits(Program::PodTx, Exit::Counted)?;
    let input = test_run::Input { frame: frame::ipv4(INTERNET, 0, 100), ..Default::default() };
    test_run::run(fixture.datapath.program(Program::PodTx)?, &input)?;
    Ok(fixture.exits(Program::PodTx, Exit::Counted)? > before)
}

#[test]
fn an_interface_whose_place_is_taken_is_found_all_the_same() -> Result<()> {
    let mut wanted = state();
    let config = wanted.interfaces.remove(&LOOPBACK).expect("the interface is there");
    wanted.interfaces.insert(LOOPBACK + NEAR_INTERFACES, InterfaceConfig { slot: 9, ..config });
    let mut fixture = Fixture::new(&wanted)?;
    assert!(!is_known(&fixture)?);

    wanted.interfaces.insert(LOOPBACK, config);
    configure(&mut fixture.datapath, &wanted)?;
    assert!(is_known(&fixture)?);

    wanted.interfaces.remove(&(LOOPBACK + NEAR_INTERFACES));
    configure(&mut fixture.datapath, &wanted)?;
    assert!(is_known(&fixture)?);
    let fixture = Fixture { datapath: Datapath::open(bpffs_of(&fixture))?, ..fixture };
    assert!(is_known(&fixture)?, "another agent gives it the place that became free");

    let mut fixture = fixture;
    wanted.interfaces.clear();
    configure(&mut fixture.datapath, &wanted)?;
    assert!(!is_known(&fixture)?);
    Ok(())
}

#[test]
fn exempt_networks_that_found_no_place_are_found_all_the_same() -> Result<()> {
    let mut wanted = state();
    let v4 = (0..=NEAR_EXEMPT_V4).map(|n| format!("10.{n}.0.0/16"));
    let v6 = (0..=NEAR_EXEMPT_V6).map(|n| format!("fd0{n}::/16"));
    let networks = v4.chain(v6).map(|network| Ok((2, network.parse()?)));
    wanted.exempt = networks.collect::<Result<_, ipnet::AddrParseError>>()?;
    let mut fixture = Fixture::new(&wanted)?;
    for network in wanted.exempt.iter().map(|(_, network)| *network) {
        assert!(is_exempt(&mut fixture, network)?, "{network}");
    }
    let (outside_v4, outside_v6): (IpNet, IpNet) = ("10.200.0.0/16".parse()?, "fd09::/16".parse()?);
    assert!(!is_exempt(&mut fixture, outside_v4)? && !is_exempt(&mut fixture, outside_v6)?);

    let first = *wanted.exempt.first().expect("there are networks");
    wanted.exempt.remove(&first);
    configure(&mut fixture.datapath, &wanted)?;
    assert!(!is_exempt(&mut fixture, first.1)?);
    for network in wanted.exempt.iter().map(|(_, network)| *network) {
        assert!(is_exempt(&mut fixture, network)?, "{network}");
    }
    Ok(())
}

/// Whether a packet to the network's first address is exempt.
fn is_exempt(fixture: &mut Fixture, network: IpNet) -> Result<bool> {
    let frame = match network {
        IpNet::V4(network) => frame::ipv4(network.network(), 0, 1514),
        IpNet::V6(network) => frame::ipv6(network.network(), 1514),
    };
    let before = fixture.exits(Program::UplinkTx, Exit::Exempt)?;
    fixture.bulk(&frame)?;
    Ok(fixture.exits(Program::UplinkTx, Exit::Exempt)? > before)
}
