//! What one resource of a text turned out to be.

use weir_core::model::ObjectRef;

use crate::Object;

/// One resource of a text: an object, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Line of the text, from 1, that it begins on.
    pub line: u32,
    /// Which object it is, or would be; none where even that cannot be read.
    pub id: Option<ObjectRef>,
    /// The object, if it can be obeyed.
    pub object: Option<Object>,
    /// What is wrong. Beside an object: what of it is not obeyed although the rest is.
    pub problems: Vec<Problem>,
}

/// What is wrong with a resource, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the text, from 1: of the offending key where there is one.
    pub line: u32,
    /// One of [`super::reasons`].
    pub reason: &'static str,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Entry {
    /// A resource that cannot be told from others.
    pub(super) fn unreadable(line: u32, problem: Problem) -> Self {
        Self { line, id: None, object: None, problems: vec![problem] }
    }
}
