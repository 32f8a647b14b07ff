use super::*;
use crate::desired::{PodCeiling, reasons};

fn labelled(tier: &str) -> Pod {
    Pod { labels: labels(&[("traffic-tier", tier)]), ..pod("10.1.0.1") }
}

#[test]
fn only_pods_of_this_node_that_have_not_ended_are_listed() {
    let mut world = world();
    world.pods.insert(key("here"), pod("10.1.0.1"));
    world.pods.insert(key("ended"), Pod { ended: true, ..pod("10.1.0.2") });
    world.pods.insert(key("there"), Pod { node: "there".to_owned(), ..pod("10.1.0.3") });
    world.pods.insert(key("pending"), Pod { node: String::new(), ..pod("") });
    assert_eq!(run(&world).0.pods.keys().collect::<Vec<_>>(), [&key("here")]);
    assert!(desired(&world, &host(), "").0.pods.is_empty());
}

#[test]
fn a_pod_is_in_the_tier_that_selects_it() {
    let mut world = world();
    world.tiers.insert("bulk".to_owned(), tier("bulk", "wan"));
    world.pods.insert(key("seed"), labelled("bulk"));
    world.pods.insert(key("web"), pod("10.1.0.2"));
    let (found, findings) = run(&world);
    assert_eq!(found.pods[&key("seed")].tier_names(), "bulk");
    assert_eq!(found.pods[&key("web")].tier_names(), "");
    assert_eq!(found.pods[&key("web")].workload, "Deployment/web");
    assert_eq!(findings, Findings::default());
}

#[test]
fn namespaces_are_selected_by_their_labels_and_their_name() {
    let in_namespace = |labels: &[(&str, &str)], selector: Selector| {
        let mut world = world();
        world.namespaces.insert("default".to_owned(), super::labels(labels));
        world.tiers.insert("bulk".to_owned(), Tier { namespaces: selector, ..tier("bulk", "wan") });
        world.pods.insert(key("seed"), labelled("bulk"));
        run(&world).0.pods[&key("seed")].is_limited()
    };
    let team = Selector::label("team", "media");
    assert!(in_namespace(&[("team", "media")], team.clone()));
    assert!(!in_namespace(&[("team", "sales")], team.clone()));
    assert!(!in_namespace(&[], team));
    let by_name = Selector::label("kubernetes.io/metadata.name", "default");
    assert!(in_namespace(&[], by_name.clone()));
    assert!(in_namespace(&[("kubernetes.io/metadata.name", "forged")], by_name));
    let not_system = Operator::NotIn(["kube-system".to_owned()].into());
    let requirement = Requirement { key: "kubernetes.io/metadata.name".to_owned(), operator: not_system };
    assert!(in_namespace(&[], Selector { requirements: vec![requirement] }));

    // Without any Namespace object the name is still known.
    let mut world = world();
    let selector = Selector::label("kubernetes.io/metadata.name", "default");
    world.tiers.insert("bulk".to_owned(), Tier { namespaces: selector, ..tier("bulk", "wan") });
    world.pods.insert(key("seed"), labelled("bulk"));
    assert!(run(&world).0.pods[&key("seed")].is_limited());
}

#[test]
fn of_several_tiers_the_first_by_name_bytewise_counts() {
    let mut world = world();
    for name in ["bulk", "Zebra", "archive"] {
        world.tiers.insert(name.to_owned(), Tier { pods: Selector::default(), ..tier(name, "wan") });
    }
    world.pods.insert(key("seed"), pod("10.1.0.1"));
    let (found, findings) = run(&world);
    assert_eq!(found.pods[&key("seed")].tier_names(), "Zebra");
    assert_eq!(reasons_of(&findings.notes), [finding("Pod default/seed", reasons::SEVERAL_TIERS)]);
    assert_eq!(
        findings.notes[0].message,
        "TrafficTiers Zebra, archive, bulk of Uplink wan select it; Zebra comes first by name and is the one that counts"
    );
    assert_eq!(findings.notes[0].location, Some(at_line(20)));
}

