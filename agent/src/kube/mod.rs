//! The source of objects that a cluster has: its API server.
//!
//! `watches` is what is asked for, `link` the way to the API server that they go, `known` (pure) which objects are in
//! force after the answers, `reach` (pure) whether the API server answers, `memory` what an agent starts with while it
//! does not, and [`KubeSource`] brings them together in a task of its own and tells everybody who listens. [`status`] is
//! the way back: what is in force, and what is not.
//!
//! Only what this node needs is watched: its own pods, its own Node, all Namespaces (labels only), `Uplink`s and
//! `TrafficTier`s. Everything is read by list and watch with kube's watcher, which resumes after a broken connection,
//! lists again when the API server has forgotten where it was (410 Gone), and pages long lists. Everything begins anew,
//! with new connections and new lists, when the credentials change, when an API server that was silent answers again
//! (its watches may be dead without a sign), and when it turns out to be another cluster's, or its store a new one:
//! versions of objects then mean nothing any more.

mod access;
mod known;
mod link;
mod memory;
mod reach;
mod retry;
mod source;
pub mod status;
mod watches;

pub use access::{Access, AccessError, IN_CLUSTER};
pub use source::KubeSource;
