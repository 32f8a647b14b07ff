//! The configuration that the programs are measured with.

use anyhow::{Context, Result, ensure};
use weir::datapath::{Datapath, InterfaceNames};
use weir_api::objects::DEFAULT_EXEMPT;
use weir_common::{
    config::{DSCP_KEEP, InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    reason::{Exit, Program},
    units::{MAX_RATE, MIN_RATE, cost_of_rate},
};
use weir_core::{
    kernel::{Ids, KernelState},
    plan::plan,
    snapshot::Snapshot,
};

use crate::bpffs::BpfFs;

/// The device that `BPF_PROG_TEST_RUN` uses without further words: the loopback interface.
const LOOPBACK: u32 = 1;
const UPLINK: u16 = 1;
/// As the default lower effort (RFC 8622).
const LE: u8 = 1;
/// H is fixed here, so that one case does not change another one's.
const HORIZON_NS: u32 = 40_000_000;
/// Full packets for which a ceiling has room: at the lowest rate these are 16 minutes, of which a clock can lead by ten.
pub(crate) const ROOM_PACKETS: u32 = 80;
const FULL_PACKET: u32 = 1514;

/// Pods that are treated differently, by slot.
pub(crate) mod slot {
    /// In a tier with a guarantee.
    pub(crate) const PACED: u16 = 1;
    /// The same, and the tier writes a DSCP.
    pub(crate) const DSCP: u16 = 2;
    /// In a tier with guarantee and ceiling, and with a ceiling of its own.
    pub(crate) const LIMITED: u16 = 3;
    /// In no tier.
    pub(crate) const INTERACTIVE: u16 = 4;
    /// Over its ceiling after the first [`super::ROOM_PACKETS`].
    pub(crate) const DROPPED: u16 = 5;
    /// So far behind its ceiling that it waits for as long as a clock can lead, which is more than half of what its ceiling
    /// allows.
    pub(crate) const MARKED: u16 = 6;
}

/// The interface of the pod with a slot.
pub(crate) fn interface_of(slot: u16) -> u32 {
    100 + u32::from(slot)
}

/// Programs, loaded and configured.
pub(crate) struct Fixture {
    pub(crate) datapath: Datapath,
    _bpffs: BpfFs,
}

impl Fixture {
    /// With an uplink, tiers and pods. The rates are so high that no queue builds up, however fast it is run.
    pub(crate) fn configured() -> Result<Self> {
        let fast = cost_of_rate(MAX_RATE);
        let uplink = UplinkConfig {
            owner: [1; 16],
            capacity: fast,
            delta_ns: 2_000_000,
            horizon_min_ns: HORIZON_NS,
            horizon_max_ns: HORIZON_NS,
            burst_ns: 1_000_000,
            room_bytes: ROOM_PACKETS * FULL_PACKET,
            reserve_ns: HORIZON_NS,
            ..UplinkConfig::default()
        };
        let tier =
            TierConfig { owner: [2; 16], uplink: UPLINK, dscp: DSCP_KEEP, guarantee: fast, ..Default::default() };
        let tiers = [
            (1, tier),
            (2, TierConfig { dscp: LE, owner: [3; 16], ..tier }),
            (3, TierConfig { ceiling: fast, owner: [4; 16], ..tier }),
        ];
        let pod = |slot: u16, tier, ceiling| {
            let owner = [10 + u8::try_from(slot).unwrap_or_default(); 16];
            let mut pod = PodConfig { owner, ..Default::default() };
            (pod.tiers[usize::from(UPLINK)], pod.ceilings[usize::from(UPLINK)]) = (tier, ceiling);
            (slot, pod)
        };
        let pods = [
            pod(slot::PACED, 1, 0),
            pod(slot::DSCP, 2, 0),
            pod(slot::LIMITED, 3, fast),
            pod(slot::INTERACTIVE, 0, 0),
            pod(slot::DROPPED, 1, cost_of_rate(1_000_000)),
            pod(slot::MARKED, 1, cost_of_rate(MIN_RATE)),
        ];
        let interface = InterfaceConfig { l2_len: 14, ..InterfaceConfig::default() };
        let exempt = DEFAULT_EXEMPT.iter().map(|network| Ok((UPLINK, network.parse()?)));
        Self::with(&KernelState {
            interfaces: pods
                .iter()
                .map(|&(slot, _)| (interface_of(slot), InterfaceConfig { slot, ..interface }))
                .chain([(LOOPBACK, InterfaceConfig { slot: slot::PACED, uplink: UPLINK, ..interface })])
                .collect(),
            pods: pods.into(),
            tiers: tiers.into(),
            uplinks: [(UPLINK, uplink)].into(),
            exempt: exempt.collect::<Result<_>>()?,
            ..KernelState::default()
        })
    }

    /// With nothing: every interface is unknown.
    pub(crate) fn empty() -> Result<Self> {
        Self::with(&KernelState::default())
    }

    fn with(state: &KernelState) -> Result<Self> {
        let bpffs = BpfFs::mount()?;
        let mut datapath = Datapath::open(bpffs.path())?;
        let names = InterfaceNames::new();
        for change in plan(&datapath.observe(&names)?, state) {
            datapath.apply(&change, &names)?;
        }
        ensure!(&datapath.observe(&names)? == state, "what was written to the kernel does not read back");
        Ok(Self { datapath, _bpffs: bpffs })
    }

    /// How many packets left a program by this way.
    pub(crate) fn exits(&self, program: Program, exit: Exit) -> Result<u64> {
        let mut snapshot = Snapshot::default();
        self.datapath.read_into(&mut snapshot, &Ids::default(), &KernelState::default(), 0)?;
        let mut counts = snapshot.exits.iter();
        let count = counts.find(|count| count.program == program.name() && count.exit == exit.name());
        Ok(count.with_context(|| format!("{} has no counter {}", program.name(), exit.name()))?.packets)
    }
}
