//! The pure heart of Weir: what the objects mean, what a node should have, and how it differs from what it has.
//!
//! No clock, no randomness, no IO: time and the host's facts come in as arguments.
//!
//! [`model`] (the objects) and [`host`] (the node's interfaces) → [`desired`] (who gets which limit) →
//! [`kernel`] (the same as map values) → [`plan`] (a difference against what the kernel has).
#![forbid(unsafe_code)]

pub mod desired;
pub mod escapes;
pub mod host;
pub mod kernel;
pub mod model;
pub mod plan;
pub mod rates;
pub mod snapshot;
