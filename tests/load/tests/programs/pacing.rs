//! When a paced packet leaves: what its socket wishes, what its line adds, and what has to be split before.

use std::{fs, os::fd::AsFd as _, os::fd::AsRawFd as _, time::Duration};

use anyhow::{Context as _, Result};
use weir::datapath::test_run::{Input, Output, run};
use weir_common::{
    config::{UPLINK_ATM, UPLINK_LINE},
    reason::{Exit, Program},
    units::{cost_of_rate, time_on_link},
};
use weir_core::kernel::KernelState;
use weir_load_tests::frame;

use super::{Fixture, INTERNET, LOOPBACK, NEXT, configure_again, state};

/// `TC_ACT_REDIRECT`.
const REDIRECT: i32 = 7;
/// Each instruction that the verifier walks takes the agent's start about 3 µs on a small machine, and its container has
/// little of a busy node's CPUs: at 170 000 the kubelet's probes ended it before it answered.
const MOST_VERIFIED: u64 = 80_000;
const CAPACITY: u64 = 20_000_000;
/// Longer than packets go where a burst went to be split.
const NOTHING_FOLLOWS: Duration = Duration::from_millis(2);

impl Fixture {
    fn offer(&mut self, input: &Input) -> Result<Output> {
        Ok(run(self.datapath.program(Program::UplinkTx)?, input)?)
    }
}

fn bulk(length: usize) -> Input {
    Input { frame: frame::ipv4(INTERNET, 0, length), ingress_ifindex: LOOPBACK, ..Input::default() }
}

/// With a place to split bursts.
fn splitting() -> KernelState {
    let mut state = state();
    state.uplinks.get_mut(&2).expect("the uplink is there").splitter = LOOPBACK;
    state.interfaces.get_mut(&LOOPBACK).expect("the interface is there").port = 7;
    state.ports.insert(7, LOOPBACK);
    state
}

/// With room for 16 frames where a ceiling is low, and 10 ms of the line for all ceilings.
fn with_room(ceiling: u64) -> KernelState {
    let mut state = state();
    let uplink = state.uplinks.get_mut(&2).expect("the uplink is there");
    (uplink.room_bytes, uplink.reserve_ns) = (16 * 1514, 10_000_000);
    state.tiers.get_mut(&3).expect("the tier is there").ceiling = cost_of_rate(ceiling);
    state
}

#[test]
fn programs_are_verified_with_little_work() -> Result<()> {
    let fixture = Fixture::new(&KernelState::default())?;
    for program in Program::ALL {
        let fd = fixture.datapath.program(program)?.as_fd().as_raw_fd();
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
        let verified = info.lines().find_map(|line| line.strip_prefix("verified_insns:"));
        let verified: u64 = verified.context("the kernel says what its verifier did")?.trim().parse()?;
        println!("{}: {verified} instructions", program.name());
        assert!(verified <= MOST_VERIFIED, "{} needs {verified}", program.name());
    }
    Ok(())
}

#[test]
fn a_low_ceiling_holds_packets_beyond_the_horizon_and_no_more() -> Result<()> {
    let mut fixture = Fixture::new(&with_room(256_000))?;
    let outputs: Vec<_> = (0..30).map(|_| fixture.offer(&bulk(1514))).collect::<Result<_>>()?;
    let passed: Vec<u64> = outputs.iter().filter(|output| output.verdict == NEXT).map(|output| output.tstamp).collect();
    assert!((12..=18).contains(&passed.len()), "{} passed", passed.len());
    let step = time_on_link(1514, cost_of_rate(256_000));
    assert!(passed.windows(2).skip(1).all(|pair| pair[1] - pair[0] == step), "{passed:?}");
    Ok(())
}

#[test]
fn an_uplink_that_comes_back_has_its_whole_reserve() -> Result<()> {
    let mut fixture = Fixture::new(&with_room(256_000))?;
    let fill = |fixture: &mut Fixture| -> Result<usize> {
        let outputs: Vec<_> = (0..30).map(|_| fixture.offer(&bulk(1514))).collect::<Result<_>>()?;
        Ok(outputs.iter().filter(|output| output.verdict == NEXT).count())
    };
    let before = fill(&mut fixture)?;
    let mut fixture = configure_again(configure_again(fixture, &KernelState::default())?, &with_room(256_000))?;
    let after = fill(&mut fixture)?;
    assert!(after.abs_diff(before) <= 1, "{after} packets find room, and {before} did before");
    Ok(())
}

