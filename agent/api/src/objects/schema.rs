//! Parts of the CRDs' schemas that no type gives by itself.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A rate: a Kubernetes quantity, as a number or as a text with a suffix.
pub(super) fn rate(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "pattern": r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
    })
}

/// A percentage.
pub(super) fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$" })
}
