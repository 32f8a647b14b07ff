//! The API server as a source of objects, Weir's definitions and manifests on it, and what these tests stand on.
#![forbid(unsafe_code)]

mod access;
mod agent;
mod answers;
mod chart;
mod credentials;
mod deploy;
mod faults;
mod fleet;
mod lab;
mod listening;
mod objects;
mod reporters;
mod restart;
mod rights;
mod source;
mod status;
mod store;
mod validation;
mod world;
