//! Looks at the node: its network, its pods' cgroups, and what stands on its hooks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context as _, bail};
use tracing::warn;
use weir_common::reason::Program;
use weir_core::model::Pod;

use super::Reconciler;
use crate::net::{cgroups, retry};

/// Something of which no event says that it has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Expected {
    /// Addresses at the other end of the veth with this ifindex.
    Addresses(u32),
    /// The cgroup with this UID in its name.
    Cgroup(String),
}

impl Reconciler {
    /// Reads the node's facts. `all_hooks` reads those of every interface again; else only of those on which not
    /// everything stands that should.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub(super) async fn look(&mut self, all_hooks: bool) -> anyhow::Result<()> {
        let mut host = self.netlink.observe().await?;
        if host.links.is_empty() {
            bail!("netlink lists no interface at all, not even the loopback");
        }
        let wanted = self.local_pods().map(|pod| pod.cgroup_uid.clone()).filter(|uid| !uid.is_empty()).collect();
        let found = tokio::task::spawn_blocking(move || cgroups::find(&wanted)).await;
        match found.context("the thread that reads cgroups ended early")? {
            Ok(found) => (host.cgroups, host.legacy_cgroups) = (found.cgroups, found.legacy),
            // Those that are known stay so. Other pods do not need cgroups; new ones get a note that theirs is missing.
            Err(error) => {
                warn!(%error, "the cgroups of new pods cannot be read");
                (host.cgroups, host.legacy_cgroups) = (self.host.cgroups.clone(), self.host.legacy_cgroups.clone());
            }
        }
        let names = host.names();
        let hooks = if self.datapath.uses_tcx() {
            BTreeMap::new()
        } else {
            let interfaces = host.links.keys().copied().filter(|&ifindex| all_hooks || !self.is_settled(ifindex));
            let interfaces: BTreeSet<u32> = interfaces.collect();
            self.hooks.look(&self.netlink, &mut host, interfaces).await?
        };
        self.datapath.look_at_attachments(&names, hooks, all_hooks);
        self.host = host;
        self.has_looked = true;
        Ok(())
    }

    /// Returns whether a pod's interface has all of its programs. Others, an uplink's above all, are looked at each time.
    fn is_settled(&self, ifindex: u32) -> bool {
        [Program::PodTx, Program::PodRx].iter().all(|program| self.datapath.is_attached(ifindex, *program))
    }

    /// When to look again for what is awaited, if not only on the next event or tick.
    pub(super) fn look_again(&mut self, now: Instant) -> Option<Instant> {
        let addresses = retry::without_addresses(&self.host).map(Expected::Addresses);
        let lacks_cgroup = |pod: &&Pod| {
            let uid = &pod.cgroup_uid;
            !uid.is_empty() && !self.host.cgroups.contains_key(uid) && !self.host.legacy_cgroups.contains(uid)
        };
        let cgroups = self.local_pods().filter(lacks_cgroup).map(|pod| Expected::Cgroup(pod.cgroup_uid.clone()));
        let missing: Vec<Expected> = addresses.chain(cgroups).collect();
        self.awaited.missing(missing, now)
    }

    fn local_pods(&self) -> impl Iterator<Item = &Pod> {
        self.world.pods.values().filter(|pod| !pod.ended && pod.node == self.settings.node)
    }
}
