//! What the loop tells about itself.

use std::time::Instant;

use tracing::{debug, warn};
use weir_core::{
    desired::reasons,
    snapshot::{Degraded, Snapshot},
};

use super::Reconciler;
use crate::clock;

impl Reconciler {
    /// The state of this moment, with counters read now.
    pub(super) async fn snapshot(&self) -> Snapshot {
        let mut findings = self.last.findings.clone();
        findings.notes.extend(self.last.failures.notes.iter().cloned());
        findings.notes.extend(self.escapes.notes(&self.last.desired, &self.host));
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
        self.count_by_interfaces(&mut snapshot).await;
        settle(&mut snapshot);
        self.departed.add_to(&mut snapshot, Instant::now());
        for (name, qdiscs) in &self.last.qdiscs {
            if let Some(uplink) = snapshot.uplinks.get_mut(name) {
                uplink.qdiscs.clone_from(qdiscs);
            }
        }
        snapshot
    }

    /// Reads what pods on whose interfaces no program stands have sent and received.
    async fn count_by_interfaces(&self, snapshot: &mut Snapshot) {
        let rendered = &self.last.rendered;
        if rendered.counted_by_interface.is_empty() {
            return;
        }
        let counters = match self.netlink.link_counters().await {
            Ok(counters) => counters,
            Err(error) => {
                warn!(%error, "cannot read the interfaces' counters");
                let message = format!("counters of pods without programs cannot be read: {error}");
                return snapshot.degraded.push(Degraded { reason: Degraded::COUNTERS_UNREADABLE, message });
            }
        };
        for pod in snapshot.pods.values_mut() {
            let interface = rendered.counted_by_interface.get(&pod.slot).and_then(|ifindex| counters.get(ifindex));
            // The host's end receives what the pod sends.
            if let Some(seen) = interface {
                (pod.tx_bytes, pod.tx_packets) = (seen.rx_bytes, seen.rx_packets);
                (pod.rx_bytes, pod.rx_packets) = (seen.tx_bytes, seen.tx_packets);
            }
        }
    }

    /// Looks for traffic that escapes its tier, where that is due.
    pub(super) async fn read_escapes(&mut self) {
        let now_ns = clock::monotonic_ns();
        let has_tiers = self.last.desired.pods.values().any(|pod| !pod.tiers.is_empty());
        if has_tiers && self.escapes.is_due(now_ns) {
            let reading = self.snapshot().await;
            self.escapes.add(&reading);
        }
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

/// Takes away the note that a pod is known by its sockets alone, once a packet of it has been seen in this way.
fn settle(snapshot: &mut Snapshot) {
    let seen: Vec<String> =
        snapshot.pods.iter().filter(|(_, pod)| pod.uplink_packets > 0).map(|(key, _)| key.to_string()).collect();
    snapshot.findings.notes.retain(|note| note.reason != reasons::BY_SOCKETS || !seen.contains(&note.object.name));
}