#[test]
fn a_sockets_own_departure_is_a_wish() -> Result<()> {
    let mut fixture = Fixture::new(&state())?;
    let ect0 = frame::ipv4(INTERNET, 0b10, 1514);
    let now = fixture.offer(&bulk(1514))?.tstamp;
    // Beyond the horizon of 40 ms, many times.
    for _ in 0..10 {
        let wish = now + 900_000_000;
        let output = fixture.offer(&Input { frame: ect0.clone(), tstamp: wish, ..bulk(1514) })?;
        assert_eq!((output.verdict, output.tstamp), (NEXT, wish), "it leaves no earlier, and is not dropped");
        assert_eq!(frame::tos(&output.frame), 0b10, "it is not marked");
    }
    let snapshot = fixture.snapshot()?;
    let tier = &snapshot.tiers["bulk"];
    assert!(tier.delay_sum_ns < 11 * 40_000_000, "its wish counts as no delay: {} ns", tier.delay_sum_ns);
    let past = fixture.offer(&Input { tstamp: 1, ..bulk(1514) })?;
    assert!(past.tstamp > now, "a wish in the past is no way to the front");
    Ok(())
}

#[test]
fn a_lines_framing_is_charged() -> Result<()> {
    let mut wanted = state();
    let uplink = wanted.uplinks.get_mut(&2).expect("the uplink is there");
    (uplink.flags, uplink.overhead) = (UPLINK_LINE | UPLINK_ATM, 40);
    let mut fixture = Fixture::new(&wanted)?;
    // 40 bytes of IP and 40 of overhead are two cells.
    let departures: Vec<u64> = (0..40).map(|_| Ok(fixture.offer(&bulk(54))?.tstamp)).collect::<Result<_>>()?;
    let step = time_on_link(106, cost_of_rate(CAPACITY));
    let last = departures.windows(2).rev().take(5);
    assert!(last.clone().all(|pair| pair[1] - pair[0] == step), "{:?}", last.collect::<Vec<_>>());
    // Three segments of 1000 bytes behind 66 of headers, each 1052 + 40 bytes for the line: 23 cells.
    let burst = Input { wire_len: 3 * 1066, gso_segs: 3, gso_size: 1000, ..bulk(66 + 3 * 1000) };
    let (first, second) = (fixture.offer(&burst)?.tstamp, fixture.offer(&burst)?.tstamp);
    assert_eq!(second - first, time_on_link(3 * 23 * 53, cost_of_rate(CAPACITY)));
    assert_eq!(fixture.snapshot()?.uplinks["wan"].bytes["bulk"], 40 * 54 + 2 * 3 * 1066, "counted as on Ethernet");
    Ok(())
}

#[test]
fn a_burst_that_blocks_the_line_is_split() -> Result<()> {
    let mut fixture = Fixture::new(&splitting())?;
    let burst = |segments: u32| Input { wire_len: 1514 * segments, gso_segs: segments, gso_size: 1448, ..bulk(1514) };
    // 2 ms of 20 Mbit/s are 5,000 bytes.
    let blocking = fixture.offer(&burst(40))?;
    assert_eq!((blocking.verdict, blocking.tstamp), (REDIRECT, 0));
    std::thread::sleep(NOTHING_FOLLOWS);
    assert_eq!(fixture.offer(&burst(3))?.verdict, NEXT);
    assert_eq!(fixture.exits(Program::UplinkTx, Exit::Split)?, 1);
    assert_eq!(fixture.snapshot()?.tiers["bulk"].packets, 1, "the burst is counted by its segments, later");
    Ok(())
}

#[test]
fn what_follows_a_burst_does_not_overtake_it() -> Result<()> {
    let mut fixture = Fixture::new(&splitting())?;
    let burst = Input { wire_len: 1514 * 40, gso_segs: 40, gso_size: 1448, ..bulk(1514) };
    // On a busy machine the moment may pass between two runs.
    let follows = (0..50).try_fold(false, |follows, _| -> Result<bool> {
        fixture.offer(&burst)?;
        Ok(fixture.offer(&bulk(200))?.verdict == REDIRECT || follows)
    })?;
    assert!(follows, "a packet right behind a burst goes the same way");
    std::thread::sleep(NOTHING_FOLLOWS);
    assert_eq!(fixture.offer(&bulk(200))?.verdict, NEXT);
    Ok(())
}

#[test]
fn bursts_stay_whole_without_a_splitter_and_where_they_block_nothing() -> Result<()> {
    let burst = Input { wire_len: 60_000, gso_segs: 40, gso_size: 1448, ..bulk(1514) };
    let mut fixture = Fixture::new(&state())?;
    assert_eq!(fixture.offer(&burst)?.verdict, NEXT);
    let mut wanted = splitting();
    wanted.uplinks.get_mut(&2).expect("the uplink is there").capacity = cost_of_rate(1_000_000_000);
    let mut fixture = Fixture::new(&wanted)?;
    assert_eq!(fixture.offer(&burst)?.verdict, NEXT);
    Ok(())
}
