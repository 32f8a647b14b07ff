//! Label selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use weir_core::model::{Operator, Requirement, Selector};

use super::{FieldPath, field::Collector, meta::subdomain};

/// The requirements of a selector; none where it is empty, which selects everything.
pub(super) fn selector(selector: &LabelSelector, path: &FieldPath, errors: &mut Collector) -> Selector {
    let mut requirements = Vec::new();
    for (key, value) in selector.match_labels.iter().flatten() {
        let path = path.key("matchLabels").key(key);
        errors.take(&path, label_key(key));
        errors.take(&path, label_value(value));
        requirements.push(Requirement { key: key.clone(), operator: Operator::In([value.clone()].into()) });
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        requirements.extend(requirement(expression, &path.key("matchExpressions").index(index), errors));
    }
    Selector { requirements }
}

fn requirement(expression: &LabelSelectorRequirement, path: &FieldPath, errors: &mut Collector) -> Option<Requirement> {
    errors.take(&path.key("key"), label_key(&expression.key));
    let values = expression.values.clone().unwrap_or_default();
    for (index, value) in values.iter().enumerate() {
        errors.take(&path.key("values").index(index), label_value(value));
    }
    let takes_values = matches!(expression.operator.as_str(), "In" | "NotIn");
    if takes_values == values.is_empty() {
        let wrong = if takes_values { "needs at least one value" } else { "takes no values" };
        errors.add(path.key("values"), format!("operator {} {wrong}", expression.operator));
    }
    let values = values.into_iter().collect();
    let operator = match expression.operator.as_str() {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            let message = format!("\"{other}\" is no operator; write In, NotIn, Exists or DoesNotExist");
            errors.add(path.key("operator"), message);
            return None;
        }
    };
    Some(Requirement { key: expression.key.clone(), operator })
}

const LONGEST: usize = 63;

/// `k8s.io/apimachinery/pkg/util/validation`, `IsQualifiedName`.
fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !name.is_empty() && is_label_text(name) && prefix.is_none_or(|prefix| subdomain(prefix).is_ok()) {
        return Ok(());
    }
    Err(format!(
        "{key:?} is no label key; write a name of at most {LONGEST} letters, digits, '-', '_' and '.', with a domain and '/' in front if need be"
    ))
}

/// `IsValidLabelValue`: as a name, or empty.
fn label_value(value: &str) -> Result<(), String> {
    if is_label_text(value) {
        return Ok(());
    }
    Err(format!(
        "{value:?} is no label value; write at most {LONGEST} letters, digits, '-', '_' and '.', with a letter or digit at each end"
    ))
}

fn is_label_text(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}
