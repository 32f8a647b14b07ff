//! One round of the loop.

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
    plan::{Change, only_counts, plan},
    snapshot::Versions,
};

use super::{Cause, Reconciler, Round};
use crate::{
    clock,
    datapath::{DatapathError, InterfaceNames},
    net::cgroups,
};

impl Reconciler {
    /// Looks, computes, and applies what differs; says whether something is left for another round.
    pub(super) async fn round(&mut self, cause: Cause) -> anyhow::Result<bool> {
        let look = matches!(cause, Cause::Network | Cause::Tick) || self.stats.rounds == 0 || self.lacks_cgroups();
        if look {
            self.host = self.look().await?;
        }
        if cause == Cause::Tick {
            self.datapath.recheck_attachments();
        }
        let (mut wanted, mut findings) = desired(&self.world, &self.host, &self.settings.node);
        let kept = self.qdiscs.keep(&self.netlink, &self.host, &mut wanted, look).await?;
        findings.notes.extend(kept.notes);

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
        let versions = Versions::of(&self.world);
        self.last =
            Round { desired: wanted, versions, findings, rendered, degraded: kept.degraded, qdiscs: kept.qdiscs };
        let shaped = self.apply(shaping, &names, Duration::MAX);
        if shaped.is_ok() {
            self.health.policy_enforced();
        }
        let counted = self.apply(counting, &names, SLICE);
        let applied = shaped.and(counted)?;
        self.count_beginnings().await?;
        self.qdiscs.forget_unwanted(&self.netlink, &self.host).await?;
        Ok(applied < counting.len())
    }

    /// Applies changes in their order, and says how many. Once `time` has passed the rest is left, unless one has
    /// failed: those behind it would never get their turn.
    fn apply(&mut self, changes: &[Change], names: &InterfaceNames, time: Duration) -> anyhow::Result<usize> {
        let (start, mut applied, mut failures) = (Instant::now(), 0, Vec::new());
        for change in changes {
            if failures.is_empty() && start.elapsed() >= time {
                break;
            }
            debug!(?change, "apply");
            applied += 1;
            match self.datapath.apply(change, names) {
                // The link went while we looked; its event is on the way.
                Ok(()) | Err(DatapathError::NoInterface { .. }) => {}
                Err(error) => failures.push(anyhow::Error::from(error)),
            }
        }
        if applied > 0 {
            info!(changes = applied, left = changes.len() - applied, failed = failures.len(), "applied");
        }
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(applied),
            Some(first) if failed == 1 => Err(first),
            Some(first) => Err(first.context(format!("{failed} changes failed, the first of them"))),
        }
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
