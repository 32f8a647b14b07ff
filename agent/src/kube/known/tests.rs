use serde_json::json;
use weir_api::json;

use super::*;

fn id(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { kind: kind.to_owned(), name: name.to_owned() }
}

fn uplink(capacity: &str) -> Read {
    json::read(json::Kind::Uplink, json!({"metadata": {"name": "wan"}, "spec": {"capacity": capacity}}))
}

fn tier(name: &str, guarantee: &str) -> Read {
    let spec = json!({"uplink": "wan", "guarantee": guarantee});
    json::read(json::Kind::TrafficTier, json!({"metadata": {"name": name}, "spec": spec}))
}

/// Lists a kind whole.
fn list(known: &mut Known, kind: Kind, objects: Vec<(ObjectRef, Read)>) {
    known.hear(kind, Said::Begin);
    for (id, read) in objects {
        known.hear(kind, Said::Listed(id, read));
    }
    known.hear(kind, Said::End);
}

/// With one uplink and one tier.
fn listed() -> Known {
    let mut known = Known::default();
    for kind in Kind::ALL {
        list(&mut known, kind, Vec::new());
    }
    list(&mut known, Kind::Uplinks, vec![(id("Uplink", "wan"), uplink("20M"))]);
    list(&mut known, Kind::Tiers, vec![(id("TrafficTier", "bulk"), tier("bulk", "2M"))]);
    known
}

#[test]
fn nothing_is_known_before_every_kind_was_listed() {
    let mut known = Known::default();
    for kind in Kind::ALL {
        assert!(known.world().is_none(), "before {}", kind.name());
        known.hear(kind, Said::Begin);
        assert!(known.world().is_none(), "while {} is listed", kind.name());
        known.hear(kind, Said::End);
    }
    assert_eq!(known.world(), Some((World::default(), Vec::new())));
}

#[test]
fn a_list_counts_when_it_is_complete() {
    let mut known = listed();
    known.hear(Kind::Uplinks, Said::Begin);
    assert_eq!(known.world().unwrap().0.uplinks.len(), 1, "the old list stands while the new one comes");
    known.hear(Kind::Uplinks, Said::Begin);
    known.hear(Kind::Uplinks, Said::End);
    assert_eq!(known.world().unwrap().0.uplinks.len(), 0);
}

#[test]
fn a_list_that_broke_off_leaves_nothing_behind() {
    let mut known = listed();
    known.hear(Kind::Tiers, Said::Begin);
    known.hear(Kind::Tiers, Said::Listed(id("TrafficTier", "late"), tier("late", "1M")));
    list(&mut known, Kind::Tiers, Vec::new());
    assert_eq!(known.world().unwrap().0.tiers.len(), 0);
}

#[test]
fn changes_follow_the_list() {
    let mut known = listed();
    known.hear(Kind::Tiers, Said::Put(id("TrafficTier", "bulk"), tier("bulk", "3M")));
    assert_eq!(known.world().unwrap().0.tiers["bulk"].guarantee, 3_000_000);
    assert!(known.hear(Kind::Tiers, Said::Gone(id("TrafficTier", "bulk"))));
    assert!(!known.hear(Kind::Tiers, Said::Gone(id("TrafficTier", "bulk"))));
    assert_eq!(known.world().unwrap().0.tiers.len(), 0);
}

#[test]
fn a_bad_version_leaves_the_last_good_one_and_the_others_in_force() {
    let mut known = listed();
    known.hear(Kind::Tiers, Said::Put(id("TrafficTier", "other"), tier("other", "1M")));
    known.hear(Kind::Tiers, Said::Put(id("TrafficTier", "bulk"), tier("bulk", "much")));
    let (world, rejections) = known.world().unwrap();
    assert_eq!((world.tiers["bulk"].guarantee, world.tiers["other"].guarantee), (2_000_000, 1_000_000));
    assert_eq!((rejections.len(), rejections[0].object.clone()), (1, id("TrafficTier", "bulk")));
    assert!(rejections[0].message.ends_with("its last good version stays in force"), "{}", rejections[0]);
    // Also when it comes with a new list.
    list(&mut known, Kind::Tiers, vec![(id("TrafficTier", "bulk"), tier("bulk", "much"))]);
    assert_eq!(known.world().unwrap().0.tiers["bulk"].guarantee, 2_000_000);
}

#[test]
fn what_does_not_fit_the_others_is_rejected() {
    let mut known = listed();
    known.hear(Kind::Tiers, Said::Put(id("TrafficTier", "huge"), tier("huge", "19M")));
    let (world, rejections) = known.world().unwrap();
    assert_eq!(world.tiers.keys().collect::<Vec<_>>(), ["bulk"]);
    assert_eq!(rejections[0].object, id("TrafficTier", "huge"));
}

#[test]
fn who_starts_over_keeps_what_is_in_force_until_every_kind_was_listed_again() {
    let mut known = listed();
    assert_eq!(known.world().unwrap().0.tiers.len(), 1);
    known.start_over();
    for kind in Kind::ALL {
        assert!(known.world().is_none(), "before {}", kind.name());
        assert!(!known.hear(kind, Said::Gone(id("TrafficTier", "bulk"))), "said of a list that does not count");
        list(&mut known, kind, Vec::new());
    }
    assert_eq!(known.world(), Some((World::default(), Vec::new())));
}

#[test]
fn an_agent_that_starts_keeps_the_stored_version_of_an_object_that_is_invalid_now() {
    let (stored, _) = listed().world().unwrap();
    let mut known = Known::after(stored);
    for kind in Kind::ALL {
        list(&mut known, kind, Vec::new());
    }
    // Both kinds come after an empty list, which is what an object that was deleted looks like.
    list(&mut known, Kind::Uplinks, vec![(id("Uplink", "wan"), uplink("much"))]);
    let (world, rejections) = known.world().unwrap();
    assert_eq!((world.uplinks.len(), rejections.len()), (0, 1), "what a complete list did not have is gone");

    let (stored, _) = listed().world().unwrap();
    let mut known = Known::after(stored);
    list(&mut known, Kind::Uplinks, vec![(id("Uplink", "wan"), uplink("much"))]);
    list(&mut known, Kind::Tiers, vec![(id("TrafficTier", "bulk"), tier("bulk", "much"))]);
    for kind in [Kind::Pods, Kind::Namespaces, Kind::Node] {
        list(&mut known, kind, Vec::new());
    }
    let (world, rejections) = known.world().unwrap();
    assert_eq!((world.uplinks["wan"].capacity, world.tiers["bulk"].guarantee), (20_000_000, 2_000_000));
    assert_eq!(rejections.len(), 2);
    for rejection in rejections {
        assert!(rejection.message.ends_with("its last good version stays in force"), "{rejection}");
    }
}
