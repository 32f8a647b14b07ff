//! One round of the loop.
//!
//! A step that fails keeps no other from being made: its failure is collected, and said of the object that it was made
//! for. Only where the node or the kernel cannot be read at all is there nothing to go on with.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};
use weir_common::reason::Program;
use weir_core::{
    desired::desired,
    kernel::{Pacing, needs_splitter, render},
    model::ObjectRef,
    plan::{Change, only_counts, plan},
    snapshot::{NOT_APPLIED, PARTLY_APPLIED, Versions},
};

use super::{
    Cause, Reconciler, Round,
    attempts::{Attempts, Failed, attempt},
    failures::Failures,
    splitter::Splitter,
};
use crate::{
    clock,
    datapath::{DatapathError, InterfaceNames},
};

impl Reconciler {
    /// Looks, computes, and applies what differs. Returns whether there is more to do at once: changes that have not been
    /// tried, or that had to wait for these.
    ///
    /// # Errors
    /// When the node or the kernel cannot be read, so that nothing was tried.
    pub(super) async fn round(&mut self, cause: Cause) -> anyhow::Result<bool> {
        let start = Instant::now();
        let look = matches!(cause, Cause::Network | Cause::Tick) || !self.has_looked;
        if look {
            self.has_looked = false;
            self.look(cause == Cause::Tick).await?;
        }
        let mut failures = Failures::default();
        let (mut wanted, mut findings) = desired(&self.world, &self.host, &self.settings.node);
        let hooks = self.hooks.keep(&self.netlink, &mut self.host, &mut wanted).await;
        findings.notes.extend(hooks.notes);
        for (uplink, error) in hooks.failed {
            failures.add(Some(ObjectRef::uplink(&uplink)), NOT_APPLIED, error);
        }
        let kept = self.qdiscs.keep(&self.netlink, &self.host, &mut wanted, look).await?;
        findings.notes.extend(kept.notes);
        for (uplink, error) in kept.failed {
            failures.add(Some(ObjectRef::uplink(&uplink)), PARTLY_APPLIED, error);
        }

        let pacing = Pacing { policed: kept.policed, ..Pacing::default() };
        let names = self.host.names();
        let observed = self.datapath.observe(&names)?;
        let mut splitter = Splitter::Kept;
        if needs_splitter(&wanted, &pacing) {
            match self.keep_splitter(&observed).await {
                Ok(kept) => splitter = kept,
                Err(error) => failures.add(None, PARTLY_APPLIED, error),
            }
        }
        let now = Instant::now();
        self.resting.retain(|_, since| now.saturating_duration_since(*since) < REST);
        let resting = self.resting.keys().copied().collect();
        let mut rendered = render(&wanted, &self.host, &pacing, &observed, &resting);
        findings.notes.append(&mut rendered.notes);
        let changes = plan(&observed, &rendered.state);
        for finding in findings.rejections.iter().chain(&findings.notes) {
            if !self.last.findings.rejections.contains(finding) && !self.last.findings.notes.contains(finding) {
                warn!(%finding, "not (fully) enforced");
            }
        }
        self.note_departures(&changes);
        if !self.datapath.uses_tcx() {
            for error in self.hooks.prepare(&self.netlink, &self.host, &changes).await {
                failures.add(None, PARTLY_APPLIED, error);
            }
        }
        let (shaping, counting) =
            changes.split_at(changes.partition_point(|change| !only_counts(change, &rendered.state)));
        // A round that goes on with the last one's work does not begin it anew.
        let before = if cause == Cause::Rest { std::mem::take(&mut self.last.failed) } else { Vec::new() };
        let shaped = self.apply(shaping, &before, &names, Duration::MAX);
        failures.add_changes(&shaped.failed, &rendered);
        if shaped.failed.is_empty() {
            self.remove_leftovers(&rendered.state.attached, &names, &mut failures);
        }
        self.health.policy_tried(failures.summary());
        let counted = self.apply(counting, &before, &names, SLICE.max(start.elapsed()));
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
        let mut errors = self.qdiscs.forget_unwanted(&self.netlink, &self.host).await;
        let attached = &self.last.rendered.state.attached;
        errors.extend(self.hooks.forget_unwanted(&self.netlink, &self.host, attached).await);
        for error in errors {
            self.last.failures.add(None, PARTLY_APPLIED, error);
        }
        // A program that could not be attached is tried again with the others, on the next tick.
        let awaits_splitter = splitter == Splitter::InUse || self.last.rendered.awaits_splitter;
        Ok(counted.left > 0 || awaits_splitter && self.last.failed.is_empty())
    }

    /// Takes away what other versions and earlier agents of Weir attached, once all that shapes of this one is in place:
    /// their programs would write into the same packets.
    fn remove_leftovers(&mut self, wanted: &BTreeSet<(u32, Program)>, names: &InterfaceNames, failures: &mut Failures) {
        if self.is_alone {
            return;
        }
        match self.datapath.remove_leftovers(wanted, names) {
            Ok(removed) => {
                self.is_alone = true;
                if !removed.is_empty() {
                    info!(?removed, "removed the programs and maps of other versions");
                }
            }
            Err(error) => {
                let error = format!("programs of another agent of Weir are still attached: {error:#}");
                failures.add(None, PARTLY_APPLIED, error);
            }
        }
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
            self.resting.insert(*slot, now);
            let Some((key, _)) = self.last.rendered.ids.pods.iter().find(|(_, id)| *id == slot) else { continue };
            match self.datapath.pod(*slot, now_ns) {
                Ok(counters) => self.departed.note(key.clone(), counters, now),
                Err(error) => warn!(pod = %key, %error, "the last counters of a pod that ended cannot be read"),
            }
        }
    }
}

/// How long a slot is given to nobody after its pod has ended, unless there is no other: a packet that waits in some queue
/// of the node may still carry it.
const REST: Duration = Duration::from_secs(10);
/// How long one round attaches programs that only count, ten milliseconds or so each, or as long as the rest of the round
/// took if that is longer, or most of the time would go into beginning again. What comes meanwhile waits.
const SLICE: Duration = Duration::from_millis(20);
