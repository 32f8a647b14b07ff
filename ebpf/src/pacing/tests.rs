use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use weir_common::units::{cost_of_rate, time_on_link};

use super::*;
use crate::reserve::tests::Kept;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;
const BURST: u64 = MS;
const HORIZON: u64 = 5 * MS;
const FRAME: u32 = 1514;
/// What all ceilings may schedule beyond the horizon.
const RESERVE: u64 = 10 * MS;

/// A link with one tier, offered frames of 1514 bytes.
#[derive(Default)]
struct Link {
    clock: AtomicU64,
    bulk: AtomicU64,
    /// Rate that steady interactive traffic leaves, or 0.
    share: u64,
    guarantee: AtomicU64,
    tier: AtomicU64,
    pod: AtomicU64,
    rates: [u64; 4],
    /// 0 stands for [`HORIZON`].
    horizon: u64,
    /// Packets' room for guarantees and ceilings.
    room: u32,
    ahead: Kept,
    zero: AtomicU64,
}

impl Link {
    fn new(rates: [u64; 4]) -> Self {
        Self { rates, ..Self::default() }
    }

    fn booking(clock: &AtomicU64, rate: u64) -> Booking<&AtomicU64> {
        let cost = if rate > 0 { cost_of_rate(rate) } else { 0 };
        Booking { clock, time: time_on_link(FRAME, cost), cost }
    }

    fn offer(&self, now: u64) -> Decision {
        let [link, guarantee, tier, pod] = self.rates;
        let reserve = Reserve { account: &self.ahead, limit: RESERVE, time: time_on_link(FRAME, cost_of_rate(link)) };
        reserve.clear(now);
        let request = Request {
            now,
            link: Self::booking(&self.clock, link),
            share: Self::booking(&self.bulk, self.share),
            guarantee: Self::booking(&self.guarantee, guarantee),
            tier: Self::booking(&self.tier, tier),
            pod: Self::booking(&self.pod, pod),
            burst: BURST,
            horizon: self.horizon(),
            room: self.room * FRAME,
            reserve,
            zero: Zero(&self.zero),
        };
        let decision = request.decide();
        if let Decision::At { departure, beyond: true, .. } = decision {
            request.reserve.enter(departure);
        }
        decision
    }

    fn horizon(&self) -> u64 {
        if self.horizon == 0 { HORIZON } else { self.horizon }
    }

    fn interactive(&self, now: u64, bytes: u32) {
        let bounds = Bounds { burst: BURST, lead: LINK_LEAD_NS };
        book(&&self.clock, now, bounds, time_on_link(bytes, cost_of_rate(self.rates[0])));
    }

    /// Offers a frame every 100 µs (121 Mbit/s) for `ms` and returns the rate of what was sent.
    fn flood(&self, ms: u64, mut others: impl FnMut(u64)) -> u64 {
        let mut sent = 0u64;
        for step in 0..ms * 10 {
            let now = START + step * MS / 10;
            others(now);
            if let Decision::At { departure, .. } = self.offer(now) {
                let wait = departure - now;
                assert!(self.room > 0 || wait <= self.horizon() + BURST, "{wait} at {now}");
                sent += 1;
            }
        }
        sent * u64::from(FRAME) * 8 * 1000 / ms
    }
}

#[track_caller]
fn assert_near(rate: u64, expected: u64) {
    assert!(rate.abs_diff(expected) <= expected / 50, "{rate} is not near {expected}");
}

#[test]
fn an_idle_link_is_filled() {
    assert_near(Link::new([20_000_000, 0, 0, 0]).flood(4_000, |_| ()), 20_000_000);
}

#[test]
fn the_lowest_ceiling_holds() {
    assert_near(Link::new([20_000_000, 0, 8_000_000, 0]).flood(4_000, |_| ()), 8_000_000);
    assert_near(Link::new([20_000_000, 0, 8_000_000, 4_000_000]).flood(4_000, |_| ()), 4_000_000);
    assert_near(Link::new([20_000_000, 0, 0, 4_000_000]).flood(4_000, |_| ()), 4_000_000);
}

#[test]
fn a_ceiling_below_a_packet_per_horizon_holds() {
    assert_near(Link::new([20_000_000, 0, 64_000, 0]).flood(20_000, |_| ()), 64_000);
}

#[test]
fn bulk_gets_what_interactive_leaves() {
    let link = Link::new([20_000_000, 0, 0, 0]);
    let mut next = START;
    // 12 Mbit/s: a frame each 1.009 ms.
    let rate = link.flood(4_000, |now| {
        if now >= next {
            link.interactive(now, 1514);
            next += 1_009_333;
        }
    });
    assert!((7_600_000..8_400_000).contains(&rate), "{rate}");
}

#[test]
fn a_guarantee_holds_on_an_overloaded_link() {
    let link = Link::new([20_000_000, 2_000_000, 0, 0]);
    let rate = link.flood(10_000, |now| link.interactive(now, 1514));
    assert_near(rate, 2_000_000);
    let without = Link::new([20_000_000, 0, 0, 0]);
    assert!(without.flood(10_000, |now| without.interactive(now, 1514)) < 100_000);
}

