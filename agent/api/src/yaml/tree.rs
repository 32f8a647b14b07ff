//! A YAML document as a tree whose nodes know their lines.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use super::{Problem, reasons};
use crate::convert::{FieldPath, Segment};

/// A value and the line of its document, from 1, that it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    pub(super) line: u32,
    node: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar(Value),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    key: String,
    line: u32,
    value: Tree,
}

impl Tree {
    /// Reads one document; none where it has no content.
    pub(super) fn read(text: &str) -> Result<Option<Self>, Problem> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            // A list of every pod of a large cluster, with their managed fields, and no more.
            budget: serde_saphyr::budget! { max_nodes: 1_000_000, max_events: 2_000_000 },
            // Enough for labels that many objects share, too little for a text that multiplies itself.
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 5_000 },
        };
        let tree: Self = serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(&error))?;
        Ok((tree.node != Node::Scalar(Value::Null)).then_some(tree))
    }

    /// The same without lines.
    pub(super) fn to_json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::to_json).collect(),
            Node::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node, Node::Map(_))
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text of a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node {
            Node::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Option<&[Self]> {
        match &self.node {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// The line of a field: of its key, or of the nearest value around it that is there.
    pub(super) fn line_of(&self, path: &FieldPath) -> u32 {
        let (mut tree, mut line) = (self, self.line);
        for segment in &path.0 {
            let inner = match segment {
                Segment::Key(key) => tree.entry(key).map(|entry| (entry.line, &entry.value)),
                Segment::Index(index) => tree.items().and_then(|items| items.get(*index)).map(|item| (item.line, item)),
            };
            match inner {
                Some(inner) => (line, tree) = inner,
                None => break,
            }
        }
        line
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.node {
            Node::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

fn problem(error: &serde_saphyr::Error) -> Problem {
    let error = error.without_snippet();
    let line = error.location().map_or(1, |location| line(&location));
    Problem { line, reason: reasons::MALFORMED, message: UserMessageFormatter.format_message(error).into_owned() }
}

fn line(location: &serde_saphyr::Location) -> u32 {
    u32::try_from(location.line()).unwrap_or(u32::MAX).max(1)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self { line: line(&spanned.referenced), node: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> de::Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number must be finite"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Tree>()? {
            entries.push(Entry { line: line(&key.referenced), key: key.value, value });
        }
        Ok(Node::Map(entries))
    }
}
