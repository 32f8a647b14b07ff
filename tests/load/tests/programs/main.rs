//! Every program loads, verifies, and does with a made-up packet what it should, by each of its ways out.

mod cost;
mod near;
mod pacing;
mod pins;
mod senders;

use std::{net::Ipv4Addr, path::Path};

use anyhow::Result;
use weir::datapath::{Datapath, InterfaceNames, test_run};
use weir_common::{
    config::{DSCP_KEEP, InterfaceConfig, POD_TIERED, PodConfig, TierConfig, UPLINK_POLICE, UplinkConfig},
    counters::{DELAY_BUCKETS, PodTraffic},
    reason::{Exit, Program},
    units::cost_of_rate,
};
use weir_core::{
    kernel::{Ids, KernelState},
    model::PodKey,
    plan::plan,
    snapshot::Snapshot,
};
use weir_load_tests::{bpffs::BpfFs, frame};

const NEXT: i32 = -1;
const DROP: i32 = 2;
const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// Device that `BPF_PROG_TEST_RUN` uses without further words: the loopback interface.
const LOOPBACK: u32 = 1;

/// One pod (slot 5) in one tier (3) on one uplink (2), all seen on the loopback interface.
fn state() -> KernelState {
    let interface = InterfaceConfig { slot: 5, uplink: 2, l2_len: 14, ..InterfaceConfig::default() };
    let uplink = UplinkConfig {
        owner: [1; 16],
        capacity: cost_of_rate(20_000_000),
        delta_ns: 2_000_000,
        horizon_min_ns: 2_000_000,
        horizon_max_ns: 40_000_000,
        burst_ns: 1_000_000,
        ..UplinkConfig::default()
    };
    let tier = TierConfig { owner: [2; 16], uplink: 2, dscp: DSCP_KEEP, ..TierConfig::default() };
    KernelState {
        interfaces: [(LOOPBACK, interface)].into(),
        pods: [(5, in_tier([3; 16]))].into(),
        tiers: [(3, tier)].into(),
        uplinks: [(2, uplink)].into(),
        exempt: [(2, "10.0.0.0/8".parse().unwrap()), (2, "fd00::/8".parse().unwrap())].into(),
        ..KernelState::default()
    }
}

/// A pod in tier 3 of uplink 2.
fn in_tier(owner: [u8; 16]) -> PodConfig {
    let mut pod = PodConfig { owner, flags: POD_TIERED, ..PodConfig::default() };
    pod.tiers[2] = 3;
    pod
}

struct Fixture {
    datapath: Datapath,
    bpffs: BpfFs,
}

impl Fixture {
    /// With pods that are counted from their beginning.
    fn new(state: &KernelState) -> Result<Self> {
        let mut fixture = Self::before_the_beginning(state)?;
        for &slot in state.pods.keys() {
            fixture.datapath.set_before(slot, PodTraffic::default())?;
        }
        Ok(fixture)
    }

    fn before_the_beginning(state: &KernelState) -> Result<Self> {
        let bpffs = BpfFs::mount()?;
        let mut datapath = Datapath::open(bpffs.path())?;
        configure(&mut datapath, state)?;
        Ok(Self { datapath, bpffs })
    }

    /// Offers a packet of slot 5 to `uplink_tx`: it came by the pod's interface.
    fn bulk(&mut self, frame: &[u8]) -> Result<test_run::Output> {
        let input = test_run::Input { frame: frame.to_vec(), ingress_ifindex: LOOPBACK, ..test_run::Input::default() };
        Ok(test_run::run(self.datapath.program(Program::UplinkTx)?, &input)?)
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let ids = Ids {
            uplinks: [("wan".to_owned(), 2)].into(),
            tiers: [("bulk".to_owned(), 3)].into(),
            pods: [(PodKey { namespace: "default".into(), name: "seed".into() }, 5)].into(),
        };
        let mut snapshot = Snapshot::default();
        // Pods are counted by programs, which these tests run by themselves.
        let state = KernelState { attached: [(LOOPBACK, Program::PodTx)].into(), ..state() };
        self.datapath.read_into(&mut snapshot, &ids, &state, 0)?;
        Ok(snapshot)
    }

