use proptest::{collection::btree_map, prelude::*};

use super::*;

/// What the kernel has after a change.
fn apply(state: &mut KernelState, change: &Change) {
    match *change {
        Change::Reset(..) => {}
        Change::PutPort(port, ifindex) => drop(state.ports.insert(port, ifindex)),
        Change::PutUplink(id, value) => drop(state.uplinks.insert(id, value)),
        Change::AddExempt(id, network) => drop(state.exempt.insert((id, network))),
        Change::PutTier(id, value) => drop(state.tiers.insert(id, value)),
        Change::PutPod(slot, value) => drop(state.pods.insert(slot, value)),
        Change::PutInterface(ifindex, value) => drop(state.interfaces.insert(ifindex, value)),
        Change::PutCgroup(id, slot) => drop(state.cgroups.insert(id, slot)),
        Change::PutAddress(address, slot) => drop(state.addresses.insert(address, slot)),
        Change::Attach(ifindex, program) => drop(state.attached.insert((ifindex, program))),
        Change::Detach(ifindex, program) => drop(state.attached.remove(&(ifindex, program))),
        Change::RemoveInterface(ifindex) => drop(state.interfaces.remove(&ifindex)),
        Change::RemoveCgroup(id) => drop(state.cgroups.remove(&id)),
        Change::RemoveAddress(address) => drop(state.addresses.remove(&address)),
        Change::RemovePod(slot) => drop(state.pods.remove(&slot)),
        Change::RemoveTier(id) => drop(state.tiers.remove(&id)),
        Change::RemoveExempt(id, network) => drop(state.exempt.remove(&(id, network))),
        Change::RemoveUplink(id) => drop(state.uplinks.remove(&id)),
        Change::RemovePort(port) => drop(state.ports.remove(&port)),
    }
}

/// Whether everything that is referred to is there.
fn is_whole(state: &KernelState) -> bool {
    state.attached.iter().all(|(ifindex, _)| state.interfaces.contains_key(ifindex))
        && state.interfaces.values().all(|interface| {
            (interface.slot == 0 || state.pods.contains_key(&interface.slot))
                && (interface.uplink == 0 || state.uplinks.contains_key(&interface.uplink))
        })
        && state.uplinks.values().all(|uplink| uplink.splitter == 0 || splits(state, uplink.splitter))
        && state
            .interfaces
            .values()
            .all(|interface| interface.port == 0 || state.ports.contains_key(&interface.port.into()))
        && state.cgroups.values().all(|slot| state.pods.contains_key(slot))
        && state.addresses.values().all(|slot| state.pods.contains_key(slot))
        && state.pods.values().flat_map(|pod| pod.tiers).all(|tier| tier == 0 || state.tiers.contains_key(&tier))
        && state.tiers.values().all(|tier| state.uplinks.contains_key(&tier.uplink))
}

/// Whether bursts that are sent to this interface come back by the next one.
fn splits(state: &KernelState, splitter: u32) -> bool {
    let segments = state.interfaces.get(&(splitter + 1));
    segments.is_some_and(|interface| interface.flags & INTERFACE_SPLITTER != 0)
        && state.attached.contains(&(splitter + 1, Program::SplitRx))
}

