//! The e2e rung: Weir on a Kubernetes node, from its image and manifests, as a person installs it.
//!
//! One cluster for all tests, in the VM of `cargo xtask test --rung e2e`. A test that needs Weir installs
//! it where it is missing, so each can run alone. Run with one thread.

mod bandwidth;
mod install;
mod labels;
mod restarts;
mod rights;
mod uninstall;
mod update;
mod world;
