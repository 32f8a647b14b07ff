//! What Weir and the world say to each other: the resources that a person writes, and the admin API.
#![forbid(unsafe_code)]

pub mod admin;
pub mod convert;
pub mod json;
mod object;
pub mod objects;
pub mod yaml;

pub use object::Object;
