//! Reads counters and clocks into a snapshot.

use std::collections::BTreeMap;

use weir_common::{
    counters::{Class, DELAY_BUCKETS, DELAY_FIRST_NS, PodTraffic, Sum, TierTraffic, Unknown},
    limits::{MAX_ADDRESSES, MAX_CGROUPS, MAX_INTERFACES, MAX_SLOTS, MAX_TIERS, MAX_UPLINKS},
    maps,
    reason::{DropReason, Exit, Program, exit_index},
    state::PodState,
};
use weir_core::{
    kernel::{Ids, KernelState},
    snapshot::{ExitCount, MapFill, PodNow, Snapshot, TierNow, UplinkNow},
};
use weir_ebpf::load::horizon;

use super::{Datapath, DatapathError};

impl Datapath {
    /// Fills in what the kernel knows: uplinks, tiers, pods, ways out and map fill. `now_ns` is `CLOCK_MONOTONIC`.
    /// A pod is left out until it is counted from its beginning: that its counters jump then is nobody's traffic.
    pub fn read_into(
        &self,
        snapshot: &mut Snapshot,
        ids: &Ids,
        state: &KernelState,
        now_ns: u64,
    ) -> Result<(), DatapathError> {
        self.read_shared_into(snapshot, ids, now_ns)?;
        let beginners = self.beginners(state)?;
        for (key, &slot) in &ids.pods {
            if !beginners.contains_key(&slot) {
                snapshot.pods.insert(key.clone(), self.pod(slot, now_ns)?);
            }
        }
        snapshot.exits = self.exits()?;
        snapshot.maps = fills(state);
        Ok(())
    }

    /// Fills in uplinks and tiers alone: little beside what the pods of a node take.
    pub fn read_shared_into(&self, snapshot: &mut Snapshot, ids: &Ids, now_ns: u64) -> Result<(), DatapathError> {
        snapshot.monotonic_ns = now_ns;
        for (name, &id) in &ids.uplinks {
            snapshot.uplinks.insert(name.clone(), self.uplink(id, now_ns)?);
        }
        for (name, &id) in &ids.tiers {
            snapshot.tiers.insert(name.clone(), self.tier(id, now_ns)?);
        }
        Ok(())
    }

    fn uplink(&self, id: u16, now_ns: u64) -> Result<UplinkNow, DatapathError> {
        let traffic = self.tables.uplink_traffic.sum(id)?;
        let state = self.tables.uplink_state.get(id)?;
        let config = self.tables.uplinks.get(id)?;
        let by_class =
            |counts: &[u64]| Class::ALL.iter().map(|&class| (class.name(), counts[class as usize])).collect();
        Ok(UplinkNow {
            id,
            bytes: by_class(&traffic.bytes),
            packets: by_class(&traffic.packets),
            booked_ns: state.clock.saturating_sub(now_ns),
            load: state.load,
            horizon_ns: horizon(
                state.load,
                state.steady,
                config.delta_ns.into(),
                config.horizon_min_ns.into(),
                config.horizon_max_ns.into(),
            ),
            paced: config.flags & weir_common::config::UPLINK_POLICE == 0,
            forwarded_bytes: traffic.unknown_bytes[Unknown::Forwarded as usize],
            tunnelled_bytes: traffic.unknown_bytes[Unknown::Tunnelled as usize],
            ..UplinkNow::default()
        })
    }

    fn tier(&self, id: u16, now_ns: u64) -> Result<TierNow, DatapathError> {
        let TierTraffic { bytes, packets, marked, dropped_bytes, dropped, delay_sum_ns, delay } =
            self.tables.tier_traffic.sum(id)?;
        let state = self.tables.tier_state.get(id)?;
        let bound = |bucket: usize| if bucket == DELAY_BUCKETS - 1 { u64::MAX } else { DELAY_FIRST_NS << bucket };
        Ok(TierNow {
            id,
            bytes,
            packets,
            dropped_bytes,
            marked,
            dropped: by_reason(&dropped),
            delay_sum_ns,
            delay: delay.iter().enumerate().map(|(bucket, &packets)| (bound(bucket), packets)).collect(),
            ceiling_ahead_ns: state.ceiling.saturating_sub(now_ns),
            guarantee_ahead_ns: state.guarantee.saturating_sub(now_ns),
        })
    }

