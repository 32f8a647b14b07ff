//! `WeirNode`: what Weir does on a node, written by the agent of that node.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// What Weir does on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "weir.dev",
    version = "v1alpha1",
    kind = "WeirNode",
    doc = "What Weir does on the node of the same name: written by its agent, to be read by people and by Weir.",
    shortname = "wn",
    status = "WeirNodeStatus",
    derive = "Default",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].reason"}"#,
    printcolumn = r#"{"name":"Uplinks","type":"string","jsonPath":".status.uplinksEnforced"}"#,
    printcolumn = r#"{"name":"Tiers","type":"string","jsonPath":".status.tiersEnforced"}"#,
    printcolumn = r#"{"name":"Pods","type":"string","jsonPath":".status.podsEnforced"}"#,
    printcolumn = r#"{"name":"Rate","type":"string","jsonPath":".status.rate"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.version"}"#,
    printcolumn = r#"{"name":"Kernel","type":"string","jsonPath":".status.kernel","priority":1}"#,
    printcolumn = r#"{"name":"Reported","type":"date","jsonPath":".status.reportedAt"}"#
)]
pub struct WeirNodeSpec {}

/// What Weir does on a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WeirNodeStatus {
    /// Enforced: everything that concerns the node is in force.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// When the agent wrote this: whenever something changes, and every five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Time>,

    /// Version of the agent.
    pub version: String,

    /// Release of the node's kernel.
    pub kernel: String,

    /// What the kernel has of the things that Weir can use.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub features: Vec<String>,

    /// What does not work as it should for want of something, in sentences. Empty when all is well.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub degraded: Vec<String>,

    /// Uplinks of the node that are in force, of those that it has: 1/1.
    pub uplinks_enforced: String,

    /// Tiers on those uplinks that are in force, of those that the node has: 3/3.
    pub tiers_enforced: String,

    /// Pods of the node in a tier whose packets are found, of all that are in a tier: 12/12.
    pub pods_enforced: String,

    /// What the node sent over its uplinks before this was written, in bits per second, averaged over half a minute. That
    /// a rate changed is by itself no reason to write, unless it changed a lot, and then at most every five minutes.
    pub rate: String,

    /// Every uplink that the agent knows.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub uplinks: Vec<OnNode>,

    /// Every tier that the agent knows.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub tiers: Vec<OnNode>,
}

/// What became of an uplink or a tier on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OnNode {
    /// Its name.
    pub name: String,

    /// Which version of it (metadata.generation) this is about.
    pub generation: i64,

    /// Whether it is in force: in every part (`Enforced`), in some (`Degraded`), not (`NotEnforced`), or it does not
    /// concern this node (`NotHere`).
    pub state: State,

    /// One word on why, unless it is enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// A sentence on why, unless it is enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Pods of the tier on this node.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(schema_with = "schema::count")]
    pub pods: u32,

    /// Those of them whose packets are found.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(schema_with = "schema::count")]
    pub pods_enforced: u32,

    /// What is sent over the uplink, or by the tier, in bits per second.
    #[serde(skip_serializing_if = "is_none")]
    #[schemars(schema_with = "schema::bits_per_second")]
    pub rate: u64,
}

/// Whether something is in force on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// It is.
    Enforced,
    /// It is, but not in every part.
    Degraded,
    /// It is not.
    #[default]
    NotEnforced,
    /// It does not concern this node.
    NotHere,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(rate: &u64) -> bool {
    *rate == 0
}
