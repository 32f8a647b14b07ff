//! From a YAML text to objects, each with the lines that it and everything wrong with it stand on.
//!
//! text → documents → a tree whose nodes know their lines → one resource (or the items of a `List`) → an [`crate::Object`].
//! One document that is wrong does not keep the others from being read, and nothing that is wrong is passed over in
//! silence: a key that no field has is as wrong as a value that a field cannot have.

mod documents;
mod entry;
mod resource;
mod tree;

use documents::documents;
use tree::Tree;

pub use entry::{Entry, Problem};

/// Reasons of [`Problem`]s, for conditions and metrics.
pub mod reasons {
    /// It is no YAML, or no object.
    pub const MALFORMED: &str = "Malformed";
    /// A field has a value that it cannot have.
    pub const INVALID: &str = "Invalid";
    /// There is no field of that name.
    pub const UNKNOWN_FIELD: &str = "UnknownField";
    /// It is of a kind that Weir does not read.
    pub const UNKNOWN_KIND: &str = "UnknownKind";
}

/// Reads every object of a YAML text, in the order of the text. Documents without content are passed over.
#[must_use]
pub fn read(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for document in documents(text) {
        match Tree::read(document.text) {
            Ok(None) => {}
            Ok(Some(tree)) => entries.extend(resource::entries(&tree, document.first_line)),
            Err(mut problem) => {
                problem.line += document.first_line - 1;
                entries.push(Entry::unreadable(problem.line, problem));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests;
