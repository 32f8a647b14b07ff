//! The source of objects that needs no cluster: a folder of YAML files.
//!
//! `folder` reads what stands in it, `loaded` says which objects are in force after that (pure), `pace` says when
//! to look again (pure), and [`FileSource`] brings them together on a thread of its own and tells everybody who listens.
//!
//! Files end in `.yaml` or `.yml`, hold any number of documents, and may be symbolic links (a mounted `ConfigMap`). Names
//! that start with a dot are not read: editors' swap files and a `ConfigMap`'s own folders. Subfolders are not read.

mod folder;
mod loaded;
mod pace;
mod source;

pub use folder::Content;
pub use loaded::{Loaded, read, reasons};
pub use source::{FileSource, SourceError};
