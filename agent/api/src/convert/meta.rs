//! Names and labels, and the resources of which nothing else matters.

use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use weir_core::model::Labels;

use super::{Converted, Errors, FieldPath, field::Collector};

/// The labels of a namespace.
pub fn namespace(resource: &Namespace) -> Result<Converted<String, Labels>, Errors> {
    labelled(&resource.metadata)
}

/// The labels of a node.
pub fn node(resource: &Node) -> Result<Converted<String, Labels>, Errors> {
    labelled(&resource.metadata)
}

fn labelled(metadata: &ObjectMeta) -> Result<Converted<String, Labels>, Errors> {
    let mut errors = Collector::default();
    let name = name(metadata, &mut errors);
    let object = metadata.labels.clone().unwrap_or_default();
    errors.finish(name.map(|name| Converted { name, object, ignored: Vec::new() }))
}

/// The name of a resource.
pub(super) fn name(metadata: &ObjectMeta, errors: &mut Collector) -> Option<String> {
    let path = FieldPath::of(&["metadata", "name"]);
    match metadata.name.as_deref() {
        None | Some("") => errors.add(path, "the object has no name"),
        Some(name) => match subdomain(name) {
            Ok(()) => return Some(name.to_owned()),
            Err(message) => errors.add(path, message),
        },
    }
    None
}

/// The name of a resource that is in no namespace.
pub(super) fn cluster_scoped_name(kind: &str, metadata: &ObjectMeta, errors: &mut Collector) -> Option<String> {
    if metadata.namespace.is_some() {
        errors.add(FieldPath::of(&["metadata", "namespace"]), format!("a {kind} is in no namespace; remove this"));
    }
    name(metadata, errors)
}

/// Whether a text is a DNS subdomain as RFC 1123 and Kubernetes have it, which every object's name must be.
pub(super) fn subdomain(text: &str) -> Result<(), String> {
    const LONGEST: usize = 253;
    let label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        letters && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() <= LONGEST && text.split('.').all(label) {
        return Ok(());
    }
    let shown: String = text.chars().take(40).collect();
    Err(format!(
        "{shown:?} is no name; use at most {LONGEST} lower-case letters, digits, '-' and '.', with a letter or digit at \
         each end"
    ))
}
