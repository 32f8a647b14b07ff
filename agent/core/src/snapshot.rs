//! Everything that a person or a scraper can ask the agent about one moment.
//!
//! The reconcile loop fills it; the CLI, the admin API and the metrics read it. Counters are totals since the owner got
//! its id, so that two snapshots give rates.

use std::collections::BTreeMap;

use crate::{
    desired::{Desired, Findings},
    model::{PodKey, World},
    rates::Rates,
};

/// State of a node at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When it was taken: `CLOCK_MONOTONIC`, in ns.
    pub monotonic_ns: u64,
    /// This node's name.
    pub node: String,
    /// Version of the agent.
    pub version: String,
    /// What should be in force.
    pub desired: Desired,
    /// What is not, and why.
    pub findings: Findings,
    /// Version of each object that this state was made from, whether or not it concerns this node.
    pub versions: Versions,
    /// What limits the agent itself. Empty when all is well.
    pub degraded: Vec<Degraded>,
    /// Uplinks by name, as the kernel has them.
    pub uplinks: BTreeMap<String, UplinkNow>,
    /// Tiers by name, as the kernel has them.
    pub tiers: BTreeMap<String, TierNow>,
    /// What uplinks and tiers sent over the last half minute.
    pub rates: Rates,
    /// Pods, as the kernel has them.
    pub pods: BTreeMap<PodKey, PodNow>,
    /// Packets by program and way out.
    pub exits: Vec<ExitCount>,
    /// Entries and capacity of each map.
    pub maps: Vec<MapFill>,
    /// The loop's own figures.
    pub reconcile: ReconcileStats,
}

/// Reason of a note: the object could not be put in force, or is so only as it was before.
pub const NOT_APPLIED: &str = "NotApplied";
/// Reason of a note: the object's limits are in force, and something else of it could not be.
pub const PARTLY_APPLIED: &str = "PartlyApplied";

/// Something that limits the agent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// One word for metrics, in CamelCase: a label that changes with every detail would make a series of each.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
}

impl Degraded {
    /// This kernel cannot make packets wait.
    pub const NO_FQ: &'static str = "NoFq";
    /// The counters in the kernel cannot be read.
    pub const COUNTERS_UNREADABLE: &'static str = "CountersUnreadable";
    /// Some steps of the last round failed.
    pub const ROUND_FAILED: &'static str = "RoundFailed";
}

/// Versions (`metadata.generation`) of the objects that a person writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of each uplink by name.
    pub uplinks: BTreeMap<String, i64>,
    /// Of each tier by name.
    pub tiers: BTreeMap<String, i64>,
}

impl Versions {
    /// Those of a world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let uplinks = world.uplinks.iter().map(|(name, uplink)| (name.clone(), uplink.generation));
        let tiers = world.tiers.iter().map(|(name, tier)| (name.clone(), tier.generation));
        Self { uplinks: uplinks.collect(), tiers: tiers.collect() }
    }
}

/// An uplink as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UplinkNow {
    /// Its id.
    pub id: u16,
    /// Bytes on the wire by class (`interactive`, `bulk`, `exempt`).
    pub bytes: BTreeMap<&'static str, u64>,
    /// Packets by class.
    pub packets: BTreeMap<&'static str, u64>,
    /// How far the link clock is ahead of now, in ns: what is booked.
    pub booked_ns: u64,
    /// Interactive load as a share of the capacity, in 2⁻¹⁶: slowly falling peak.
    pub load: u64,
    /// The horizon that follows from it, in ns.
    pub horizon_ns: u64,
    /// Root qdisc of each interface by name, for a person: `mq + 4 fq`, `fq`, `fq_codel (not ours)`.
    pub qdiscs: BTreeMap<String, String>,
    /// Whether packets can wait (`fq` is there) or ceilings are policed.
    pub paced: bool,
    /// Bytes on the wire, of those that are interactive, that were forwarded for something that is no pod.
    pub forwarded_bytes: u64,
    /// Bytes on the wire, of those that are interactive, that the kernel sent for no socket: tunnels.
    pub tunnelled_bytes: u64,
}

/// A tier as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierNow {
    /// Its id.
    pub id: u16,
    /// Bytes on the wire that passed.
    pub bytes: u64,
    /// Packets that passed.
    pub packets: u64,
    /// Bytes that were dropped: demand that was not met.
    pub dropped_bytes: u64,
    /// Packets that got a CE mark.
    pub marked: u64,
    /// Packets dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Delay that was given: sum in ns.
    pub delay_sum_ns: u64,
    /// Delay that was given: (upper bound in ns, packets in this bucket); the last bound is `u64::MAX`.
    pub delay: Vec<(u64, u64)>,
    /// How far the ceiling's clock is ahead of now, in ns.
    pub ceiling_ahead_ns: u64,
    /// How far the guarantee's clock is ahead of now, in ns.
    pub guarantee_ahead_ns: u64,
}

/// A pod as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodNow {
    /// Its slot.
    pub slot: u16,
    /// Bytes that it sent, as its veth counts them.
    pub tx_bytes: u64,
    /// Packets that it sent.
    pub tx_packets: u64,
    /// Bytes that it received.
    pub rx_bytes: u64,
    /// Packets that it received.
    pub rx_packets: u64,
    /// Bytes on the wire that it sent over an uplink.
    pub uplink_bytes: u64,
    /// Packets that it sent over an uplink.
    pub uplink_packets: u64,
    /// Packets that got a CE mark.
    pub marked: u64,
    /// Packets dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// How far the clock of the pod's own ceiling is ahead of now, in ns, on the uplink where it is furthest.
    pub ceiling_ahead_ns: u64,
    /// Bytes on the wire over uplinks on which it is in no tier, while it is in one on another.
    pub untiered_bytes: u64,
    /// Id of such an uplink; 0 for none.
    pub untiered_uplink: u16,
    /// Samples of its packets that arrived at an uplink without any sign of the pod.
    pub lost_samples: u64,
}

/// Packets that left a program in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitCount {
    /// The program (`pod_tx`, …).
    pub program: &'static str,
    /// The way out (`counted`, `horizon`, …).
    pub exit: &'static str,
    /// How many.
    pub packets: u64,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// Its name.
    pub name: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// Entries that it can hold.
    pub capacity: u64,
}

/// The loop's own figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReconcileStats {
    /// Rounds so far.
    pub rounds: u64,
    /// Rounds that failed.
    pub errors: u64,
    /// Duration of the last round, in seconds.
    pub last_seconds: f64,
    /// Sum of all rounds' durations, in seconds.
    pub sum_seconds: f64,
    /// How long the source has not answered, in seconds; 0 while it does.
    pub stale_seconds: f64,
    /// What failed in the last round, if anything.
    pub last_error: Option<String>,
}
