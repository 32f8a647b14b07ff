//! The one-word reasons of rejections and notes, for conditions and metrics.

/// An uplink's capacity less its headroom is no rate that can be enforced.
pub const RATE_OUT_OF_RANGE: &str = "RateOutOfRange";
/// A tier names an uplink that is not there.
pub const UNKNOWN_UPLINK: &str = "UnknownUplink";
/// A tier is promised more than it may have.
pub const CEILING_UNDER_GUARANTEE: &str = "CeilingUnderGuarantee";
/// The tiers of an uplink are promised more than it carries.
pub const GUARANTEES_OVER_CAPACITY: &str = "GuaranteesOverCapacity";
/// A DSCP has more than six bits.
pub const DSCP_OUT_OF_RANGE: &str = "DscpOutOfRange";

/// A tier may have more than its uplink carries; the uplink's rate counts.
pub const CEILING_OVER_CAPACITY: &str = "CeilingOverCapacity";
/// The uplink's interface is not on this node.
pub const INTERFACE_MISSING: &str = "InterfaceMissing";
/// The uplink's interface belongs to another uplink.
pub const INTERFACE_TAKEN: &str = "InterfaceTaken";
/// The uplink's interface is a pod's own.
pub const INTERFACE_OF_POD: &str = "InterfaceOfPod";
/// Public addresses are reached by an interface that leads to no uplink.
pub const ROUTE_ELSEWHERE: &str = "RouteElsewhere";
/// Somebody else's filter or qdisc stands where a program of Weir has to stand.
pub const HOOK_TAKEN: &str = "HookTaken";
/// Somebody else's filters or qdiscs on a bridge and on a pod's interface leave no place for the programs that tell whose
/// packets are.
pub const BRIDGE_TAKEN: &str = "BridgeTaken";
/// A pod is a port of the bridge that the uplink stands on, and what it sends may leave by another port.
pub const BYPASSES_UPLINK: &str = "BypassesUplink";
/// Packets of a tier's pods arrive at the uplink without any sign of their pod.
pub const IDENTITY_LOST: &str = "IdentityLost";
/// A pod sends over an uplink on which it is in no tier, while it is in one on another.
pub const NO_TIER_THERE: &str = "NoTierThere";
/// Much leaves the uplink inside tunnels, where nobody can tell whose it is.
pub const TUNNELLED: &str = "Tunnelled";
/// An uplink lists more exempt networks than there is room for.
pub const TOO_MANY_EXEMPT: &str = "TooManyExempt";
/// The node's labels are not known, so a selector sees none.
pub const NODE_UNKNOWN: &str = "NodeUnknown";
/// Several tiers select one pod.
pub const SEVERAL_TIERS: &str = "SeveralTiers";
/// A pod has no address yet.
pub const NO_ADDRESS: &str = "NoAddress";
/// No veth of the node leads to a pod's addresses.
pub const NO_INTERFACE: &str = "NoInterface";
/// Two pods claim one address.
pub const ADDRESS_TAKEN: &str = "AddressTaken";
/// Several veths lead to one pod.
pub const SEVERAL_INTERFACES: &str = "SeveralInterfaces";
/// The cgroup of a hostNetwork pod was not found.
pub const NO_CGROUP: &str = "NoCgroup";
/// A pod is known by its sockets alone, and none of its packets has been seen yet.
pub const BY_SOCKETS: &str = "BySockets";
