//! Which field of a resource something is about, and the collecting of what is wrong.

use std::fmt;

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The value of a key.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// The way from a resource to one of its fields: `spec.exempt[2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<Segment>);

impl FieldPath {
    /// The path through these keys.
    #[must_use]
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    /// The path to a key inside this field.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.join(Segment::Key(key.to_owned()))
    }

    /// The path to an element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Segment::Index(index))
    }

    fn join(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }
}

/// `spec.exempt[2]`; a key that has dots or slashes itself stands in brackets: `metadata.labels["example.com/a"]`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key)
                    if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "_-$".contains(c)) =>
                {
                    write!(f, "[{key:?}]")?;
                }
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// The field.
    pub path: FieldPath,
    /// What is wrong with its value, and what would be right.
    pub message: String,
}

/// Collects what is wrong, so that a person sees all of it at once.
#[derive(Default)]
pub(super) struct Collector(Vec<FieldError>);

impl Collector {
    pub(super) fn add(&mut self, path: FieldPath, message: impl fmt::Display) {
        self.0.push(FieldError { path, message: message.to_string() });
    }

    /// The value, or none and a note of what is wrong with it.
    pub(super) fn take<T, E: fmt::Display>(&mut self, path: &FieldPath, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path.clone(), error)).ok()
    }

    /// The value, if nothing was wrong with any field.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }

    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.0
    }
}