    fn exits(&self, program: Program, exit: Exit) -> Result<u64> {
        let snapshot = self.snapshot()?;
        let counted =
            |count: &&weir_core::snapshot::ExitCount| count.program == program.name() && count.exit == exit.name();
        Ok(snapshot.exits.iter().find(counted).map_or(0, |count| count.packets))
    }
}

/// The same programs and maps under another configuration.
fn configure_again(mut fixture: Fixture, state: &KernelState) -> Result<Fixture> {
    configure(&mut fixture.datapath, state)?;
    Ok(fixture)
}

fn configure(datapath: &mut Datapath, state: &KernelState) -> Result<()> {
    let names = InterfaceNames::new();
    let observed = datapath.observe(&names)?;
    for change in plan(&observed, state) {
        datapath.apply(&change, &names)?;
    }
    assert_eq!(&datapath.observe(&names)?, state, "what was written reads back");
    Ok(())
}

#[test]
fn pod_programs_count_bytes_and_packets() -> Result<()> {
    let fixture = Fixture::new(&state())?;
    let input = test_run::Input { frame: frame::ipv4(INTERNET, 0, 1514), repeat: 3, ..Default::default() };
    assert_eq!(test_run::run(fixture.datapath.program(Program::PodTx)?, &input)?.verdict, NEXT);
    let input = test_run::Input { frame: frame::arp(), repeat: 2, ..Default::default() };
    assert_eq!(test_run::run(fixture.datapath.program(Program::PodRx)?, &input)?.verdict, NEXT);
    let snapshot = fixture.snapshot()?;
    let pod = snapshot.pods.values().next().expect("the pod is there");
    assert_eq!((pod.tx_bytes, pod.tx_packets, pod.rx_bytes, pod.rx_packets), (3 * 1514, 3, 120, 2));
    assert_eq!(fixture.exits(Program::PodTx, Exit::Counted)?, 3);
    Ok(())
}

#[test]
fn a_pod_is_told_of_once_it_is_counted_from_its_beginning() -> Result<()> {
    let mut fixture = Fixture::before_the_beginning(&state())?;
    let input = test_run::Input { frame: frame::ipv4(INTERNET, 0, 100), ..Default::default() };
    test_run::run(fixture.datapath.program(Program::PodTx)?, &input)?;
    assert!(fixture.snapshot()?.pods.is_empty(), "its counter would jump");
    fixture.datapath.set_before(5, PodTraffic { tx_bytes: 1_000, tx_packets: 10, ..PodTraffic::default() })?;
    let snapshot = fixture.snapshot()?;
    let told = snapshot.pods.values().next().map(|pod| (pod.tx_bytes, pod.tx_packets));
    assert_eq!(told, Some((1_100, 11)));
    Ok(())
}

#[test]
fn an_unknown_interface_passes_and_is_counted() -> Result<()> {
    let fixture = Fixture::new(&KernelState::default())?;
    let input = test_run::Input { frame: frame::ipv4(INTERNET, 0, 100), ..Default::default() };
    for program in Program::ALL {
        assert_eq!(test_run::run(fixture.datapath.program(program)?, &input)?.verdict, NEXT);
        // On Weir's own veth it is the ticket that is missing.
        let exit = if program == Program::SplitRx { Exit::NoPod } else { Exit::UnknownInterface };
        assert_eq!(fixture.exits(program, exit)?, 1);
    }
    Ok(())
}

