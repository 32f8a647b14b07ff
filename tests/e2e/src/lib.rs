//! What the tests of Weir on a Kubernetes node share. The tests are in `tests/`, one file per subject, in one program;
//! those beside Cilium are in `tests/cilium` of the project.
#![forbid(unsafe_code)]

mod world;

pub use self::world::{CEILING_MBIT, SOON, World, all_marked, qdiscs, within};
