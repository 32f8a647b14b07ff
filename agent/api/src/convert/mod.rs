//! From the resources as they are written to the plain objects that [`weir_core`] works with.
//!
//! Each function takes one resource, whatever source it came from, and gives the object or everything that is wrong with
//! it, each with the field that it is about. A source adds where the object stands.

mod field;
mod meta;
mod pod;
mod selector;
mod traffic_tier;
mod uplink;

pub use field::{FieldError, FieldPath, Segment};
pub use meta::{namespace, node};
pub use pod::{EGRESS_BANDWIDTH, pod};
pub use traffic_tier::traffic_tier;
pub use uplink::uplink;

/// A resource that can be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted<N, T> {
    /// Its name: a `String`, or a [`weir_core::model::PodKey`].
    pub name: N,
    /// The object, without a location.
    pub object: T,
    /// What in the resource is wrong and not obeyed, although the rest of it is.
    pub ignored: Vec<FieldError>,
}

/// What is wrong with a resource. Never empty.
pub type Errors = Vec<FieldError>;

#[cfg(test)]
mod tests;
