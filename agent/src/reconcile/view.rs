//! What the loop tells about itself.

use std::time::Instant;

use tracing::{debug, warn};
use weir_core::snapshot::{Degraded, Snapshot};

use super::Reconciler;
use crate::clock;

impl Reconciler {
    /// The state of this moment, with counters read now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let mut findings = self.last.findings.clone();
        findings.notes.extend(self.last.failures.notes.iter().cloned());
        findings.rejections.extend(self.source_findings.rejections.iter().cloned());
        let mut reconcile = self.stats.clone();
        reconcile.stale_seconds = self.stale_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        let mut snapshot = Snapshot {
            node: self.settings.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            desired: self.last.desired.clone(),
            findings,
            versions: self.last.versions.clone(),
            degraded: self.last.degraded.clone(),
            rates: self.rates.rates(),
            reconcile,
            ..Snapshot::default()
        };
        if let Some(error) = &snapshot.reconcile.last_error {
            let message = format!("degraded: the last change could not be made in every part: {error}");
            snapshot.degraded.push(Degraded { reason: Degraded::ROUND_FAILED, message });
        }
        let (ids, state) = (&self.last.rendered.ids, &self.last.rendered.state);
        if let Err(error) = self.datapath.read_into(&mut snapshot, ids, state, clock::monotonic_ns()) {
            warn!(%error, "cannot read the counters");
            let message = format!("counters cannot be read: {error}");
            snapshot.degraded.push(Degraded { reason: Degraded::COUNTERS_UNREADABLE, message });
        }
        self.departed.add_to(&mut snapshot, Instant::now());
        for (name, qdiscs) in &self.last.qdiscs {
            if let Some(uplink) = snapshot.uplinks.get_mut(name) {
                uplink.qdiscs.clone_from(qdiscs);
            }
        }
        snapshot
    }

    /// Reads the counters of uplinks and tiers for their rates, where that is due.
    pub(super) fn read_rates(&mut self) {
        let now_ns = clock::monotonic_ns();
        if !self.rates.is_due(now_ns) {
            return;
        }
        let mut reading = Snapshot::default();
        match self.datapath.read_shared_into(&mut reading, &self.last.rendered.ids, now_ns) {
            Ok(()) => self.rates.add(&reading),
            // A snapshot that fails for the same reason says so to whoever asks.
            Err(error) => debug!(%error, "cannot read the counters for rates"),
        }
    }
}
