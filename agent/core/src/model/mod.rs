//! The objects that Weir obeys, parsed and free of any source: a [`World`].

pub mod dscp;
pub mod rate;
mod rejection;
mod selector;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use rejection::{Location, ObjectRef, Rejection};

/// Bits per second.
pub type Rate = u64;

/// The whole of which [`Uplink::headroom`] is a part.
pub const WHOLE: u32 = 10_000;

/// Labels or annotations of an object.
pub type Labels = BTreeMap<String, String>;

/// Everything that a source knows, each object valid in itself. Whether the objects fit each other is for
/// [`crate::desired`] to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Uplinks by name.
    pub uplinks: BTreeMap<String, Uplink>,
    /// Traffic tiers by name.
    pub tiers: BTreeMap<String, Tier>,
    /// Pods of all nodes that the source shows.
    pub pods: BTreeMap<PodKey, Pod>,
    /// Labels of each namespace by name.
    pub namespaces: BTreeMap<String, Labels>,
    /// Labels of each node by name.
    pub nodes: BTreeMap<String, Labels>,
}

/// Namespace and name of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A scarce link behind the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// What the link can carry.
    pub capacity: Rate,
    /// Share kept free, in 1/10,000 (3 % is 300).
    pub headroom: u32,
    /// Which of the node's interfaces leads to it.
    pub interface: InterfaceChoice,
    /// Nodes that have this uplink.
    pub nodes: Selector,
    /// Destinations that do not cross it.
    pub exempt: Vec<IpNet>,
    /// Whether the prefixes of the interface's own LAN do not cross it either.
    pub exempt_on_link: bool,
    /// What the line adds to each packet; none: packets count as the interface sends them.
    pub overhead: Option<Overhead>,
    /// `metadata.generation`: which version of the object this is; 0 where the source counts none.
    pub generation: i64,
    /// Where the object stands, for messages.
    pub location: Option<Location>,
}

impl Uplink {
    /// Capacity less headroom: what Weir lets pass.
    #[must_use]
    pub fn rate(&self) -> Rate {
        let kept = u128::from(WHOLE.saturating_sub(self.headroom));
        let rate = u128::from(self.capacity) * kept / u128::from(WHOLE);
        Rate::try_from(rate).unwrap_or(self.capacity)
    }
}

/// What a line adds to each IP packet, as CAKE and tc-stab have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overhead {
    /// Bytes that each IP packet takes on the line beside itself; may be negative.
    pub bytes: i16,
    /// How the line frames packets.
    pub link_layer: LinkLayer,
    /// The shortest packet on the line, in bytes with [`Self::bytes`]; 0 for none.
    pub minimum_packet: u16,
}

/// How a line frames packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkLayer {
    /// As they are.
    #[default]
    Ethernet,
    /// 65 bytes for every 64 (ITU-T G.992.3, Annex N: packet transfer mode of VDSL2).
    Ptm,
    /// In cells of 53 bytes that hold 48 (ITU-T I.361: ADSL).
    Atm,
}

/// Which interface of a node leads to an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceChoice {
    /// The interfaces by which the node reaches public addresses, IPv4 and IPv6.
    DefaultRoute,
    /// The interface with this name.
    Named(String),
}

/// A set of pods that share a guarantee and a ceiling on an uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Name of its uplink.
    pub uplink: String,
    /// Pods of the tier.
    pub pods: Selector,
    /// Namespaces that those pods are in.
    pub namespaces: Selector,
    /// Always available to the tier; 0 for none.
    pub guarantee: Rate,
    /// Never more than this; none: the uplink's capacity less headroom.
    pub ceiling: Option<Rate>,
    /// Never more than this for each of its pods.
    pub pod_ceiling: Option<Rate>,
    /// DSCP to mark its packets with, 0 to 63.
    pub dscp: Option<u8>,
    /// `metadata.generation`: which version of the object this is; 0 where the source counts none.
    pub generation: i64,
    /// Where the object stands, for messages.
    pub location: Option<Location>,
}

/// What matters of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `metadata.uid`, or empty where a file has none: tells a pod from an earlier one of the same name.
    pub uid: String,
    /// Its node's name; empty until it is scheduled.
    pub node: String,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses (`status.podIPs`).
    pub addresses: BTreeSet<IpAddr>,
    /// Whether it shares the node's network namespace.
    pub host_network: bool,
    /// The UID that the kubelet names the pod's cgroup after: that of the pod, but for static pods, whose object at the
    /// API server is made later and has another.
    pub cgroup_uid: String,
    /// When it was started, in seconds since 1970; none while it has not.
    pub started: Option<i64>,
    /// Whether it has ended (phase Succeeded or Failed): its addresses are no longer its own.
    pub ended: bool,
    /// `kubernetes.io/egress-bandwidth`.
    pub egress_bandwidth: Option<Rate>,
    /// Its controller, as `kind/name` (`Deployment/web`), or its own `Pod/name`.
    pub workload: String,
    /// Where the object stands, for messages.
    pub location: Option<Location>,
}

/// A Kubernetes label selector: all of its requirements must hold; without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// What must hold.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a label selector (`matchLabels` entries are `In` with one value).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How its value is judged.
    pub operator: Operator,
}

/// Operators of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label is there with one of these values.
    In(BTreeSet<String>),
    /// The label is not there, or has none of these values.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}