    /// What a slot's counters say.
    pub fn pod(&self, slot: u16, now_ns: u64) -> Result<PodNow, DatapathError> {
        let mut traffic = self.traffic(slot)?;
        let state = self.tables.pod_state.get(slot)?;
        traffic.add(&state.before);
        let uplink = self.tables.pod_uplink.sum(slot)?;
        Ok(PodNow {
            slot,
            tx_bytes: traffic.tx_bytes,
            tx_packets: traffic.tx_packets,
            rx_bytes: traffic.rx_bytes,
            rx_packets: traffic.rx_packets,
            uplink_bytes: uplink.bytes,
            uplink_packets: uplink.packets,
            marked: uplink.marked,
            dropped: by_reason(&uplink.dropped),
            ceiling_ahead_ns: state.ceilings.iter().max().map_or(0, |clock| clock.saturating_sub(now_ns)),
            untiered_bytes: uplink.untiered_bytes,
            untiered_uplink: u16::try_from(uplink.untiered_uplink).unwrap_or(0),
            lost_samples: uplink.lost_samples,
        })
    }

    /// What our programs counted on a slot's veth.
    pub fn traffic(&self, slot: u16) -> Result<PodTraffic, DatapathError> {
        self.tables.pod_traffic.sum(slot)
    }

    /// Sets what a slot's veth had counted before our programs did. The pod's clock may lose what is booked in this
    /// very moment: at most one packet's time, at the pod's beginning.
    pub fn set_before(&mut self, slot: u16, before: PodTraffic) -> Result<(), DatapathError> {
        let state = self.tables.pod_state.get(slot)?;
        self.tables.pod_state.set(slot, PodState { before, begun: 1, ..state })
    }

    /// Says that a slot's pod is not counted from its beginning: while no program stood on its veth, packets passed.
    pub fn forget_before(&mut self, slot: u16) -> Result<(), DatapathError> {
        let state = self.tables.pod_state.get(slot)?;
        if state.begun == 0 {
            return Ok(());
        }
        self.tables.pod_state.set(slot, PodState { begun: 0, ..state })
    }

    /// Slots of pods that are to be counted by programs and are not counted from their beginning yet, with the ifindexes
    /// of their veths.
    pub fn beginners(&self, state: &KernelState) -> Result<BTreeMap<u16, Vec<u32>>, DatapathError> {
        let mut beginners: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        for (&ifindex, interface) in state.interfaces.iter().filter(|(_, interface)| interface.slot != 0) {
            let by_programs = state.attached.contains(&(ifindex, Program::PodTx));
            if by_programs && self.tables.pod_state.get(interface.slot)?.begun == 0 {
                beginners.entry(interface.slot).or_default().push(ifindex);
            }
        }
        Ok(beginners)
    }

    fn exits(&self) -> Result<Vec<ExitCount>, DatapathError> {
        let mut counts = Vec::new();
        for program in Program::ALL {
            for exit in Exit::ALL {
                let index = exit_index(program, exit);
                let values = self.tables.exits.get(&index, 0);
                let values = values.map_err(|source| DatapathError::map("read", maps::EXITS, source))?;
                let mut packets = 0;
                values.iter().for_each(|value| Sum::add(&mut packets, value));
                counts.push(ExitCount { program: program.name(), exit: exit.name(), packets });
            }
        }
        Ok(counts)
    }
}

fn by_reason(dropped: &[u64]) -> BTreeMap<&'static str, u64> {
    DropReason::ALL.iter().map(|&reason| (reason.name(), dropped[reason as usize])).collect()
}

fn fills(state: &KernelState) -> Vec<MapFill> {
    let fill =
        |name, entries: usize, capacity: u32| MapFill { name, entries: entries as u64, capacity: u64::from(capacity) };
    vec![
        fill(maps::INTERFACES, state.interfaces.len(), MAX_INTERFACES),
        fill(maps::PODS, state.pods.len(), MAX_SLOTS - 1),
        fill(maps::TIERS, state.tiers.len(), MAX_TIERS - 1),
        fill(maps::UPLINKS, state.uplinks.len(), MAX_UPLINKS - 1),
        fill(maps::CGROUPS, state.cgroups.len(), MAX_CGROUPS),
        fill(maps::ADDRESSES, state.addresses.len(), MAX_ADDRESSES),
        fill(
            maps::EXEMPT_V4,
            state.exempt.iter().filter(|(_, net)| net.addr().is_ipv4()).count(),
            weir_common::limits::MAX_EXEMPT,
        ),
        fill(
            maps::EXEMPT_V6,
            state.exempt.iter().filter(|(_, net)| net.addr().is_ipv6()).count(),
            weir_common::limits::MAX_EXEMPT,
        ),
    ]
}
