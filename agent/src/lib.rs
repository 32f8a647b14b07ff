//! The agent: sources → desired → plan → kernel, and what it tells about all of that.

pub mod agent;
pub mod cleanup;
mod clock;
pub mod config;
pub mod datapath;
pub mod doctor;
pub mod files;
pub mod kube;
pub mod net;
pub mod reconcile;
pub mod serve;
pub mod signals;
pub mod source;
pub mod state;
mod supervise;
