//! From a tree to the object of the kind that it names.

use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use serde::de::DeserializeOwned;
use weir_core::model::ObjectRef;

use super::{Entry, Problem, reasons, tree::Tree};
use crate::{
    Object,
    convert::{self, Converted, Errors, FieldPath, Segment},
    objects::{API_VERSION, TrafficTier, Uplink},
};

/// The kinds that are read, each with the apiVersion that it must have.
const KINDS: [(&str, &str); 5] =
    [("Uplink", API_VERSION), ("TrafficTier", API_VERSION), ("Pod", "v1"), ("Namespace", "v1"), ("Node", "v1")];

/// The resources of a document that begins on `first_line` of its text.
pub(super) fn entries(tree: &Tree, first_line: u32) -> Vec<Entry> {
    let mut entries = match (tree.text("kind"), tree.get("items").and_then(Tree::items)) {
        (Some("List"), Some(items)) => items.iter().map(entry).collect(),
        _ => vec![entry(tree)],
    };
    let offset = first_line - 1;
    for entry in &mut entries {
        entry.line += offset;
        entry.problems.iter_mut().for_each(|problem| problem.line += offset);
    }
    entries
}

fn entry(tree: &Tree) -> Entry {
    let unreadable = |key: &str, reason, message: String| {
        let line = tree.line_of(&FieldPath::of(&[key]));
        Entry::unreadable(tree.line, Problem { line, reason, message })
    };
    if !tree.is_map() {
        let message = "this is no object; an object has the keys apiVersion, kind, metadata and spec".to_owned();
        return unreadable("", reasons::MALFORMED, message);
    }
    let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let Some(kind) = tree.text("kind") else {
        return unreadable(
            "kind",
            reasons::MALFORMED,
            format!("the object has no kind; write one of {}", known.join(", ")),
        );
    };
    let Some((kind, api_version)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        let message = format!("{kind:?} is no kind that is read from files; there are {} and List", known.join(", "));
        return unreadable("kind", reasons::UNKNOWN_KIND, message);
    };
    let id = id(kind, tree);
    let written = tree.text("apiVersion");
    if written != Some(api_version) {
        let line = tree.line_of(&FieldPath::of(&["apiVersion"]));
        let message = match written {
            Some(written) => format!("apiVersion: {written:?} is not that of {kind}; write {api_version}"),
            None => format!("the object has no apiVersion; write {api_version}"),
        };
        return Entry {
            line: tree.line,
            id,
            object: None,
            problems: vec![Problem { line, reason: reasons::INVALID, message }],
        };
    }
    let (object, problems) = match *kind {
        "Uplink" => read::<Uplink, _, _>(tree, Strictness::Ours, convert::uplink, Object::Uplink),
        "TrafficTier" => read::<TrafficTier, _, _>(tree, Strictness::Ours, convert::traffic_tier, Object::Tier),
        "Pod" => read::<Pod, _, _>(tree, Strictness::Theirs, convert::pod, |key, pod| Object::Pod(key, Box::new(pod))),
        "Namespace" => read::<Namespace, _, _>(tree, Strictness::Theirs, convert::namespace, Object::Namespace),
        _ => read::<Node, _, _>(tree, Strictness::Theirs, convert::node, Object::Node),
    };
    Entry { line: tree.line, id: object.as_ref().map(Object::id).or(id), object, problems }
}

/// Which object it would be, as far as it can be read.
fn id(kind: &str, tree: &Tree) -> Option<ObjectRef> {
    let metadata = tree.get("metadata")?;
    let name = metadata.text("name").filter(|name| !name.is_empty())?;
    let name = match kind {
        "Pod" => format!("{}/{name}", metadata.text("namespace").unwrap_or("default")),
        _ => name.to_owned(),
    };
    Some(ObjectRef { kind: kind.to_owned(), name })
}

/// What a key means that no field has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// A mistake: these are all the fields that there are.
    Ours,
    /// Perhaps a newer Kubernetes than ours: worth telling, no reason to do without the object.
    Theirs,
}

fn read<R: DeserializeOwned, N, T>(
    tree: &Tree,
    strictness: Strictness,
    convert: impl Fn(&R) -> Result<Converted<N, T>, Errors>,
    object: impl Fn(N, T) -> Object,
) -> (Option<Object>, Vec<Problem>) {
    let mut unknown = Vec::new();
    let resource = match resource::<R>(tree, &mut unknown) {
        Ok(resource) => resource,
        Err(problem) => {
            unknown.push(problem);
            return (None, unknown);
        }
    };
    let of_field = |error: &convert::FieldError| Problem {
        line: tree.line_of(&error.path),
        reason: reasons::INVALID,
        message: error.to_string(),
    };
    match convert(&resource) {
        Ok(converted) if strictness == Strictness::Theirs || unknown.is_empty() => {
            unknown.extend(converted.ignored.iter().map(of_field));
            (Some(object(converted.name, converted.object)), unknown)
        }
        Ok(_) => (None, unknown),
        Err(errors) => {
            unknown.extend(errors.iter().map(of_field));
            (None, unknown)
        }
    }
}

fn resource<R: DeserializeOwned>(tree: &Tree, unknown: &mut Vec<Problem>) -> Result<R, Problem> {
    let json = tree.to_json();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    let mut note = |path: serde_ignored::Path<'_>| {
        let path = ignored_path(&path);
        let of_type_itself =
            path.0.len() == 1 && ["apiVersion", "kind"].iter().any(|key| path == FieldPath::of(&[key]));
        if !of_type_itself {
            let message = format!("{path}: there is no such field");
            unknown.push(Problem { line: tree.line_of(&path), reason: reasons::UNKNOWN_FIELD, message });
        }
    };
    serde_ignored::deserialize(tracked, &mut note).map_err(|error: serde_json::Error| {
        let path = error_path(&track.path());
        let place = if path.0.is_empty() { String::new() } else { format!("{path}: ") };
        Problem { line: tree.line_of(&path), reason: reasons::INVALID, message: format!("{place}{error}") }
    })
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> FieldPath {
    use serde_ignored::Path;
    match path {
        Path::Root => FieldPath::default(),
        Path::Seq { parent, index } => ignored_path(parent).index(*index),
        Path::Map { parent, key } => ignored_path(parent).key(key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            ignored_path(parent)
        }
    }
}

fn error_path(path: &serde_path_to_error::Path) -> FieldPath {
    use serde_path_to_error::Segment as Step;
    let steps = path.iter().filter_map(|step| match step {
        Step::Seq { index } => Some(Segment::Index(*index)),
        Step::Map { key } => Some(Segment::Key(key.clone())),
        Step::Enum { .. } | Step::Unknown => None,
    });
    FieldPath(steps.collect())
}
