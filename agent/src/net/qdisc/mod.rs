//! The root qdisc of an uplink's interfaces: where paced packets wait.
//!
//! Weir stamps packets with their departure time; `fq` keeps them until then. On a device with one transmit queue `fq`
//! stands at the root, on others below `mq`, one per queue, so that CPUs do not share a lock ([`decide`]). Which
//! devices carry an uplink says [`carriers`]. What stood there before is recorded first ([`Recorded`]) and put back by
//! `weir cleanup`.
//!
//! # What a change costs
//! The kernel swaps a root (`qdisc_graft`, `net/sched/sch_api.c`) by stopping the device's queues: packets that wait in
//! the old qdisc are dropped, and so are those sent within the RCU grace period that follows (under a millisecond; one
//! per `mq` leaf, for the whole device). TCP sends them again. So nothing is swapped that already is as wanted, the
//! parameters of an `fq` of ours are changed in place, which loses nothing, and limits, labels and restarts of the
//! agent touch no qdisc at all.

mod decide;
mod devices;
mod install;
mod message;
mod record;
mod tree;

pub use decide::{Decision, decide};
pub use devices::carriers;
pub use install::{FQ_FLOW_LIMIT_PACKETS, FQ_LIMIT_PACKETS};
pub use record::{Class, Recorded, Restored};
pub use tree::{Handle, Qdisc, RootQdisc};