#[test]
fn a_rejected_tier_selects_nobody() {
    let mut world = world();
    world.tiers.insert("a".to_owned(), Tier { pods: Selector::default(), ..tier("a", "nowhere") });
    world.tiers.insert("b".to_owned(), Tier { pods: Selector::default(), ..tier("b", "wan") });
    world.pods.insert(key("seed"), pod("10.1.0.1"));
    let (found, findings) = run(&world);
    assert_eq!(found.pods[&key("seed")].tier_names(), "b");
    assert!(findings.notes.is_empty());
}

#[test]
fn the_lowest_of_a_pods_own_limits_counts_and_says_where_it_comes_from() {
    const ANNOTATION: &str = "annotation kubernetes.io/egress-bandwidth";
    const TIER: &str = "TrafficTier bulk perPodCeiling";
    // (annotation, perPodCeiling, limit)
    let table = [
        (None, None, None),
        (Some("20M"), None, Some(("20M", ANNOTATION))),
        (None, Some("30M"), Some(("30M", TIER))),
        (Some("20M"), Some("30M"), Some(("20M", ANNOTATION))),
        (Some("40M"), Some("30M"), Some(("30M", TIER))),
        (Some("30M"), Some("30M"), Some(("30M", ANNOTATION))),
    ];
    for (annotation, per_pod, expected) in table {
        let mut world = world();
        world.tiers.insert("bulk".to_owned(), Tier { pod_ceiling: per_pod.map(mbit), ..tier("bulk", "wan") });
        world.pods.insert(key("seed"), Pod { egress_bandwidth: annotation.map(mbit), ..labelled("bulk") });
        let expected = expected.map(|(rate, from)| PodCeiling { rate: mbit(rate), from: from.to_owned() });
        assert_eq!(
            run(&world).0.pods[&key("seed")].ceilings.get("wan"),
            expected.as_ref(),
            "{annotation:?} {per_pod:?}"
        );
    }
}

#[test]
fn the_annotation_counts_without_any_tier() {
    let mut world = world();
    world.pods.insert(key("web"), Pod { egress_bandwidth: Some(mbit("5M")), ..pod("10.1.0.1") });
    let ceiling = run(&world).0.pods[&key("web")].ceilings.get("wan").cloned();
    assert_eq!(ceiling.map(|ceiling| ceiling.rate), Some(5_000_000));
}

#[test]
fn a_pod_has_a_tier_and_a_ceiling_of_its_own_on_each_uplink() {
    let mut world = world();
    let backup = Uplink { interface: InterfaceChoice::Named("eth1".to_owned()), ..uplink("1M") };
    world.uplinks.insert("backup".to_owned(), backup);
    world.tiers.insert("bulk".to_owned(), tier("bulk", "wan"));
    let slow = Tier {
        pods: Selector::label("traffic-tier", "bulk"),
        pod_ceiling: Some(mbit("100k")),
        ..tier("slow", "backup")
    };
    world.tiers.insert("slow".to_owned(), slow);
    world.pods.insert(key("seed"), Pod { egress_bandwidth: Some(mbit("5M")), ..labelled("bulk") });
    let (found, findings) = run(&world);
    assert_eq!(findings, Findings::default());
    let seed = &found.pods[&key("seed")];
    let tiers = [("backup", "slow"), ("wan", "bulk")].map(|(uplink, tier)| (uplink.to_owned(), tier.to_owned()));
    assert_eq!(seed.tiers, tiers.into());
    let rates: Vec<_> = seed.ceilings.iter().map(|(uplink, ceiling)| (uplink.as_str(), ceiling.rate)).collect();
    assert_eq!(rates, [("backup", 100_000), ("wan", 5_000_000)]);
    assert!(seed.is_in("slow") && seed.is_in("bulk") && !seed.is_in("other"));
}
