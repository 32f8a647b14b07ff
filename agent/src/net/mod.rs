//! The node's network as netlink and cgroupfs tell it, and what is changed by netlink: root qdiscs, and Weir's own veth.
//!
//! - [`observe`]: links, default routes and the addresses inside pods' namespaces → [`weir_core::host::Host`].
//! - [`events`]: "something changed", coalesced; [`retry`]: when to look again though nothing said so.
//! - [`qdisc`]: what stands on an interface, what should, and how it came to be there.
//! - `splitter`: the veth on which bursts are split.
//! - [`cgroups`]: where hostNetwork pods' sockets belong.
//!
//! Requests go over one blocking socket ([`Netlink`]) instead of `rtnetlink`'s connection task: the kernel answers a
//! netlink request inside `send` anyway, and only the raw socket shows the flag of an interrupted dump, the kernel's
//! own words for a refusal, and a message of which one unneeded attribute cannot be decoded.

pub mod cgroups;
mod channel;
mod error;
pub mod events;
mod netlink;
pub mod observe;
pub mod qdisc;
pub mod retry;
mod splitter;

pub use error::Error;
pub use netlink::Netlink;

/// What this module's functions return.
pub type Result<T> = std::result::Result<T, Error>;
