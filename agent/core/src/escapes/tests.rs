use super::*;
use crate::{
    desired::{DesiredPod, DesiredTier, DesiredUplink},
    host::Link,
    snapshot::{PodNow, UplinkNow},
};

fn key(name: &str) -> PodKey {
    PodKey { namespace: "media".to_owned(), name: name.to_owned() }
}

fn desired() -> Desired {
    let uplink =
        |rate| DesiredUplink { capacity: rate, rate, overhead: None, interfaces: BTreeMap::new(), exempt: Vec::new() };
    let tier = DesiredTier { uplink: "wan".to_owned(), ..DesiredTier::default() };
    let seed = DesiredPod { tiers: [("wan".to_owned(), "bulk".to_owned())].into(), ..DesiredPod::default() };
    Desired {
        uplinks: [("wan".to_owned(), uplink(20_000_000)), ("backup".to_owned(), uplink(1_000_000))].into(),
        tiers: [("bulk".to_owned(), tier)].into(),
        pods: [(key("seed"), seed), (key("web"), DesiredPod::default())].into(),
    }
}

fn at(second: u64, seed: PodNow, tunnelled_bytes: u64) -> Snapshot {
    let uplink = |id, tunnelled_bytes| UplinkNow { id, tunnelled_bytes, ..UplinkNow::default() };
    Snapshot {
        monotonic_ns: second * 1_000_000_000,
        desired: desired(),
        uplinks: [("wan".to_owned(), uplink(1, tunnelled_bytes)), ("backup".to_owned(), uplink(2, 0))].into(),
        pods: [(key("seed"), PodNow { slot: 1, ..seed })].into(),
        ..Snapshot::default()
    }
}

fn lost(lost_samples: u64) -> PodNow {
    PodNow { lost_samples, ..PodNow::default() }
}

fn reasons_of(escapes: &Escapes, host: &Host) -> Vec<(String, String)> {
    let notes = escapes.notes(&desired(), host);
    notes.into_iter().map(|note| (note.object.to_string(), note.reason)).collect()
}

fn found(object: &str, reason: &str) -> Vec<(String, String)> {
    vec![(object.to_owned(), reason.to_owned())]
}

#[test]
fn a_pod_that_loses_several_packets_degrades_its_tier_for_a_while() {
    let (mut escapes, host) = (Escapes::default(), Host::default());
    escapes.add(&at(0, lost(5), 0));
    assert_eq!(reasons_of(&escapes, &host), [], "what was lost before the agent came says nothing of now");
    escapes.add(&at(5, lost(7), 0));
    assert_eq!(reasons_of(&escapes, &host), [], "two may be a coincidence");
    escapes.add(&at(10, lost(8), 0));
    let both = [found("TrafficTier bulk", reasons::IDENTITY_LOST), found("Pod media/seed", reasons::IDENTITY_LOST)];
    assert_eq!(reasons_of(&escapes, &host), both.concat());
    escapes.add(&at(69, lost(8), 0));
    assert_eq!(reasons_of(&escapes, &host).len(), 2);
    escapes.add(&at(70, lost(8), 0));
    assert_eq!(reasons_of(&escapes, &host), [], "none has been lost for a minute");
}

#[test]
fn a_new_pod_of_the_same_name_begins_anew() {
    let mut escapes = Escapes::default();
    escapes.add(&at(0, lost(0), 0));
    let mut another = at(5, lost(9), 0);
    another.pods.get_mut(&key("seed")).unwrap().slot = 2;
    escapes.add(&another);
    assert_eq!(reasons_of(&escapes, &Host::default()), []);
}

#[test]
fn a_pod_that_sends_over_an_uplink_without_a_tier_is_named() {
    let sent = |untiered_bytes| PodNow { untiered_bytes, untiered_uplink: 2, ..PodNow::default() };
    let (mut escapes, host) = (Escapes::default(), Host::default());
    escapes.add(&at(0, sent(0), 0));
    escapes.add(&at(5, sent(FEW_BYTES), 0));
    assert_eq!(reasons_of(&escapes, &host), [], "a few packets are no traffic");
    escapes.add(&at(10, sent(3 * FEW_BYTES), 0));
    assert_eq!(reasons_of(&escapes, &host), found("Pod media/seed", reasons::NO_TIER_THERE));
    let note = &escapes.notes(&desired(), &host)[0];
    assert!(note.message.contains("Uplink backup") && note.message.contains("bulk on wan"), "{}", note.message);
}

#[test]
fn tunnels_count_where_the_node_has_one_and_it_carries_much() {
    let link = |kind: &str| Link { name: "t0".to_owned(), kind: Some(kind.to_owned()), up: true, ..Link::default() };
    let with = |kind| Host { links: [(9, link(kind))].into(), ..Host::default() };
    let mut escapes = Escapes::default();
    escapes.add(&at(0, lost(0), 0));
    // 2 % of 20 Mbit/s over five seconds.
    escapes.add(&at(5, lost(0), 250_000));
    assert_eq!(reasons_of(&escapes, &with("vxlan")), [], "a little");
    escapes.add(&at(10, lost(0), 2_500_000));
    assert_eq!(reasons_of(&escapes, &with("vxlan")), found("Uplink wan", reasons::TUNNELLED));
    assert_eq!(reasons_of(&escapes, &with("bridge")), [], "no tunnel: fragments, or something new");
}
