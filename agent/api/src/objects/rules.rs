//! What the API server checks at `kubectl apply`, in the Common Expression Language: the same that
//! [`crate::convert`] says, as far as it concerns one object.
//!
//! Rates are quantities (`quantity()`, Kubernetes 1.29); networks need `isCIDR()` (1.31).

use serde_json::{Value, json};

/// One rule: what must hold, of which field, and the sentence for who breaks it.
fn rule(field: &str, rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message, "fieldPath": format!(".{field}"), "reason": "FieldValueInvalid" })
}

/// A field is a rate between the lowest and the highest that can be paced, or is not there.
fn rate(field: &str) -> Value {
    let in_range = format!(
        "!has(self.{field}) || (isQuantity(string(self.{field})) && quantity(string(self.{field})).compareTo(quantity('1k')) >= 0 \
         && quantity(string(self.{field})).compareTo(quantity('1T')) <= 0)"
    );
    rule(field, &in_range, &format!("{field} is a rate in bits per second from 1k to 1T, such as 20M or 1.5G"))
}

/// Rules of `Uplink.spec`.
pub(super) fn uplink() -> Value {
    json!([
        rate("capacity"),
        rule(
            "scope",
            "self.scope != 'Cluster'",
            "Cluster is not supported yet; write Node, with this node's share as the capacity"
        ),
        rule(
            "headroom",
            "!has(self.headroom) || self.headroom.matches('^(([0-9]|[1-4][0-9])([.][0-9]{1,2})?|50([.]0{1,2})?)%$')",
            "headroom is a percentage from 0% to 50%, such as 3%"
        ),
        rule(
            "exempt",
            "!has(self.exempt) || self.exempt.all(network, isCIDR(network) && cidr(network) == cidr(network).masked())",
            "exempt is a list of networks in CIDR notation without address bits beyond the prefix, such as 10.0.0.0/8 or \
             fd00::/8"
        ),
        // dev_valid_name() in net/core/dev.c.
        rule(
            "interface.name",
            "!has(self.interface) || !has(self.interface.name) \
             || (self.interface.name.matches('^[^[:cntrl:][:space:]/:]+$') && !(self.interface.name in ['.', '..']) \
                 && size(bytes(self.interface.name)) <= 15)",
            "name is an interface name such as eth0; leave it out for the default route's interface"
        ),
    ])
}

/// Rules of `TrafficTier.spec`.
pub(super) fn traffic_tier() -> Value {
    let not_under = |field: &str, message: &str| {
        let holds = format!(
            "!has(self.{field}) || !has(self.guarantee) || !isQuantity(string(self.{field})) \
             || !isQuantity(string(self.guarantee)) \
             || quantity(string(self.{field})).compareTo(quantity(string(self.guarantee))) >= 0"
        );
        rule(field, &holds, message)
    };
    json!([
        rule("uplink", "self.uplink != ''", "the tier names no Uplink; write the name of one"),
        rate("guarantee"),
        rate("ceiling"),
        rate("perPodCeiling"),
        not_under("ceiling", "the ceiling is under the guarantee; raise it or lower the guarantee"),
        rule(
            "weight",
            "!has(self.weight) || self.weight == 1",
            "weights other than 1 are not supported yet; remove it"
        ),
        rule(
            "dscp",
            "!has(self.dscp) || string(self.dscp).matches('^(?i:LE|CS[0-7]|AF[1-4][1-3]|EF|VA|0*([0-9]|[1-5][0-9]|6[0-3]))$')",
            "dscp is LE, CS0 to CS7, AF11 to AF43, EF, VA, or a number from 0 to 63"
        ),
        rule(
            "schedules",
            "!has(self.schedules) || size(self.schedules) == 0",
            "schedules are not supported yet; remove them"
        ),
    ])
}
