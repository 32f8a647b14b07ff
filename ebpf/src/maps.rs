//! The maps, and the few ways in which the programs touch them. Names and sizes: `weir_common::maps`.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray},
};
use weir_common::{
    config::{ExemptV4, ExemptV6, InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    counters::{PodTraffic, PodUplink, TierTraffic, UplinkTraffic},
    identity::{Address, Handoff},
    limits::{
        AHEAD_EPOCHS, MAX_ADDRESSES, MAX_CGROUPS, MAX_EXEMPT, MAX_INTERFACES, MAX_SAMPLES, MAX_SLOTS, MAX_TIERS,
        MAX_UPLINKS, NEAR_INTERFACES,
    },
    maps::EXITS_LEN,
    near::{NearExempt, NearInterface, near_index},
    reason::{Exit, Program, exit_index},
    split::MAX_PORTS,
    state::{PodState, TierState, UplinkState},
};
use weir_ebpf::{cell::Cell, reserve::Account};

/// `BPF_F_NO_PREALLOC`, which tries ask for.
const NO_PREALLOC: u32 = 1;

#[map]
static INTERFACES: HashMap<u32, InterfaceConfig> = HashMap::pinned(MAX_INTERFACES, 0);
#[map]
static INTERFACES_NEAR: Array<NearInterface> = Array::pinned(NEAR_INTERFACES, 0);
#[map]
pub(crate) static PODS: Array<PodConfig> = Array::pinned(MAX_SLOTS, 0);
#[map]
pub(crate) static TIERS: Array<TierConfig> = Array::pinned(MAX_TIERS, 0);
#[map]
pub(crate) static UPLINKS: Array<UplinkConfig> = Array::pinned(MAX_UPLINKS, 0);
#[map]
pub(crate) static EXEMPT_V4: LpmTrie<ExemptV4, u32> = LpmTrie::pinned(MAX_EXEMPT, NO_PREALLOC);
#[map]
pub(crate) static EXEMPT_V6: LpmTrie<ExemptV6, u32> = LpmTrie::pinned(MAX_EXEMPT, NO_PREALLOC);
#[map]
pub(crate) static EXEMPT_NEAR: Array<NearExempt> = Array::pinned(MAX_UPLINKS, 0);
#[map]
pub(crate) static CGROUPS: HashMap<u64, u32> = HashMap::pinned(MAX_CGROUPS, 0);
#[map]
pub(crate) static ADDRESSES: HashMap<Address, u32> = HashMap::pinned(MAX_ADDRESSES, 0);
#[map]
pub(crate) static SAMPLES: LruHashMap<u64, u32> = LruHashMap::pinned(MAX_SAMPLES, 0);
#[map]
pub(crate) static HANDOFF: PerCpuArray<Handoff> = PerCpuArray::pinned(1, 0);
#[map]
pub(crate) static PORTS: Array<u32> = Array::pinned(MAX_PORTS, 0);
#[map]
pub(crate) static UPLINK_STATE: Array<UplinkState> = Array::pinned(MAX_UPLINKS, 0);
#[map]
static AHEAD: Array<u64> = Array::pinned(MAX_UPLINKS * AHEAD_EPOCHS, 0);
#[map]
pub(crate) static TIER_STATE: Array<TierState> = Array::pinned(MAX_TIERS, 0);
#[map]
pub(crate) static POD_STATE: Array<PodState> = Array::pinned(MAX_SLOTS, 0);
#[map]
pub(crate) static POD_TRAFFIC: PerCpuArray<PodTraffic> = PerCpuArray::pinned(MAX_SLOTS, 0);
#[map]
pub(crate) static POD_UPLINK: PerCpuArray<PodUplink> = PerCpuArray::pinned(MAX_SLOTS, 0);
#[map]
pub(crate) static TIER_TRAFFIC: PerCpuArray<TierTraffic> = PerCpuArray::pinned(MAX_TIERS, 0);
#[map]
pub(crate) static UPLINK_TRAFFIC: PerCpuArray<UplinkTraffic> = PerCpuArray::pinned(MAX_UPLINKS, 0);
#[map]
static EXITS: PerCpuArray<u64> = PerCpuArray::pinned(EXITS_LEN, 0);

/// What the agent says of an interface.
#[inline(always)]
pub(crate) fn interface(ifindex: u32) -> Option<&'static InterfaceConfig> {
    match INTERFACES_NEAR.get(near_index(ifindex)) {
        Some(near) if near.ifindex == ifindex => Some(&near.config),
        // SAFETY: the entry is only read; the agent writes whole values, and their fields are independent.
        _ => unsafe { INTERFACES.get(&ifindex) },
    }
}

/// Counts a way out.
#[inline(always)]
pub(crate) fn count_exit(program: Program, exit: Exit) {
    if let Some(count) = EXITS.get_ptr_mut(exit_index(program, exit)) {
        // SAFETY: a per-CPU value that the verifier has seen checked; tc programs are not preempted on their CPU by
        // themselves (softirqs are off), so no other writer runs in between.
        unsafe { *count += 1 };
    }
}

/// A field of an array's value, which lives as long as the map does.
#[derive(Clone, Copy)]
pub(crate) struct MapCell(*mut u64);

impl MapCell {
    /// The cell at `field`, which must point into a value that a map lookup returned.
    ///
    /// # Safety
    /// The pointer must be to an aligned `u64` in a map value; array values are never freed while a program runs.
    #[inline(always)]
    pub(crate) unsafe fn new(field: *mut u64) -> Self {
        Self(field)
    }
}

impl Cell for MapCell {
    #[inline(always)]
    fn get(&self) -> u64 {
        // SAFETY: by the contract of `new`; volatile, because other CPUs write it.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    fn set(&self, value: u64) {
        // SAFETY: by the contract of `new`; an aligned 64-bit store is atomic on every architecture with a BPF JIT.
        unsafe { self.0.write_volatile(value) }
    }

    #[inline(always)]
    fn add(&self, by: u64) {
        // SAFETY: by the contract of `new`. `AtomicU64::fetch_add` does not exist for this target.
        unsafe {
            core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(self.0, by);
        }
    }

    #[inline(always)]
    fn replace(&self, old: u64, new: u64) -> bool {
        use core::intrinsics::AtomicOrdering::Relaxed;
        // SAFETY: by the contract of `new`.
        unsafe { core::intrinsics::atomic_cxchg::<u64, { Relaxed }, { Relaxed }>(self.0, old, new).1 }
    }
}

/// What ceilings have scheduled on an uplink beyond its horizon.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    uplink: u32,
    state: *mut UplinkState,
}

impl Ahead {
    /// The account of this uplink; `state` is its value.
    #[inline(always)]
    pub(crate) fn of(uplink: u16, state: *mut UplinkState) -> Self {
        Self { uplink: u32::from(uplink), state }
    }
}

impl Account for Ahead {
    type Number = MapCell;

    #[inline(always)]
    fn epoch(&self) -> MapCell {
        // SAFETY: field of a map value.
        unsafe { MapCell::new(&raw mut (*self.state).ahead_epoch) }
    }

    #[inline(always)]
    fn ahead(&self) -> MapCell {
        // SAFETY: as above.
        unsafe { MapCell::new(&raw mut (*self.state).ahead) }
    }

    #[inline(always)]
    fn bucket(&self, index: u32) -> Option<MapCell> {
        AHEAD.get_ptr_mut(self.uplink * AHEAD_EPOCHS + index).map(MapCell)
    }
}
