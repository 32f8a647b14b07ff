//! What Weir says about an object that it obeys, or why it does not.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Condition type: the object is valid and fits the others.
pub const ACCEPTED: &str = "Accepted";
/// Condition type: the object is in force on every node that it concerns.
pub const ENFORCED: &str = "Enforced";

/// What Weir says about an object: whether it was accepted, and where it is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Accepted: the object is valid and fits the others. Enforced: it is in force on every node that it concerns.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Which version of the object (metadata.generation) this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Nodes on which it is in force, of those that it concerns: 3/3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,

    /// Pods of the tier whose packets are found, of all of them: 12/12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,

    /// What all nodes sent over the uplink, or by the tier, before this was written, in bits per second, averaged over
    /// half a minute. That a rate changed is by itself no reason to write, unless it changed a lot, and then at most every
    /// five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
}