#[test]
fn interactive_and_exempt_packets_pass_at_once() -> Result<()> {
    let mut fixture = Fixture::new(&state())?;
    let untagged = |frame| test_run::Input { frame, ..Default::default() };
    let program = fixture.datapath.program(Program::UplinkTx)?;
    for frame in [frame::ipv4(INTERNET, 0, 1514), frame::ipv6("2001:db8::9".parse()?, 1514), frame::arp()] {
        let output = test_run::run(program, &untagged(frame.clone()))?;
        assert_eq!((output.verdict, output.tstamp), (NEXT, 0));
        assert_eq!(output.frame, frame);
    }
    for frame in [frame::ipv4(Ipv4Addr::new(10, 9, 8, 7), 0, 1514), frame::ipv6("fd12::1".parse()?, 1514)] {
        assert_eq!(fixture.bulk(&frame)?.tstamp, 0);
    }
    assert_eq!(fixture.exits(Program::UplinkTx, Exit::Interactive)?, 2);
    assert_eq!(fixture.exits(Program::UplinkTx, Exit::NotIp)?, 1);
    assert_eq!(fixture.exits(Program::UplinkTx, Exit::Exempt)?, 2);
    let uplink = &fixture.snapshot()?.uplinks["wan"];
    assert_eq!((uplink.bytes["interactive"], uplink.bytes["exempt"], uplink.bytes["bulk"]), (3028, 3028, 0));
    Ok(())
}

#[test]
fn bulk_packets_depart_one_after_the_other_until_the_horizon() -> Result<()> {
    let mut fixture = Fixture::new(&state())?;
    let frame = frame::ipv4(INTERNET, 0, 1514);
    let mut departures = Vec::new();
    let mut dropped = 0;
    for _ in 0..100 {
        match fixture.bulk(&frame)? {
            test_run::Output { verdict: NEXT, tstamp, .. } => departures.push(tstamp),
            test_run::Output { verdict, .. } => {
                assert_eq!(verdict, DROP);
                dropped += 1;
            }
        }
    }
    // 40 ms of horizon hold 66 frames of 605,600 ns; time goes on while the test runs.
    assert!((60..100).contains(&departures.len()), "{} departed", departures.len());
    let steps: Vec<u64> = departures.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().skip(5).all(|&step| step == 605_600), "{steps:?}");
    let snapshot = fixture.snapshot()?;
    let (tier, pod) = (&snapshot.tiers["bulk"], snapshot.pods.values().next().expect("the pod is there"));
    assert_eq!((tier.dropped["horizon"], pod.dropped["horizon"]), (dropped, dropped));
    assert_eq!((tier.packets, pod.uplink_packets), (departures.len() as u64, departures.len() as u64));
    assert_eq!((tier.dropped_bytes, tier.bytes), (dropped * 1514, departures.len() as u64 * 1514));
    assert_eq!(tier.delay.len(), DELAY_BUCKETS);
    assert_eq!(tier.delay.iter().map(|(_, packets)| packets).sum::<u64>(), tier.packets);
    Ok(())
}

#[test]
fn wire_length_counts_not_the_first_segments_length() -> Result<()> {
    let fixture = Fixture::new(&state())?;
    let input = test_run::Input {
        frame: frame::ipv4(INTERNET, 0, 1514),
        ingress_ifindex: LOOPBACK,
        wire_len: 15_140,
        ..Default::default()
    };
    test_run::run(fixture.datapath.program(Program::UplinkTx)?, &input)?;
    assert_eq!(fixture.snapshot()?.uplinks["wan"].bytes["bulk"], 15_140);
    Ok(())
}

#[test]
fn waiting_packets_that_understand_ecn_are_marked() -> Result<()> {
    let mut fixture = Fixture::new(&state())?;
    let (ect0, not_ect) = (frame::ipv4(INTERNET, 0b10, 1514), frame::ipv4(INTERNET, 0, 1514));
    assert_eq!(frame::tos(&fixture.bulk(&ect0)?.frame), 0b10, "no queue yet");
    for _ in 0..45 {
        fixture.bulk(&not_ect)?;
    }
    let marked = fixture.bulk(&ect0)?.frame;
    assert_eq!(frame::tos(&marked), 0b11);
    assert!(frame::has_valid_checksum(&marked));
    assert_eq!(frame::tos(&fixture.bulk(&not_ect)?.frame), 0);
    assert_eq!(fixture.snapshot()?.tiers["bulk"].marked, 1);
    Ok(())
}

