//! One round of the loop.
//!
//! A step that fails keeps no other from being made: its failure is collected, and said of the object that it was made
//! for. Only where the node or the kernel cannot be read at all is there nothing to go on with.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tracing::{debug, info, warn};
use weir_core::{
    desired::desired,
    host::Host,
    kernel::{Pacing, render},
    model::ObjectRef,
    plan::{Change, only_counts, plan},
    snapshot::{PARTLY_APPLIED, Versions},
};

use super::{
    Cause, Reconciler, Round,
    attempts::{Attempts, Failed, attempt},
    failures::Failures,
};
use crate::{
    clock,
    datapath::{DatapathError, InterfaceNames},
    net::cgroups,
};

impl Reconciler {
    /// Looks, computes, and applies what differs. Returns whether changes are left that have not been tried.
    ///
    /// # Errors
    /// When the node or the kernel cannot be read, so that nothing was tried.
    pub(super) async fn round(&mut self, cause: Cause) -> anyhow::Result<bool> {
        let look = matches!(cause, Cause::Network | Cause::Tick) || self.stats.rounds == 0 || self.lacks_cgroups();
        if look {
            self.host = self.look().await?;
        }
        if cause == Cause::Tick {
            self.datapath.recheck_attachments();
        }
        let mut failures = Failures::default();
        let (mut wanted, mut findings) = desired(&self.world, &self.host, &self.settings.node);
        let kept = self.qdiscs.keep(&self.netlink, &self.host, &mut wanted, look).await?;
        findings.notes.extend(kept.notes);
        for (uplink, error) in kept.failed {
            let object = ObjectRef { kind: "Uplink".to_owned(), name: uplink };
            failures.add(Some(object), PARTLY_APPLIED, error);
        }

        let pacing = Pacing { policed: kept.policed, ..Pacing::default() };
        let names = self.host.names();
        let observed = self.datapath.observe(&names)?;
        let mut rendered = render(&wanted, &self.host, &pacing, &observed);
        findings.notes.append(&mut rendered.notes);
        let changes = plan(&observed, &rendered.state);
        for finding in findings.rejections.iter().chain(&findings.notes) {
            if !self.last.findings.rejections.contains(finding) && !self.last.findings.notes.contains(finding) {
                warn!(%finding, "not (fully) enforced");
            }
        }
        self.note_departures(&changes);
        let (shaping, counting) =
            changes.split_at(changes.partition_point(|change| !only_counts(change, &rendered.state)));
        // A round that goes on with the last one's work does not begin it anew.
        let before = if cause == Cause::Rest { std::mem::take(&mut self.last.failed) } else { Vec::new() };
        let shaped = self.apply(shaping, &before, &names, Duration::MAX);
        failures.add_changes(&shaped.failed, &rendered);
        self.health.policy_tried(failures.summary());
        let counted = self.apply(counting, &before, &names, SLICE);
        failures.add_changes(&counted.failed, &rendered);
        self.last = Round {
            desired: wanted,
            versions: Versions::of(&self.world),
            findings,
            rendered,
            degraded: kept.degraded,
            qdiscs: kept.qdiscs,
            failed: [shaped.failed, counted.failed].concat(),
            failures,
        };
        if let Err(error) = self.count_beginnings().await {
            let error = format!("pods cannot be counted from their beginning: {error:#}");
            self.last.failures.add(None, PARTLY_APPLIED, error);
        }
        for error in self.qdiscs.forget_unwanted(&self.netlink, &self.host).await {
            self.last.failures.add(None, PARTLY_APPLIED, error);
        }
        Ok(counted.left > 0)
    }

    /// Applies changes in their order. See [`attempt`].
    fn apply(&mut self, changes: &[Change], before: &[Failed], names: &InterfaceNames, time: Duration) -> Attempts {
        let attempts = attempt(changes, before, time, |change| {
            debug!(?change, "apply");
            match self.datapath.apply(change, names) {
                // The link went while we looked; its event is on the way.
                Ok(()) | Err(DatapathError::NoInterface { .. }) => Ok(()),
                Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
            }
        });
        if attempts.tried > 0 {
            info!(changes = attempts.tried, left = attempts.left, failed = attempts.failed.len(), "applied");
        }
        attempts
    }

    /// Keeps the last counters of pods whose slots are about to be freed.
    fn note_departures(&mut self, changes: &[Change]) {
        let (now, now_ns) = (Instant::now(), clock::monotonic_ns());
        for change in changes {
            let Change::RemovePod(slot) = change else { continue };
            let Some((key, _)) = self.last.rendered.ids.pods.iter().find(|(_, id)| *id == slot) else { continue };
            match self.datapath.pod(*slot, now_ns) {
                Ok(counters) => self.departed.note(key.clone(), counters, now),
                Err(error) => warn!(pod = %key, %error, "the last counters of a pod that ended cannot be read"),
            }
        }
    }

    /// Reads the node's facts.
    async fn look(&self) -> anyhow::Result<Host> {
        let mut host = self.netlink.observe().await?;
        let wanted = self.host_network_uids();
        if !wanted.is_empty() {
            let found = tokio::task::spawn_blocking(move || cgroups::find(&wanted)).await;
            match found.context("the thread that reads cgroups ended early")? {
                Ok(found) => host.cgroups = found,
                // Other pods do not need cgroups; those that do get a note that theirs is missing.
                Err(error) => warn!(%error, "hostNetwork pods cannot be told apart"),
            }
        }
        if host.links.is_empty() {
            bail!("netlink lists no interface at all, not even the loopback");
        }
        Ok(host)
    }

    fn host_network_uids(&self) -> BTreeSet<String> {
        let here = |pod: &&weir_core::model::Pod| pod.host_network && !pod.ended && pod.node == self.settings.node;
        self.world.pods.values().filter(here).map(|pod| pod.uid.clone()).filter(|uid| !uid.is_empty()).collect()
    }

    /// Whether some hostNetwork pod's cgroup has not been found yet: cgroups send no events.
    fn lacks_cgroups(&self) -> bool {
        self.host_network_uids().iter().any(|uid| !self.host.cgroups.contains_key(uid))
    }
}

/// How long one round attaches programs that only count, ten milliseconds or so each: what comes meanwhile waits.
const SLICE: Duration = Duration::from_millis(20);