fn state() -> impl Strategy<Value = KernelState> {
    let uplinks = btree_map(1..4u16, 1..9u64, 1..3);
    let tiers = btree_map(1..4u16, (1..9u64, any::<prop::sample::Index>()), 1..3);
    let pods = btree_map(1..6u16, (1..9u64, any::<prop::sample::Index>()), 0..5);
    (uplinks, tiers, pods, any::<bool>()).prop_map(|(uplinks, tiers, pods, splits)| {
        let uplinks: BTreeMap<u16, UplinkConfig> = uplinks
            .into_iter()
            .map(|(id, capacity)| (id, UplinkConfig { owner: [1; 16], capacity, ..Default::default() }))
            .collect();
        let pick = |index: prop::sample::Index, ids: Vec<u16>| ids[index.index(ids.len())];
        let tiers: BTreeMap<u16, TierConfig> = tiers
            .into_iter()
            .map(|(id, (ceiling, index))| {
                let uplink = pick(index, uplinks.keys().copied().collect());
                (id, TierConfig { owner: [2; 16], ceiling, uplink, ..Default::default() })
            })
            .collect();
        let mut state = KernelState { tiers, uplinks, ..Default::default() };
        for (slot, (ceiling, index)) in pods {
            let tier = pick(index, state.tiers.keys().copied().collect());
            let ifindex = u32::from(slot) + 10;
            let mut pod = PodConfig { owner: [3; 16], ..Default::default() };
            (pod.ceilings[1], pod.tiers[1]) = (ceiling, tier);
            state.pods.insert(slot, pod);
            let flags = if slot % 2 == 0 { INTERFACE_TAGS } else { 0 };
            state.interfaces.insert(ifindex, InterfaceConfig { slot, l2_len: 14, flags, ..Default::default() });
            state.attached.extend([(ifindex, Program::PodTx), (ifindex, Program::PodRx)]);
            state.cgroups.insert(u64::from(slot) + 100, slot);
            state.addresses.insert([u8::try_from(slot).unwrap(); 16], slot);
        }
        if splits {
            split_bursts(&mut state);
        }
        state
    })
}

/// With the first uplink on interface 2, and a splitter of interfaces 40 and 41.
fn split_bursts(state: &mut KernelState) {
    for uplink in state.uplinks.values_mut() {
        uplink.splitter = 40;
    }
    let uplink = *state.uplinks.keys().next().unwrap();
    state.interfaces.insert(2, InterfaceConfig { uplink, port: 1, ..Default::default() });
    state.interfaces.insert(41, InterfaceConfig { flags: INTERFACE_SPLITTER, ..Default::default() });
    state.ports.insert(1, 2);
    state.attached.extend([(2, Program::UplinkTx), (41, Program::SplitRx)]);
}

proptest! {
    #[test]
    fn the_plan_leads_from_one_to_the_other_and_is_whole_at_each_step(from in state(), to in state()) {
        let mut now = from.clone();
        let changes = plan(&from, &to);
        prop_assert!(changes.is_sorted_by_key(|change| only_counts(change, &to)), "{changes:?}");
        for change in changes {
            apply(&mut now, &change);
            prop_assert!(is_whole(&now), "not whole after {change:?}: {now:?}");
        }
        prop_assert_eq!(&now, &to);
        prop_assert!(plan(&now, &to).is_empty());
    }
}

#[test]
fn a_new_owner_begins_at_zero_and_an_old_one_does_not() {
    let pod = |owner, flags| PodConfig { owner: [owner; 16], flags, ..Default::default() };
    let from = KernelState { pods: [(1, pod(1, 5)), (2, pod(2, 5))].into(), ..Default::default() };
    let to = KernelState { pods: [(1, pod(1, 6)), (2, pod(9, 5))].into(), ..Default::default() };
    assert_eq!(
        plan(&from, &to),
        [Change::Reset(Kind::Pod, 2), Change::PutPod(1, pod(1, 6)), Change::PutPod(2, pod(9, 5))]
    );
}

#[test]
fn no_segment_meets_an_uplink_without_its_program() {
    let mut from = KernelState {
        uplinks: [(1, UplinkConfig { owner: [1; 16], ..Default::default() })].into(),
        ..Default::default()
    };
    split_bursts(&mut from);
    let changes = plan(&from, &KernelState::default());
    let at = |change: Change| changes.iter().position(|other| *other == change).expect("it is planned");
    let unsplit = at(Change::PutInterface(2, InterfaceConfig { port: 0, ..from.interfaces[&2] }));
    let (port, program) = (at(Change::RemovePort(1)), at(Change::Detach(2, Program::UplinkTx)));
    assert!(unsplit < port && port < program, "{changes:?}");
}
