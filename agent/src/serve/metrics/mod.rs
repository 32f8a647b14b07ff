//! Prometheus metrics, made from a snapshot at each scrape.
//!
//! No series is kept between scrapes: what is not in the snapshot is not in the page, so that a pod that ends takes its
//! series along (after [`history::LINGER_NS`]). The kernel's counters outlive the agent, and so the page's do.
//!
//! [`names`] has every family in one place; [`pods`], [`tiers`], [`uplinks`] and [`agent`] fill them.

mod agent;
mod history;
mod names;
mod page;
mod pods;
mod tiers;
mod uplinks;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use weir_core::snapshot::Snapshot;

use history::History;
use page::Page;

/// Media type of the page.
pub(super) const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Turns snapshots into pages.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    history: Arc<Mutex<History>>,
}

impl Metrics {
    /// Fails where two families have one name.
    pub(super) fn new() -> prometheus::Result<Self> {
        let history = Arc::new(Mutex::new(History::default()));
        let registry = Registry::new();
        registry.register(Box::new(Snapshots { history: history.clone() }))?;
        Ok(Self { registry, history })
    }

    /// The page for a snapshot. Where a younger one has been shown already, that one is shown again: counters never go
    /// backwards.
    pub(super) fn page(&self, snapshot: Arc<Snapshot>) -> prometheus::Result<String> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).add(snapshot);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// The collector of everything that stands in snapshots.
struct Snapshots {
    history: Arc<Mutex<History>>,
}

impl Collector for Snapshots {
    fn desc(&self) -> Vec<&Desc> {
        names::descriptions()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(snapshot) = history.latest() else { return Vec::new() };
        let mut page = Page::default();
        pods::fill(&mut page, &history);
        tiers::fill(&mut page, snapshot);
        uplinks::fill(&mut page, snapshot);
        agent::fill(&mut page, snapshot);
        page.into_families()
    }
}

#[cfg(test)]
mod tests;
