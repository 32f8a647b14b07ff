//! From a resource as the API server gives it, in JSON, to an object.
//!
//! The API server has checked it against its schema and taken out fields that it does not know; what is left to say is
//! what no schema can.

use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Object,
    convert::{self, Converted, Errors},
    objects::{TrafficTier, Uplink},
};

/// A kind of resource of which more than the labels matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Uplink`.
    Uplink,
    /// `TrafficTier`.
    TrafficTier,
    /// `Pod`.
    Pod,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The object, if it can be obeyed.
    pub object: Option<Object>,
    /// What is wrong with it, or with parts of it that are not obeyed.
    pub problems: Vec<String>,
    /// Its version (`metadata.generation`); 0 where it has none.
    pub generation: i64,
}

/// Reads one resource.
#[must_use]
pub fn read(kind: Kind, resource: Value) -> Read {
    match kind {
        Kind::Uplink => of::<Uplink, _, _>(resource, convert::uplink, Object::Uplink),
        Kind::TrafficTier => of::<TrafficTier, _, _>(resource, convert::traffic_tier, Object::Tier),
        Kind::Pod => of::<Pod, _, _>(resource, convert::pod, |key, pod| Object::Pod(key, Box::new(pod))),
    }
}

fn of<R: DeserializeOwned, N, T>(
    resource: Value,
    convert: impl Fn(&R) -> Result<Converted<N, T>, Errors>,
    object: impl Fn(N, T) -> Object,
) -> Read {
    let said = |errors: &Errors| errors.iter().map(ToString::to_string).collect();
    let generation = resource.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let (object, problems) = match serde_path_to_error::deserialize::<_, R>(resource).map(|resource| convert(&resource))
    {
        Ok(Ok(converted)) => (Some(object(converted.name, converted.object)), said(&converted.ignored)),
        Ok(Err(errors)) => (None, said(&errors)),
        Err(error) => (None, vec![error.to_string()]),
    };
    Read { object, problems, generation }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tier_is_read() {
        let tier = json!({
            "apiVersion": "weir.dev/v1alpha1",
            "kind": "TrafficTier",
            "metadata": {"name": "bulk", "resourceVersion": "7"},
            "spec": {"uplink": "wan", "ceiling": "8M"},
        });
        let Read { object: Some(Object::Tier(name, tier)), problems, .. } = read(Kind::TrafficTier, tier) else {
            panic!("no tier")
        };
        assert_eq!((name.as_str(), tier.ceiling, problems.len()), ("bulk", Some(8_000_000), 0));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        let of = |spec: Value| {
            read(Kind::Uplink, json!({"metadata": {"name": "wan"}, "spec": spec})).problems.first().cloned()
        };
        let missing = of(json!({})).expect("no capacity");
        assert!(missing.contains("capacity"), "{missing}");
        let wrong = of(json!({"capacity": "20 apples"})).expect("no rate");
        assert!(wrong.starts_with("spec.capacity: "), "{wrong}");
    }

    #[test]
    fn a_pod_stands_without_its_wrong_annotation() {
        let pod = json!({
            "metadata": {"name": "seed", "namespace": "media", "annotations": {"kubernetes.io/egress-bandwidth": "fast"}},
            "spec": {"nodeName": "n1", "containers": []},
        });
        let Read { object: Some(Object::Pod(key, pod)), problems, .. } = read(Kind::Pod, pod) else { panic!("no pod") };
        assert_eq!((key.to_string().as_str(), pod.node.as_str(), problems.len()), ("media/seed", "n1", 1));
    }
}
