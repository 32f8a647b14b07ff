//! A real Kubernetes API server with its etcd, for tests of whatever talks to one.
//!
//! No scheduler, no controller: objects stay as they were written, so a test says for itself on which node
//! a pod is, and what its status is unless a [`Kubelet`] does. Every test has a control plane of its own, on
//! 127.0.0.1 of the host or of one of the lab's namespaces, or on a host of the lab's LAN, and nothing of it is left
//! when the [`ControlPlane`] is dropped (panics included).
#![forbid(unsafe_code)]

mod access;
mod control_plane;
mod etcd;
mod helm;
mod kubectl;
mod kubelet;
mod place;
mod ports;
mod programs;
mod proxy;
mod requests;

pub use access::Rule;
pub use control_plane::{ControlPlane, Setup};
pub use helm::helm;
pub use kubelet::Kubelet;
pub use proxy::{Proxy, Way};
pub use requests::Request;
