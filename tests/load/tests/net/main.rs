//! The node's network against a real kernel, in namespaces of this test's own. Needs root, `ip` and `tc`.

mod cgroups;
mod events;
mod namespace;
mod observe;
mod qdisc;
