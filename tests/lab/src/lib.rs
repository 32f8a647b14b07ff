//! A small network made of namespaces, for the demo, the kernel tests and the benchmarks.
//!
//! ```text
//!  pod ─veth┐
//!  pod ─veth┼ node ─eth0┐                        rate, deep FIFO ──▶
//!  pod ─veth┘           ├ LAN switch ─── router ═══════════════════ internet
//!               client ─┘                        ◀── delay
//! ```
//!
//! The router's way out is the scarce link: a set rate behind a deep, dumb buffer. Whoever fills that
//! buffer delays everybody, and Weir on the nodes has to keep it empty. The delay sits on the way
//! back, so that it does not share the bottleneck's queue.
//!
//! Everything a [`Lab`] makes carries this process's id in its name, is removed on drop (panics
//! included), and is swept by the next lab if the process was killed. It needs root, `ip` and `tc`;
//! traffic never leaves the namespaces.
#![forbid(unsafe_code)]

mod agent;
mod capture;
mod cgroup;
pub mod cluster;
mod counters;
mod names;
mod netns;
mod objects;
mod process;
mod topology;
pub mod traffic;
mod without_fq;

pub use agent::{Agent, AgentOptions, Metrics};
pub use capture::{Capture, Seen};
pub use cgroup::PodCgroup;
pub use counters::{Counters, QdiscStats, cpu_idle};
pub use netns::{Netns, NetnsHandle};
pub use objects::{Objects, pod_object};
pub use process::{Finished, Process};
pub use topology::{
    Bottleneck, Client, Family, Internet, Lab, LabOptions, Machine, Masquerade, Node, NodeOptions, Pod, PodOptions,
    Router, Tunnel, Wiring,
};
pub use without_fq::WithoutFq;
