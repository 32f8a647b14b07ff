use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use weir_core::{
    desired::{DesiredPod, DesiredTier, DesiredUplink},
    model::{ObjectRef, PodKey},
    rates::TierRate,
    snapshot::{ReconcileStats, TierNow, UplinkNow, Versions},
};

use super::*;

/// A node with an uplink, a tier on it with a pod that is found and one that is not, and a tier that is another node's.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot {
        versions: Versions {
            uplinks: BTreeMap::from([("wan".to_owned(), 3)]),
            tiers: BTreeMap::from([("bulk".to_owned(), 5), ("other".to_owned(), 1)]),
        },
        reconcile: ReconcileStats { rounds: 1, ..ReconcileStats::default() },
        ..Snapshot::default()
    };
    let uplink = DesiredUplink {
        capacity: 20_000_000,
        rate: 19_400_000,
        overhead: None,
        interfaces: BTreeMap::from([(2, "eth0".to_owned())]),
        exempt: Vec::new(),
    };
    snapshot.desired.uplinks.insert("wan".to_owned(), uplink);
    snapshot.uplinks.insert("wan".to_owned(), UplinkNow { paced: true, ..UplinkNow::default() });
    let tier = DesiredTier { uplink: "wan".to_owned(), ..DesiredTier::default() };
    snapshot.desired.tiers.insert("bulk".to_owned(), tier);
    snapshot.tiers.insert("bulk".to_owned(), TierNow::default());
    for (name, place) in [("a", Place::Unknown), ("b", Place::Veth { ifindex: 7, name: "veth7".to_owned() })] {
        let pod = DesiredPod {
            uid: name.to_owned(),
            place,
            tiers: BTreeMap::from([("wan".to_owned(), "bulk".to_owned())]),
            ..DesiredPod::default()
        };
        snapshot.desired.pods.insert(PodKey { namespace: "media".to_owned(), name: name.to_owned() }, pod);
    }
    snapshot
}

fn finding(kind: &str, name: &str, reason: &str) -> Rejection {
    Rejection {
        object: ObjectRef { kind: kind.to_owned(), name: name.to_owned() },
        location: None,
        reason: reason.to_owned(),
        message: format!("because of {reason}"),
    }
}

fn told(snapshot: &Snapshot) -> WeirNodeStatus {
    let now = Time(Timestamp::UNIX_EPOCH);
    status(&NodeFacts::default(), snapshot, &WeirNodeStatus::default(), &now)
}

fn tier_of<'a>(status: &'a WeirNodeStatus, name: &str) -> &'a OnNode {
    status.tiers.iter().find(|tier| tier.name == name).expect("every tier is told")
}

fn reason(status: &WeirNodeStatus) -> (&str, &str) {
    (&status.conditions[0].status, &status.conditions[0].reason)
}

#[test]
fn what_is_in_force_is_told_with_its_version() {
    let status = told(&snapshot());
    let bulk = tier_of(&status, "bulk");
    assert_eq!((bulk.generation, bulk.state, bulk.pods, bulk.pods_enforced), (5, State::Enforced, 2, 1));
    assert_eq!(tier_of(&status, "other").state, State::NotHere);
    assert_eq!((&*status.uplinks_enforced, &*status.tiers_enforced, &*status.pods_enforced), ("1/1", "1/1", "1/2"));
    assert_eq!(reason(&status), ("True", "Enforced"));
}

#[test]
fn rates_have_two_digits_and_leave_out_what_does_not_cross_the_uplink() {
    let mut snapshot = snapshot();
    let classes = BTreeMap::from([("interactive", 1_234_000), ("bulk", 8_000_000), ("exempt", 90_000_000)]);
    snapshot.rates.uplinks.insert("wan".to_owned(), classes);
    snapshot.rates.tiers.insert("bulk".to_owned(), TierRate { sent: 7_654_321, demanded: 9_000_000 });
    let status = told(&snapshot);
    assert_eq!((status.uplinks[0].rate, tier_of(&status, "bulk").rate), (9_200_000, 7_700_000));
    assert_eq!(status.rate, "9200k");
}

#[test]
fn an_uplink_without_an_interface_takes_its_tiers_with_it() {
    let mut snapshot = snapshot();
    snapshot.desired.uplinks.get_mut("wan").unwrap().interfaces.clear();
    snapshot.findings.notes.push(finding("Uplink", "wan", "InterfaceMissing"));
    let status = told(&snapshot);
    let bulk = tier_of(&status, "bulk");
    assert_eq!((bulk.state, bulk.reason.as_deref()), (State::NotEnforced, Some("InterfaceMissing")));
    assert_eq!((&*status.tiers_enforced, reason(&status)), ("0/1", ("False", "InterfaceMissing")));
}

