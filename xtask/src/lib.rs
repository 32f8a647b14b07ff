//! What the project's own tasks do. One folder per task; `main.rs` maps the command line onto them.
#![forbid(unsafe_code)]
// Only this workspace's own tasks call it: nobody would drop a path by mistake.
#![allow(clippy::must_use_candidate)]

pub mod bench;
pub mod build;
pub mod cluster;
pub mod demo;
pub mod image;
#[cfg(test)]
mod log_effects;
pub mod paths;
pub mod process;
pub mod scene;
pub mod test;
pub mod tools;
pub mod vm;
