//! What must hold for any bytes, one function for each parser.

mod config;
mod files;
mod scalars;
mod selector;
mod yaml_objects;

pub use config::config;
pub use files::files;
pub use scalars::{dscp, rate};
pub use selector::selector;
pub use yaml_objects::yaml_objects;
