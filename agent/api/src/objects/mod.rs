//! The resources of the group `weir.dev`: `Uplink` and `TrafficTier`, which a person writes to steer Weir, and `WeirNode`,
//! in which each agent says what it does.
//!
//! The structs are the one place that the manifests of the CRDs, the file source and the API server's objects come from.
//! What a field means is in its doc comment, which is also its description in the CRD.

mod rules;
mod schema;
mod status;
mod text;
mod traffic_tier;
mod uplink;
mod weir_node;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt;

pub use status::{ACCEPTED, ENFORCED, Status};
pub use text::IntOrText;
pub use traffic_tier::{Schedule, TrafficTier, TrafficTierSpec};
pub use uplink::{
    DEFAULT_EXEMPT, DEFAULT_HEADROOM, LineOverhead, LinkLayer, Scope, Uplink, UplinkInterface, UplinkSpec,
};
pub use weir_node::{OnNode, State, WeirNode, WeirNodeSpec, WeirNodeStatus};

/// API group of Weir's resources.
pub const GROUP: &str = "weir.dev";
/// Version of Weir's resources.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of Weir's resources.
pub const API_VERSION: &str = "weir.dev/v1alpha1";

/// The definitions of all of Weir's resources, for `kubectl apply`.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![Uplink::crd(), TrafficTier::crd(), WeirNode::crd()]
}

/// The same as a manifest: YAML, a document each.
///
/// # Panics
/// Never: the definitions have nothing in them that YAML cannot say.
#[must_use]
pub fn manifest() -> String {
    let document = |crd| serde_saphyr::to_string(crd).expect("definitions can be written as YAML");
    let documents: Vec<String> = crds().iter().map(document).collect();
    format!("---\n{}", documents.join("---\n"))
}

#[cfg(test)]
mod tests;
