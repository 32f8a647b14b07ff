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
    assert_eq!(found.pods[&key("seed")].tier.as_deref(), Some("bulk"));
    assert_eq!(found.pods[&key("web")].tier, None);
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
        run(&world).0.pods[&key("seed")].tier.is_some()
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
    assert!(run(&world).0.pods[&key("seed")].tier.is_some());
}

#[test]
fn of_several_tiers_the_first_by_name_bytewise_counts() {
    let mut world = world();
    for name in ["bulk", "Zebra", "archive"] {
        world.tiers.insert(name.to_owned(), Tier { pods: Selector::default(), ..tier(name, "wan") });
    }
    world.pods.insert(key("seed"), pod("10.1.0.1"));
    let (found, findings) = run(&world);
    assert_eq!(found.pods[&key("seed")].tier.as_deref(), Some("Zebra"));
    assert_eq!(reasons_of(&findings.notes), [finding("Pod default/seed", reasons::SEVERAL_TIERS)]);
    assert_eq!(
        findings.notes[0].message,
        "TrafficTiers Zebra, archive, bulk select it; Zebra comes first by name and is the one that counts"
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
    assert_eq!(found.pods[&key("seed")].tier.as_deref(), Some("b"));
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
        assert_eq!(run(&world).0.pods[&key("seed")].ceiling, expected, "{annotation:?} {per_pod:?}");
    }
}

#[test]
fn the_annotation_counts_without_any_tier() {
    let mut world = World::default();
    world.pods.insert(key("web"), Pod { egress_bandwidth: Some(mbit("5M")), ..pod("10.1.0.1") });
    let ceiling = run(&world).0.pods[&key("web")].ceiling.clone();
    assert_eq!(ceiling.map(|ceiling| ceiling.rate), Some(5_000_000));
}
