//! How many of each thing a node can have. Every map has the constant size that is given here.

/// Pods of a node, and one for slot 0 ("no pod"). Kubernetes recommends at most 110 pods a node; we test 250.
pub const MAX_SLOTS: u32 = 1024;
/// Tiers of all uplinks of a node, and one for id 0 ("no tier").
pub const MAX_TIERS: u32 = 256;
/// Uplinks of a node, and one for id 0 ("no uplink").
pub const MAX_UPLINKS: u32 = 16;
/// Interfaces that a program is attached to.
pub const MAX_INTERFACES: u32 = 2048;
/// Places for interfaces in the array that is read before the hash; a power of two.
pub const NEAR_INTERFACES: u32 = 1024;
/// Exempt networks of all uplinks of a node, for each address family.
pub const MAX_EXEMPT: u32 = 1024;
/// Places for IPv4 networks of an uplink in the array that is read before the trie: enough for the defaults.
pub const NEAR_EXEMPT_V4: usize = 8;
/// Places for IPv6 networks of an uplink in the array that is read before the trie: enough for the defaults.
pub const NEAR_EXEMPT_V6: usize = 4;
/// Cgroups of hostNetwork pods.
pub const MAX_CGROUPS: u32 = 1024;
/// Levels of the cgroup tree at which a pod's cgroup can stand. systemd's layout of kubelet has it at 3, cgroupfs' at 3,
/// nested layouts (kind, k3s in a container) up to 7.
pub const MAX_CGROUP_LEVEL: u32 = 12;
/// Memory that all maps together may take, in bytes, on a machine with 64 CPUs.
pub const MAX_MAP_BYTES: u64 = 64 << 20;
