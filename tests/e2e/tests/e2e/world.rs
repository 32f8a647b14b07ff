//! The cluster that all tests share.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Result, anyhow};
use weir_e2e_tests::World;
use weir_lab::cluster::Network;

/// The world, for one test at a time.
pub(crate) fn world() -> Result<MutexGuard<'static, World>> {
    static WORLD: OnceLock<Result<Mutex<World>, String>> = OnceLock::new();
    let start = || World::start(Network::Bridge).map(Mutex::new).map_err(|error| format!("{error:#}"));
    let world = WORLD.get_or_init(start).as_ref().map_err(|error| anyhow!("the cluster did not start: {error}"))?;
    Ok(world.lock().unwrap_or_else(PoisonError::into_inner))
}