#[test]
fn a_guarantee_is_no_way_around_the_link() {
    for horizon in [HORIZON, GUARANTEE_LEAD_NS, 2 * GUARANTEE_LEAD_NS, 10 * GUARANTEE_LEAD_NS] {
        for guarantee in [64_000, 2_000_000, 10_000_000] {
            let link = Link { horizon, ..Link::new([20_000_000, guarantee, 0, 0]) };
            assert_near(link.flood(20_000, |_| ()), 20_000_000);
            let link = Link { horizon, ..Link::new([20_000_000, guarantee, 0, 0]) };
            let rate = link.flood(20_000, |now| link.interactive(now, 1514));
            // Until the link's clock is a horizon ahead, a few packets borrow.
            let borrowed = 150_000;
            assert!(
                rate <= guarantee + guarantee / 50 + borrowed,
                "{rate} of {guarantee} with a horizon of {horizon} ns"
            );
        }
    }
}

#[test]
fn bulk_leaves_gaps_for_a_steady_load() {
    let link = Link { share: 8_000_000, ..Link::new([20_000_000, 0, 0, 0]) };
    let departures: Vec<u64> = std::iter::from_fn(|| match link.offer(START) {
        Decision::At { departure, .. } => Some(departure),
        Decision::TooLate => None,
    })
    .collect();
    let frame = time_on_link(1514, cost_of_rate(8_000_000));
    assert!(departures.len() > 3);
    assert!(departures.windows(2).skip(1).all(|pair| pair[1] - pair[0] == frame), "{departures:?}");
    assert_near(Link { share: 8_000_000, ..Link::new([20_000_000, 0, 0, 0]) }.flood(4_000, |_| ()), 8_000_000);
    assert_near(Link { share: 2_000_000, ..Link::new([20_000_000, 4_000_000, 0, 0]) }.flood(4_000, |_| ()), 4_000_000);
}

#[test]
fn a_dropped_packet_books_nothing() {
    let link = Link::new([20_000_000, 2_000_000, 4_000_000, 1_000_000]);
    while link.offer(START) != Decision::TooLate {}
    let clocks = || [&link.clock, &link.guarantee, &link.tier, &link.pod].map(|clock| clock.load(Relaxed));
    let before = clocks();
    assert_eq!(link.offer(START), Decision::TooLate);
    assert_eq!(clocks(), before);
}

/// How many frames find room on the tier's and the pod's clocks at one moment.
fn room_at(link: &Link, now: u64) -> u64 {
    let booked = link.clock.load(Relaxed);
    let offered = (0..).take_while(|_| {
        link.clock.store(booked, Relaxed);
        link.offer(now) != Decision::TooLate
    });
    offered.count() as u64
}

#[test]
fn a_ceiling_has_room_for_packets_and_not_for_a_time() {
    for rate in [64_000, 256_000, 500_000, 2_000_000] {
        let link = Link { room: 16, ..Link::new([20_000_000, 0, rate, 0]) };
        assert!((12..=17).contains(&room_at(&link, START)), "{rate}");
        let link = Link { room: 16, ..Link::new([20_000_000, 0, rate, 0]) };
        let sent = link.flood(20_000, |_| ());
        let scheduled = 17 * u64::from(FRAME) * 8 / 20;
        assert!((rate - rate / 50..=rate + rate / 50 + scheduled).contains(&sent), "{sent} of {rate}");
    }
}

#[test]
fn many_ceilings_share_one_reserve() {
    let link = Link { room: 16, ..Link::new([20_000_000, 0, 0, 500_000]) };
    let mut beyond = 0;
    for _ in 0..50 {
        // The next pod, with a clock of its own.
        link.pod.store(0, Relaxed);
        beyond += room_at(&link, START).saturating_sub(1);
    }
    let reserve = RESERVE / time_on_link(FRAME, cost_of_rate(20_000_000));
    assert!((reserve - 2..=reserve + 1).contains(&beyond), "{beyond} packets beyond the horizon, of {reserve}");
}

#[test]
fn a_guarantee_beside_a_full_link_has_room_for_packets() {
    let link = Link { room: 16, ..Link::new([20_000_000, 500_000, 0, 0]) };
    link.clock.store(START + LINK_LEAD_NS, Relaxed);
    assert!((9..=17).contains(&room_at(&link, START)), "as many as depart before the link is free, at most 16");
    let link = Link { room: 16, ..Link::new([20_000_000, 500_000, 0, 0]) };
    let rate = link.flood(20_000, |now| link.interactive(now, 1514));
    assert_near(rate, 500_000);
}

#[test]
fn a_packet_is_late_after_half_of_what_its_clock_allows() {
    // At 500 kbit/s the second packet waits for 24 ms, which is more than half of the longest horizon.
    for horizon in [2 * MS, 5 * MS, 20 * MS, 40 * MS] {
        for rates in [[20_000_000, 0, 500_000, 0], [20_000_000, 0, 0, 500_000], [20_000_000, 500_000, 0, 0]] {
            let link = Link { room: 16, horizon, ..Link::new(rates) };
            let full = if rates[1] > 0 { START + LINK_LEAD_NS } else { 0 };
            let late: Vec<bool> = std::iter::from_fn(|| {
                link.clock.store(full, Relaxed);
                match link.offer(START) {
                    Decision::At { late, .. } => Some(late),
                    Decision::TooLate => None,
                }
            })
            .collect();
            let first = late.iter().position(|&late| late).unwrap();
            assert!((6..=12).contains(&first), "the {first}th of {} at {rates:?}, H {horizon}", late.len());
            assert!(late[first..].iter().all(|&late| late));
        }
    }
}