#[test]
fn what_could_not_be_applied_is_not_said_to_be_in_force() {
    for (kind, name, uplink, tier, pods) in [
        ("Uplink", "wan", State::NotEnforced, State::NotEnforced, 1),
        ("TrafficTier", "bulk", State::Enforced, State::NotEnforced, 1),
        ("Pod", "media/b", State::Enforced, State::Enforced, 0),
    ] {
        let mut snapshot = snapshot();
        snapshot.findings.notes.push(finding(kind, name, "PartlyApplied"));
        snapshot.findings.notes.push(finding(kind, name, NOT_APPLIED));
        let status = told(&snapshot);
        let bulk = tier_of(&status, "bulk");
        assert_eq!((status.uplinks[0].state, bulk.state, bulk.pods_enforced), (uplink, tier, pods), "{kind}");
    }
}

#[test]
fn a_tier_whose_pods_escape_is_not_said_to_be_in_force() {
    let mut snapshot = snapshot();
    snapshot.findings.notes.push(finding("TrafficTier", "bulk", "IdentityLost"));
    snapshot.findings.notes.push(finding("Pod", "media/b", "IdentityLost"));
    let status = told(&snapshot);
    let bulk = tier_of(&status, "bulk");
    assert_eq!((bulk.state, bulk.reason.as_deref(), bulk.pods_enforced), (State::NotEnforced, Some("IdentityLost"), 0));
    assert_eq!(status.uplinks[0].state, State::Enforced);
}

#[test]
fn what_was_applied_in_part_is_degraded() {
    let mut snapshot = snapshot();
    snapshot.findings.notes.push(finding("Uplink", "wan", "PartlyApplied"));
    let status = told(&snapshot);
    assert_eq!((status.uplinks[0].state, tier_of(&status, "bulk").state), (State::Degraded, State::Degraded));
}

#[test]
fn what_cannot_be_paced_is_degraded() {
    let mut snapshot = snapshot();
    snapshot.uplinks.get_mut("wan").unwrap().paced = false;
    let status = told(&snapshot);
    assert_eq!(tier_of(&status, "bulk").state, State::Degraded);
    assert_eq!(reason(&status), ("True", "NotPaced"));
}

#[test]
fn a_tier_that_is_impossible_beside_the_others_is_not_said_to_be_elsewhere() {
    let mut snapshot = snapshot();
    snapshot.findings.rejections.push(finding("TrafficTier", "other", "GuaranteesOverCapacity"));
    let status = told(&snapshot);
    let other = tier_of(&status, "other");
    assert_eq!((other.state, other.reason.as_deref()), (State::NotEnforced, Some("GuaranteesOverCapacity")));
}

#[test]
fn a_failed_round_and_a_list_that_is_missing_are_said() {
    let mut failed = snapshot();
    failed.reconcile.last_error = Some("no memory".to_owned());
    assert_eq!(reason(&told(&failed)), ("False", "RoundFailed"));
    let mut unlisted = Snapshot::default();
    unlisted.findings.rejections.push(finding("Source", "pods", "Unreadable"));
    let status = told(&unlisted);
    assert_eq!(reason(&status), ("False", "NotListed"));
    assert!(status.conditions[0].message.contains("Unreadable"), "{:?}", status.conditions);
}

#[test]
fn what_steady_traffic_changes_is_no_news() {
    let mut snapshot = snapshot();
    let mut report = |rate| {
        snapshot.rates.tiers.insert("bulk".to_owned(), TierRate { sent: rate, demanded: rate });
        WeirNodeStatus { reported_at: Some(Time(Timestamp::UNIX_EPOCH)), ..told(&snapshot) }
    };
    let (stored, varied, more) = (report(8_000_000), report(9_000_000), report(20_000_000));
    let (now, pace) = (Instant::now(), RatePace::default());
    for other in [&stored, &varied, &more] {
        assert!(!is_news(other, &stored));
    }
    assert!(!rates_are_news(&varied, &stored, pace, now) && rates_are_news(&more, &stored, pace, now));
    assert!(!rates_are_news(&more, &stored, RatePace::wrote(now), now), "not so soon again");
    assert!(is_news(&WeirNodeStatus { pods_enforced: "2/2".to_owned(), ..stored.clone() }, &stored));
    let due = WeirNodeStatus { reported_at: None, ..stored.clone() };
    assert!(is_news(&due, &due), "an agent that has nothing new to say is still there");
}
