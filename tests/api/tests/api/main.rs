//! What the tests of this rung stand on: the control plane does what a cluster's does.
#![forbid(unsafe_code)]

mod access;
mod lab;
mod objects;
mod restart;
