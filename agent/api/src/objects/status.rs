//! What Weir says about an object that it obeys, or why it does not.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Condition type: the object is valid and fits the others.
pub const ACCEPTED: &str = "Accepted";
/// Condition type: the object is in force on every node that it concerns.
pub const ENFORCED: &str = "Enforced";

/// What Weir says about an object: whether it was accepted, and whether it is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Accepted: the object is valid and fits the others. Enforced: it is in force on every node that it concerns.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
