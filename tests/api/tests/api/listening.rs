//! A source in this process, and what it tells.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::sync::watch;
use weir::{
    kube::{Access, KubeSource},
    source::Update,
};
use weir_core::model::World;

/// The node whose agent it would be.
pub(crate) const NODE: &str = "n1";
/// How long something may take that is not measured here.
const SOON: Duration = Duration::from_mins(1);

/// A source and what it tells.
pub(crate) struct Listening {
    updates: watch::Receiver<Option<Update>>,
    _source: KubeSource,
}

impl Listening {
    /// With what is remembered in a folder of its own: nothing at first.
    pub(crate) async fn to(kubeconfig: &Path, folder: &TempDir) -> Result<Self> {
        let access = Access::Kubeconfig(kubeconfig.to_owned());
        let source = KubeSource::start(&access, NODE, folder.path().join("objects.json")).await?;
        Ok(Self { updates: source.updates(), _source: source })
    }

    /// Waits until an update is right; the last one is in the error.
    pub(crate) async fn until(&mut self, what: &str, right: impl Fn(&Update) -> bool) -> Result<Update> {
        let wait = self.updates.wait_for(|update| update.as_ref().is_some_and(&right));
        let found = tokio::time::timeout(SOON, wait).await.map(|found| found.map(|update| update.clone()));
        if let Ok(found) = found {
            return found?.context("an update");
        }
        bail!("{what}: not so within {SOON:?}; the last update is {:#?}", self.updates.borrow())
    }

    /// What it tells now.
    pub(crate) fn now(&self) -> Option<Update> {
        self.updates.borrow().clone()
    }
}

/// What is in force.
pub(crate) fn world(update: &Update) -> Option<&World> {
    update.world.as_deref()
}

/// Whether the tier "bulk" is in force with this ceiling.
pub(crate) fn tier_of(update: &Update, ceiling: u64) -> bool {
    world(update).is_some_and(|world| world.tiers.get("bulk").is_some_and(|tier| tier.ceiling == Some(ceiling)))
}

/// Whether everything can be read.
pub(crate) fn is_fresh(update: &Update) -> bool {
    update.unreadable_since.is_none()
}
