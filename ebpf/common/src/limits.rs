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
/// Exempt networks of one uplink, for each address family: the 256 that an object may list, and room for on-link
/// prefixes.
pub const MAX_EXEMPT_PER_UPLINK: u32 = 288;
/// Exempt networks of all uplinks of a node, for each address family. Tries take memory for what they hold only.
pub const MAX_EXEMPT: u32 = (MAX_UPLINKS - 1) * MAX_EXEMPT_PER_UPLINK;
/// Places for IPv4 networks of an uplink in the array that is read before the trie: enough for the defaults.
pub const NEAR_EXEMPT_V4: usize = 8;
/// Places for IPv6 networks of an uplink in the array that is read before the trie: enough for the defaults.
pub const NEAR_EXEMPT_V6: usize = 4;
/// Cgroups of pods with limits and of hostNetwork pods.
pub const MAX_CGROUPS: u32 = 1024;
/// Epochs in which what an uplink's ceilings have scheduled departs; a power of two.
pub const AHEAD_EPOCHS: u32 = 64;
/// Addresses of pods: two address families, and some pods with more interfaces than one.
pub const MAX_ADDRESSES: u32 = 4 * MAX_SLOTS;
/// Packets of tiers that are looked for at the uplink at one time. The oldest make room for new ones.
pub const MAX_SAMPLES: u32 = 1024;
/// `pod_tx` leaves a sample of every packet with such a number, counted on each CPU; a power of two.
pub const SAMPLE_EVERY: u64 = 64;
/// Levels of the cgroup tree at which a pod's cgroup can stand. systemd's layout of kubelet has it at 3, cgroupfs' at 3,
/// nested layouts (kind, k3s in a container) up to 7.
pub const MAX_CGROUP_LEVEL: u32 = 12;
/// Memory that all maps together may take, in bytes, on a machine with 64 CPUs.
pub const MAX_MAP_BYTES: u64 = 64 << 20;
