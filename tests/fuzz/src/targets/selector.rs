//! Label selectors: against a second reading of the Kubernetes API's words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use weir_api::{
    convert,
    objects::{TrafficTier, TrafficTierSpec},
};
use weir_core::model::Labels;

/// A selector as JSON. What is accepted selects just what the API's documentation says.
pub fn selector(data: &[u8]) {
    let Ok(selector) = serde_json::from_slice::<LabelSelector>(data) else { return };
    let spec = TrafficTierSpec {
        uplink: "wan".to_owned(),
        pod_selector: Some(selector.clone()),
        ..TrafficTierSpec::default()
    };
    let Ok(tier) = convert::traffic_tier(&TrafficTier::new("bulk", spec)) else { return };
    for labels in interesting_labels(&selector) {
        let found = tier.object.pods.matches(&labels);
        assert_eq!(found, selects(&selector, &labels), "{selector:?} on {labels:?}");
    }
}

/// Label sets that are near the selector: each of its pairs alone, all of them, and others.
fn interesting_labels(selector: &LabelSelector) -> Vec<Labels> {
    let mut pairs: Vec<(String, String)> = selector.match_labels.clone().into_iter().flatten().collect();
    for expression in selector.match_expressions.iter().flatten() {
        let values = expression.values.clone().unwrap_or_default();
        pairs.extend(values.into_iter().chain([String::new()]).map(|value| (expression.key.clone(), value)));
    }
    pairs.truncate(64);
    let mut sets: Vec<Labels> = pairs.iter().map(|pair| [pair.clone()].into()).collect();
    sets.push(Labels::new());
    sets.push(pairs.iter().cloned().collect());
    sets.push(pairs.iter().rev().cloned().collect());
    sets.push(pairs.iter().map(|(key, _)| (key.clone(), "other".to_owned())).collect());
    sets
}

fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                other => panic!("operator {other:?} was accepted"),
            }
        })
}
