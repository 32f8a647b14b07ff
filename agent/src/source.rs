//! What every source of objects tells the loop.

use std::{sync::Arc, time::Instant};

use weir_core::{
    model::{Rejection, World},
    snapshot::Versions,
};

/// What a source knows as of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The objects in force; none as long as the source does not know them all: what is in force then stays.
    pub world: Option<Arc<World>>,
    /// Objects that are not obeyed, or not in every part, and why.
    pub rejections: Vec<Rejection>,
    /// Since when the source cannot be read, if it cannot; the objects are those of before.
    pub unreadable_since: Option<Instant>,
    /// Newest version of each uplink and tier, in force or not.
    pub versions: Versions,
}
