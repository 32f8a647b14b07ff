//! An object that is not obeyed, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an object came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// File, relative to the source's folder.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Kind and name of an object (`TrafficTier bulk-seed`, `Pod default/seed`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: String,
    /// Its name, with the namespace in front where it has one; empty where even that could not be read.
    pub name: String,
}

impl ObjectRef {
    /// The uplink of this name.
    #[must_use]
    pub fn uplink(name: &str) -> Self {
        Self { kind: "Uplink".to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// An object that is not obeyed. The last good version of it, if there was one, stays in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// Which object.
    pub object: ObjectRef,
    /// Where it stands.
    pub location: Option<Location>,
    /// One word for conditions and metrics, in CamelCase: `Malformed`, `UnknownUplink`, `GuaranteesOverCapacity`, …
    pub reason: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}: {} ({})", self.object, self.message, self.reason)
    }
}
