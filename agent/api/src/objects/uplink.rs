//! `Uplink`: a scarce link behind the nodes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IntOrText, Status, rules, schema};

/// Share of the capacity that is kept free where `headroom` is not given.
pub const DEFAULT_HEADROOM: &str = "3%";

/// Destinations that do not cross an uplink where `exempt` is not given: private (RFC 1918, RFC 4193), link-local
/// (RFC 3927, RFC 4291), multicast (RFC 5771, RFC 4291), loopback (RFC 1122, RFC 4291) and limited broadcast (RFC 919).
///
/// 100.64.0.0/10 (RFC 6598) is not among them. It is shared, not private, address space: it belongs to the carrier, on
/// the far side of the uplink. Who uses it for pods or for an overlay lists it.
pub const DEFAULT_EXEMPT: [&str; 11] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
    "::1/128",
];

/// A scarce link behind the nodes, narrower than their network cards: the way to the internet.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "weir.dev",
    version = "v1alpha1",
    kind = "Uplink",
    doc = "A scarce link behind the nodes, narrower than their network cards: the way to the internet.",
    shortname = "upl",
    status = "Status",
    derive = "Default",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name":"Capacity","type":"string","jsonPath":".spec.capacity"}"#,
    printcolumn = r#"{"name":"Headroom","type":"string","jsonPath":".spec.headroom","priority":1}"#,
    printcolumn = r#"{"name":"Scope","type":"string","jsonPath":".spec.scope","priority":1}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type==\"Accepted\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].reason"}"#,
    printcolumn = r#"{"name":"Nodes","type":"string","jsonPath":".status.nodes"}"#,
    printcolumn = r#"{"name":"Rate","type":"string","jsonPath":".status.rate"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::uplink()))]
pub struct UplinkSpec {
    /// What the link can carry, in bits per second: a Kubernetes quantity such as 100M or 1.5G. Use the rate that the
    /// provider's line really reaches; a value above it lets the queue grow in the modem.
    #[schemars(schema_with = "schema::rate")]
    pub capacity: IntOrText,

    /// Node (the default): every node has a link of its own with this capacity. Cluster: all nodes share one; this is
    /// not supported yet and refused.
    #[serde(default)]
    pub scope: Scope,

    /// Which interface of a node leads to the link, and which nodes have it. By default the interfaces by which the node
    /// reaches public addresses (IPv4 and IPv6), on every node.
    #[serde(default)]
    pub interface: UplinkInterface,

    /// Networks that are reached without crossing the link, in CIDR notation. Traffic to them is neither shaped nor
    /// counted as load. The list replaces the default, which holds the private, link-local, multicast, loopback and
    /// broadcast ranges of IPv4 and IPv6; 100.64.0.0/10 is not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 43)))]
    pub exempt: Option<Vec<String>>,

    /// Whether the networks of the link's interface itself (those of its addresses and of router advertisements: IPv4 /8
    /// or longer, IPv6 /32 or longer) are exempt too, also where their addresses are public. By default true. Write false
    /// where the node itself is the router, and its neighbours on that interface are the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt_on_link: Option<bool>,

    /// What the line adds to each packet, so that small packets are charged right. By default a packet counts as the
    /// interface sends it, with its Ethernet header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<LineOverhead>,

    /// Share of the capacity that is kept free, so that the queue stays on the node and not in the modem. By default 3%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::percentage")]
    pub headroom: Option<IntOrText>,
}

/// Who shares an uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Every node has a link of its own.
    #[default]
    Node,
    /// All nodes share one link.
    Cluster,
}

/// What a line adds to each IP packet, as CAKE and tc-stab name it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LineOverhead {
    /// Bytes that each IP packet takes on the line beside itself, from -64 to 256: 38 on Ethernet with preamble and gap, 18
    /// on a cable modem (DOCSIS), 30 for PPPoE over VDSL2 (PTM), 40 for PPPoE over ADSL (ATM). By default 14, the Ethernet
    /// header.
    #[schemars(range(min = -64, max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i32>,

    /// How the line frames packets: ethernet (the default), ptm (65 bytes for every 64) or atm (cells of 53 bytes that
    /// hold 48).
    pub link_layer: LinkLayer,

    /// The shortest packet on the line with its overhead, in bytes, up to 256: 84 on Ethernet with preamble and gap, 64 on
    /// a cable modem. By default 0.
    #[schemars(range(min = 0, max = 256))]
    pub minimum_packet: i32,
}

/// How a line frames packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkLayer {
    /// As they are.
    #[default]
    Ethernet,
    /// Packet transfer mode: 65 bytes for every 64.
    Ptm,
    /// Cells of 53 bytes that hold 48.
    Atm,
}

/// Which interface of a node leads to an uplink, and which nodes have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UplinkInterface {
    /// Name of the interface (eth0, ppp0, …), which then belongs to no uplink without a name. By default the interfaces by
    /// which the node reaches public addresses: those of the default routes, also where they are halves (0.0.0.0/1) or in
    /// tables that rules choose.
    #[schemars(length(max = 15))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Nodes that have the link, by their labels. By default all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
}
