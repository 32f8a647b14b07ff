//! Every parser of outside bytes, given bytes that nobody meant.
//!
//! A target takes any bytes and panics where something does not hold that must hold for all of them. `corpus/NAME/` has
//! inputs for the target `NAME`: good ones, and those that once went wrong. The tests replay each of them, and a bounded
//! number of deterministic mutations of each, with no compiler support. The functions have the form that cargo-fuzz
//! wants, for a longer search with a nightly compiler.
#![forbid(unsafe_code)]

pub mod mutate;
pub mod targets;

/// A parser of outside bytes and what must hold for it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// Mutations of each input that a replay tries.
    pub mutations: u32,
}

/// Every target. A new parser is a function in [`targets`], a line here, and a folder in `corpus/`.
pub const TARGETS: [Target; 6] = [
    Target { name: "config", run: targets::config, mutations: 150 },
    Target { name: "dscp", run: targets::dscp, mutations: 2_000 },
    Target { name: "files", run: targets::files, mutations: 150 },
    Target { name: "rate", run: targets::rate, mutations: 2_000 },
    Target { name: "selector", run: targets::selector, mutations: 500 },
    Target { name: "yaml_objects", run: targets::yaml_objects, mutations: 150 },
];
