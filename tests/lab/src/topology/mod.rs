//! What the lab is built of.

mod addresses;
mod lab;
mod node;
mod pod;
mod tunnel;
mod uplink;

pub use addresses::Family;
pub use lab::{Client, Lab, LabOptions, Machine};
pub use node::{Masquerade, Node, NodeOptions};
pub use pod::{Pod, PodOptions, Wiring};
pub use tunnel::Tunnel;
pub use uplink::{Bottleneck, Internet, Router};
