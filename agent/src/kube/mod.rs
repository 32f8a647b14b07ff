//! The source of objects that a cluster has: its API server.
//!
//! `watches` is what is asked for, `known` (pure) which objects are in force after the answers, `reach` (pure) whether
//! the API server answers, `memory` what an agent starts with while it does not, and [`KubeSource`] brings them together
//! in a task of its own and tells everybody who listens. [`status`] is the way back: what is in force, and what is not.
//!
//! Only what this node needs is watched: its own pods, its own Node, all Namespaces (labels only), `Uplink`s and
//! `TrafficTier`s. Everything is read by list and watch with kube's watcher, which resumes after a broken connection,
//! lists again when the API server has forgotten where it was (410 Gone), and pages long lists.

mod access;
mod known;
mod memory;
mod reach;
mod retry;
mod source;
pub mod status;
mod watches;

pub use access::{Access, AccessError, IN_CLUSTER};
pub use source::KubeSource;
