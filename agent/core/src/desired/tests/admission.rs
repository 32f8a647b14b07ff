use super::*;
use crate::desired::{admit, reasons};

fn tiers(list: &[(&str, Tier)]) -> World {
    World { tiers: list.iter().map(|(name, tier)| ((*name).to_owned(), tier.clone())).collect(), ..world() }
}

#[test]
fn impossible_tiers_are_rejected_by_name_and_the_others_stand() {
    let table = [
        ("unknown", tier("x", "lan"), reasons::UNKNOWN_UPLINK, "\"lan\"; there is wan"),
        (
            "ceiling",
            Tier { ceiling: Some(mbit("5M")), ..guaranteed("x", "10M") },
            reasons::CEILING_UNDER_GUARANTEE,
            "ceiling 5M is under its guarantee 10M",
        ),
        ("zero", Tier { ceiling: Some(0), ..tier("x", "wan") }, reasons::RATE_OUT_OF_RANGE, "ceiling is 0"),
        (
            "pods",
            Tier { pod_ceiling: Some(999), ..tier("x", "wan") },
            reasons::RATE_OUT_OF_RANGE,
            "perPodCeiling is 999",
        ),
        ("guarantee", Tier { guarantee: 1, ..tier("x", "wan") }, reasons::RATE_OUT_OF_RANGE, "guarantee is 1"),
        ("dscp", Tier { dscp: Some(64), ..tier("x", "wan") }, reasons::DSCP_OUT_OF_RANGE, "0 to 63"),
        ("sum", guaranteed("x", "98M"), reasons::GUARANTEES_OVER_CAPACITY, "come to 98M, which is over the 97M"),
    ];
    for (case, bad, reason, says) in table {
        let world = tiers(&[("good", tier("good", "wan")), ("x", bad)]);
        let (found, findings) = run(&world);
        assert_eq!(found.tiers.keys().collect::<Vec<_>>(), ["good"], "{case}");
        assert_eq!(reasons_of(&findings.rejections), [finding("TrafficTier x", reason)], "{case}");
        assert!(findings.rejections[0].message.contains(says), "{case}: {}", findings.rejections[0]);
        assert_eq!(findings.rejections[0].location, Some(at_line(10)));
    }
}

#[test]
fn an_uplink_without_an_enforceable_rate_is_rejected_with_its_tiers() {
    for (capacity, headroom) in [(0, 300), (1_000, 300), (100_000_000, 10_000), (u64::MAX, 0), (u64::MAX, u32::MAX)] {
        let mut world = tiers(&[("bulk", tier("bulk", "wan"))]);
        world.uplinks.insert("wan".to_owned(), Uplink { capacity, headroom, ..uplink("100M") });
        let (found, findings) = run(&world);
        assert!(found.uplinks.is_empty() && found.tiers.is_empty());
        let expected =
            [finding("Uplink wan", reasons::RATE_OUT_OF_RANGE), finding("TrafficTier bulk", reasons::UNKNOWN_UPLINK)];
        assert_eq!(reasons_of(&findings.rejections), expected);
    }
}

#[test]
fn of_too_many_guarantees_the_first_by_name_stand() {
    let world = tiers(&[
        ("a", guaranteed("a", "60M")),
        ("b", guaranteed("b", "50M")),
        ("c", guaranteed("c", "37M")),
        ("d", tier("d", "wan")),
    ]);
    let (found, findings) = run(&world);
    assert_eq!(found.tiers.keys().collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_eq!(reasons_of(&findings.rejections), [finding("TrafficTier b", reasons::GUARANTEES_OVER_CAPACITY)]);
    assert!(findings.rejections[0].message.contains("a 60M, b 50M, c 37M"), "{}", findings.rejections[0]);
}

#[test]
fn a_world_that_fits_is_taken_over_whole() {
    let before = tiers(&[("a", guaranteed("a", "90M")), ("b", guaranteed("b", "5M"))]);
    // Neither change fits on top of the other's old version in one order; together they do.
    let after = tiers(&[("a", guaranteed("a", "5M")), ("b", guaranteed("b", "90M"))]);
    assert_eq!(admit(after.clone(), &before), (after, vec![]));
}

#[test]
fn an_impossible_change_leaves_the_last_good_version_in_force() {
    let before = tiers(&[("a", guaranteed("a", "10M")), ("b", guaranteed("b", "10M"))]);
    let after = tiers(&[("a", guaranteed("a", "90M")), ("b", guaranteed("b", "10M")), ("c", tier("c", "wan"))]);
    let (admitted, rejections) = admit(after, &before);
    assert_eq!(admitted.tiers["a"].guarantee, 10_000_000);
    assert!(admitted.tiers.contains_key("b") && admitted.tiers.contains_key("c"));
    assert_eq!(reasons_of(&rejections), [finding("TrafficTier a", reasons::GUARANTEES_OVER_CAPACITY)]);
    assert!(rejections[0].message.ends_with("its last good version stays in force"), "{}", rejections[0]);
}

#[test]
fn an_uplink_that_shrinks_below_its_guarantees_keeps_its_old_capacity() {
    let before = tiers(&[("a", guaranteed("a", "10M")), ("b", guaranteed("b", "10M"))]);
    let mut after = before.clone();
    after.uplinks.insert("wan".to_owned(), uplink("15M"));
    let (admitted, rejections) = admit(after, &before);
    assert_eq!(admitted, before);
    assert_eq!(reasons_of(&rejections), [finding("Uplink wan", reasons::GUARANTEES_OVER_CAPACITY)]);
}

#[test]
fn what_the_source_no_longer_has_is_gone_and_takes_what_depends_on_it() {
    let before = tiers(&[("a", guaranteed("a", "10M"))]);
    let mut after = before.clone();
    after.uplinks.clear();
    let (admitted, rejections) = admit(after, &before);
    assert!(admitted.uplinks.is_empty() && admitted.tiers.is_empty());
    assert_eq!(reasons_of(&rejections), [finding("TrafficTier a", reasons::UNKNOWN_UPLINK)]);

    let mut after = tiers(&[("b", guaranteed("b", "98M"))]);
    after.pods.insert(key("p"), pod("10.1.0.1"));
    let (admitted, rejections) = admit(after, &before);
    assert!(admitted.tiers.is_empty() && admitted.pods.contains_key(&key("p")));
    assert_eq!(rejections.len(), 1);
}
