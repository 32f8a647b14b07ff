//! Parts of the CRDs' schemas that no type gives by itself.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A rate: a Kubernetes quantity, as a number or as a text with a suffix.
pub(super) fn rate(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 32,
        "pattern": r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
    })
}

/// A DSCP: its name or its number.
pub(super) fn dscp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "maxLength": 8 })
}

/// A percentage.
pub(super) fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 8, "pattern": r"^[0-9]+(\.[0-9]+)?%$" })
}

/// A weight. Kubernetes knows no unsigned numbers.
pub(super) fn weight(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0 })
}

/// How many there are.
pub(super) fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int32", "minimum": 0 })
}

/// A rate as a plain number.
pub(super) fn bits_per_second(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0 })
}