#[test]
fn a_tiers_dscp_is_written_and_ecn_is_kept() -> Result<()> {
    let mut wanted = state();
    wanted.tiers.get_mut(&3).expect("the tier is there").dscp = 1;
    let mut fixture = Fixture::new(&wanted)?;
    let output = fixture.bulk(&frame::ipv4(INTERNET, 0b1011_1001, 1514))?;
    assert_eq!(frame::tos(&output.frame), 0b0000_0101);
    assert!(frame::has_valid_checksum(&output.frame));
    let output = fixture.bulk(&frame::ipv6("2001:db8::9".parse()?, 1514))?;
    assert_eq!(output.frame[14..16], [0x60, 0b0100_0000]);
    Ok(())
}

#[test]
fn ceilings_hold_also_where_packets_cannot_wait() -> Result<()> {
    let mut wanted = state();
    wanted.uplinks.get_mut(&2).expect("the uplink is there").flags = UPLINK_POLICE;
    wanted.tiers.get_mut(&3).expect("the tier is there").ceiling = cost_of_rate(1_000_000);
    let mut fixture = Fixture::new(&wanted)?;
    let frame = frame::ipv4(INTERNET, 0, 1514);
    let outputs: Vec<_> = (0..20).map(|_| fixture.bulk(&frame)).collect::<Result<_>>()?;
    assert!(outputs.iter().all(|output| output.tstamp == 0));
    let passed = outputs.iter().filter(|output| output.verdict == NEXT).count();
    // 40 ms at 1 Mbit/s are 3.3 frames.
    assert!((3..=6).contains(&passed), "{passed} passed");
    assert_eq!(fixture.exits(Program::UplinkTx, Exit::DropPoliced)?, 20 - passed as u64);
    Ok(())
}

#[test]
fn a_pod_without_a_tier_has_its_own_ceiling_alone() -> Result<()> {
    let mut wanted = state();
    wanted.pods.get_mut(&5).expect("the pod is there").tiers[2] = 0;
    let mut fixture = Fixture::new(&wanted)?;
    assert_eq!(fixture.bulk(&frame::ipv4(INTERNET, 0, 1514))?.tstamp, 0);
    wanted.pods.get_mut(&5).expect("the pod is there").ceilings[2] = cost_of_rate(10_000_000);
    configure(&mut fixture.datapath, &wanted)?;
    for _ in 0..5 {
        fixture.bulk(&frame::ipv4(INTERNET, 0, 1514))?;
    }
    assert!(fixture.bulk(&frame::ipv4(INTERNET, 0, 1514))?.tstamp > 0);
    let snapshot = fixture.snapshot()?;
    assert_eq!(snapshot.uplinks["wan"].packets["interactive"], 7);
    // The pod is still in a tier of some uplink, as its flag says.
    let pod = snapshot.pods.values().next().expect("the pod is there");
    assert_eq!((pod.untiered_bytes, pod.untiered_uplink), (7 * 1514, 2));
    Ok(())
}

#[test]
fn another_agent_finds_what_the_first_one_left() -> Result<()> {
    let fixture = Fixture::new(&state())?;
    let input = test_run::Input { frame: frame::ipv4(INTERNET, 0, 100), ..Default::default() };
    test_run::run(fixture.datapath.program(Program::PodTx)?, &input)?;
    let second = Datapath::open(bpffs_of(&fixture))?;
    let fixture = Fixture { datapath: second, ..fixture };
    assert_eq!(fixture.snapshot()?.pods.values().next().map(|pod| pod.tx_bytes), Some(100));
    Ok(())
}

fn bpffs_of(fixture: &Fixture) -> &Path {
    fixture.bpffs.path()
}
