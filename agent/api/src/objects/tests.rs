use serde_json::{Value, json};

use super::*;

fn schema_of(crd: &CustomResourceDefinition) -> Value {
    let crd = serde_json::to_value(crd).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Whether a schema obeys the rules for structural schemas that schemars would break.
fn assert_structural(path: &str, schema: &Value) {
    let Some(schema) = schema.as_object() else { return };
    assert!(!schema.contains_key("$ref") && !schema.contains_key("definitions"), "{path} refers to a definition");
    let typed = schema.contains_key("type") || schema.contains_key("x-kubernetes-int-or-string");
    assert!(typed, "{path} has no type: {schema:?}");
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        assert_ne!(schema.get("additionalProperties"), Some(&json!(false)), "{path}");
        for (name, property) in properties {
            assert_structural(&format!("{path}.{name}"), property);
        }
    }
    if let Some(items) = schema.get("items") {
        assert_structural(&format!("{path}[]"), items);
    }
}

#[test]
fn the_definitions_are_cluster_scoped_and_structural() {
    let crds = crds();
    let names: Vec<_> = crds.iter().map(|crd| crd.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["uplinks.weir.dev", "traffictiers.weir.dev", "weirnodes.weir.dev"]);
    for crd in &crds {
        assert_eq!(crd.spec.scope, "Cluster");
        assert_eq!(crd.spec.group, GROUP);
        assert_eq!(crd.spec.versions[0].name, VERSION);
        assert!(crd.spec.versions[0].subresources.as_ref().unwrap().status.is_some());
        assert_structural("", &schema_of(crd));
    }
}

/// Every field below, but those whose descriptions are Kubernetes' own.
fn assert_described(path: &str, schema: &Value) {
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        assert!(property["description"].is_string(), "{path} has no description: {property}");
        let is_theirs = ["conditions", "podSelector", "namespaceSelector", "nodeSelector"].contains(&name.as_str());
        if !is_theirs {
            assert_described(&path, property);
            assert_described(&path, &property["items"]);
        }
    }
}

#[test]
fn every_field_has_a_description_and_the_required_ones_are_few() {
    for (crd, required) in crds().iter().zip([json!(["capacity"]), json!(["uplink"]), Value::Null]) {
        let schema = schema_of(crd);
        assert!(schema["description"].is_string());
        assert_eq!(schema["properties"]["spec"]["required"], required);
        for part in ["spec", "status"] {
            assert_described(part, &schema["properties"][part]);
        }
    }
}

#[test]
fn a_rate_is_a_number_or_a_text() {
    let spec = |capacity: Value| serde_json::from_value::<UplinkSpec>(json!({ "capacity": capacity }));
    assert_eq!(spec(json!("20M")).unwrap().capacity, IntOrText::from("20M"));
    assert_eq!(spec(json!(20_000_000)).unwrap().capacity, IntOrText::from("20000000"));
    assert_eq!(spec(json!(1e6)).unwrap().capacity, IntOrText::from("1000000"));
    assert_eq!(spec(json!(-5)).unwrap().capacity, IntOrText::from("-5"));
    assert!(spec(json!(["20M"])).is_err());
    assert!(spec(json!(null)).is_err());
}

#[test]
fn the_api_version_is_group_and_version() {
    assert_eq!(API_VERSION, format!("{GROUP}/{VERSION}"));
}

#[test]
fn the_manifests_for_clusters_have_these_definitions() {
    let written = include_str!("../../../../deploy/base/crds.yaml");
    assert!(written == manifest(), "deploy/base/crds.yaml is not what `weir crds` prints: write it anew");
}
