use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use weir_common::units::{cost_of_rate, time_on_link};

use super::*;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;
const BURST: u64 = MS;
const HORIZON: u64 = 5 * MS;

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
}

impl Link {
    fn new(rates: [u64; 4]) -> Self {
        Self { rates, ..Self::default() }
    }

    fn booking(clock: &AtomicU64, rate: u64) -> Option<Booking<&AtomicU64>> {
        (rate > 0).then(|| Booking { clock, time: time_on_link(1514, cost_of_rate(rate)) })
    }

    fn offer(&self, now: u64) -> Decision {
        let [link, guarantee, tier, pod] = self.rates;
        Request {
            now,
            socket: 0,
            link: Self::booking(&self.clock, link),
            share: Self::booking(&self.bulk, self.share),
            guarantee: Self::booking(&self.guarantee, guarantee),
            tier: Self::booking(&self.tier, tier),
            pod: Self::booking(&self.pod, pod),
            burst: BURST,
            horizon: self.horizon(),
        }
        .decide()
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
            if let Decision::At(at) = self.offer(now) {
                assert!(at >= now && at - now <= self.horizon() + BURST, "{at} at {now}");
                sent += 1;
            }
        }
        sent * 1514 * 8 * 1000 / ms
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
        Decision::At(at) => Some(at),
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

#[test]
fn a_socket_that_paces_itself_is_not_overtaken() {
    let clock = AtomicU64::new(0);
    let request = Request {
        now: 10 * MS,
        socket: 12 * MS,
        link: Some(Booking { clock: &clock, time: MS }),
        share: None,
        guarantee: None,
        tier: None,
        pod: None,
        burst: BURST,
        horizon: HORIZON,
    };
    assert_eq!(request.decide(), Decision::At(12 * MS));
}
