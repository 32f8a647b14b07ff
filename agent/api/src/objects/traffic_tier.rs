//! `TrafficTier`: pods that share a guarantee and a ceiling on an uplink.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IntOrText, Status, rules, schema};

/// A set of pods that use an uplink only as far as nobody else needs it, within a guarantee and a ceiling that they
/// share.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "weir.dev",
    version = "v1alpha1",
    kind = "TrafficTier",
    doc = "A set of pods that use an uplink only as far as nobody else needs it, within a guarantee and a ceiling that they share.",
    shortname = "tt",
    status = "Status",
    derive = "Default",
    derive = "PartialEq",
    crates(kube_core = "::kube_core"),
    printcolumn = r#"{"name":"Uplink","type":"string","jsonPath":".spec.uplink"}"#,
    printcolumn = r#"{"name":"Guarantee","type":"string","jsonPath":".spec.guarantee"}"#,
    printcolumn = r#"{"name":"Ceiling","type":"string","jsonPath":".spec.ceiling"}"#,
    printcolumn = r#"{"name":"Per-Pod","type":"string","jsonPath":".spec.perPodCeiling","priority":1}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type==\"Accepted\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Enforced","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Enforced\")].reason"}"#,
    printcolumn = r#"{"name":"Nodes","type":"string","jsonPath":".status.nodes"}"#,
    printcolumn = r#"{"name":"Pods","type":"string","jsonPath":".status.pods"}"#,
    printcolumn = r#"{"name":"Rate","type":"string","jsonPath":".status.rate"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::traffic_tier()))]
pub struct TrafficTierSpec {
    /// Name of the Uplink whose capacity the tier uses.
    pub uplink: String,

    /// Pods of the tier. By default those with the label `traffic-tier` and the tier's name as its value. An empty
    /// selector selects every pod. A pod that several tiers select belongs to the first of them by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,

    /// Namespaces that the tier's pods are in, by their labels. By default, and with an empty selector, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,

    /// What the tier can always use, in bits per second, however busy the uplink is. By default nothing. The guarantees
    /// of an uplink's tiers may not exceed its capacity less its headroom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate")]
    pub guarantee: Option<IntOrText>,

    /// What the tier's pods together never exceed, in bits per second, also when the uplink is idle. By default the
    /// uplink's capacity less its headroom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate")]
    pub ceiling: Option<IntOrText>,

    /// What each of the tier's pods never exceeds, in bits per second. A pod's own kubernetes.io/egress-bandwidth
    /// annotation counts beside it; the lower of the two is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate")]
    pub per_pod_ceiling: Option<IntOrText>,

    /// How the tiers of an uplink share what is left over. Only 1, the default, is supported yet; others are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::weight")]
    pub weight: Option<u32>,

    /// Mark that the tier's packets get on the uplink: LE (lower effort, RFC 8622), CS0 to CS7, AF11 to AF43, EF, VA, or
    /// a number from 0 to 63. By default packets keep the mark that the pod gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::dscp")]
    pub dscp: Option<IntOrText>,

    /// Times at which other limits are in force. Not supported yet; refused unless empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
}

/// A time of the week at which other limits are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Schedule {
    /// Days, such as Mon-Fri or Sat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,

    /// First time of the day, such as 08:00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,

    /// Last time of the day, such as 18:00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,

    /// IANA name of the time zone that the times are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,

    /// The tier's guarantee at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate")]
    pub guarantee: Option<IntOrText>,

    /// The tier's ceiling at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::rate")]
    pub ceiling: Option<IntOrText>,
}
