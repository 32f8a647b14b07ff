use super::*;
use crate::testing;

fn rates(from: u64, to: u64) -> Rates {
    Rates::between(&testing::healthy(from), &testing::healthy(to)).expect("time lies between them")
}

#[test]
fn rates_do_not_depend_on_the_window() {
    let (short, long) = (rates(10, 11), rates(10, 40));
    assert_eq!(short.tiers[0].sent_bits_per_second, 9_600_000);
    assert_eq!(short.tiers, long.tiers);
    assert_eq!(short.pods, long.pods);
    assert_eq!(short.uplinks, long.uplinks);
}

#[test]
fn demand_is_what_passed_and_what_was_dropped() {
    let tier = &rates(1, 2).tiers[0];
    assert_eq!(tier.demand_bits_per_second - tier.sent_bits_per_second, 24_000);
    assert!((tier.drops_per_second - 2.0).abs() < 1e-9);
}

#[test]
fn no_time_no_rates() {
    assert_eq!(Rates::between(&testing::healthy(3), &testing::healthy(3)), None);
    assert_eq!(Rates::between(&testing::healthy(3), &testing::healthy(2)), None, "the node was restarted");
}

#[test]
fn a_pod_that_was_not_listed_before_has_no_rate_yet() {
    let mut before = testing::healthy(1);
    before.pods.clear();
    let rates = Rates::between(&before, &testing::healthy(2)).expect("time lies between them");
    assert!(rates.pods.iter().all(|pod| pod.uplink_bits_per_second == 0), "its first second is not known");
}

#[test]
fn a_pod_that_came_again_begins_at_zero() {
    let mut before = testing::healthy(100);
    for pod in &mut before.pods {
        if let Some(now) = &mut pod.observed {
            now.slot += 10;
        }
    }
    let mut after = testing::healthy(101);
    for pod in &mut after.pods {
        if let Some(now) = &mut pod.observed {
            now.uplink_bytes = 1_000;
        }
    }
    let rates = Rates::between(&before, &after).expect("time lies between them");
    assert!(rates.pods.iter().all(|pod| pod.uplink_bits_per_second == 8_000), "{:?}", rates.pods);
}
