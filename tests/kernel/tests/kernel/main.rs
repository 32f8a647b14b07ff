//! The kernel rung: shaping, accounting and the agent's life on real traffic.
//!
//! Needs root. Shaping needs `fq` and the bottleneck needs `netem`, which the VM's kernels have. Run
//! with one thread: the tests measure, and would measure each other.

mod accounting;
mod bursts;
mod ceilings;
mod coexistence;
mod degraded;
mod devices;
mod failures;
mod held;
mod identity;
mod interference;
mod lab;
mod lifecycle;
mod lost;
mod marking;
mod objects;
mod paths;
mod privilege;
mod routes;
mod scale;
mod sharing;
mod tunnel;
mod world;
