//! Keeps `fq` on the devices that carry an uplink, and remembers what was there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tracing::info;
use weir_core::{
    desired::{Desired, DesiredUplink},
    host::Host,
    model::{ObjectRef, Rejection},
    snapshot::Degraded,
};

use crate::{
    net::{
        Netlink,
        qdisc::{Decision, Recorded, RootQdisc, carriers, decide},
    },
    state::{RecordedQdisc, RecordedQdiscs, StateFolder},
};

/// A kernel without `fq` is asked for it again after this time: each question may start `modprobe`.
const ASK_AGAIN: Duration = Duration::from_mins(10);

/// Keeps the qdiscs of uplinks as they should be.
pub(super) struct QdiscKeeper {
    state: StateFolder,
    take_over: bool,
    recorded: RecordedQdiscs,
    /// What the last look that succeeded led to, for rounds that change no interface. A look that fails leaves it as
    /// it is, because a device that is missing here gets its old qdisc back.
    last: Option<(BTreeMap<String, BTreeSet<u32>>, Kept)>,
    /// Whether this kernel has `fq`, and when it was asked.
    has_fq: Option<(bool, Instant)>,
}

/// What became of the uplinks' devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Uplinks on which packets cannot wait.
    pub(super) policed: BTreeSet<String>,
    /// Uplinks with a device that could not be prepared, and why.
    pub(super) failed: Vec<(String, String)>,
    /// Interfaces that are left alone, with the reasons.
    pub(super) notes: Vec<Rejection>,
    /// What this kernel lacks.
    pub(super) degraded: Vec<Degraded>,
    /// Root qdiscs by uplink and interface name.
    pub(super) qdiscs: BTreeMap<String, BTreeMap<String, String>>,
    /// Interfaces that another shaper has.
    refused: BTreeSet<u32>,
    /// Devices that carry an uplink.
    wanted: BTreeSet<u32>,
}

impl QdiscKeeper {
    pub(super) fn new(state: StateFolder, take_over: bool) -> anyhow::Result<Self> {
        let recorded = state.qdiscs()?;
        Ok(Self { state, take_over, recorded, last: None, has_fq: None })
    }

    /// Puts `fq` where it is missing, and takes interfaces out of `desired` that another shaper has.
    ///
    /// Does nothing but repeat the last answer when neither `look` nor the uplinks' interfaces ask for more.
    pub(super) async fn keep(
        &mut self,
        netlink: &Netlink,
        host: &Host,
        desired: &mut Desired,
        look: bool,
    ) -> anyhow::Result<Kept> {
        let interfaces: BTreeMap<String, BTreeSet<u32>> = desired
            .uplinks
            .iter()
            .map(|(name, uplink)| (name.clone(), uplink.interfaces.keys().copied().collect()))
            .collect();
        let kept = match &self.last {
            Some((last, kept)) if !look && *last == interfaces => kept.clone(),
            _ => self.look(netlink, host, desired).await?,
        };
        for uplink in desired.uplinks.values_mut() {
            uplink.interfaces.retain(|ifindex, _| !kept.refused.contains(ifindex));
        }
        self.last = Some((interfaces, kept.clone()));
        Ok(kept)
    }

    async fn look(&mut self, netlink: &Netlink, host: &Host, desired: &Desired) -> anyhow::Result<Kept> {
        let mut kept = Kept::default();
        if desired.uplinks.is_empty() {
            return Ok(kept);
        }
        let has_fq = self.has_fq(netlink).await?;
        if !has_fq {
            kept.degraded.push(Degraded {
                reason: Degraded::NO_FQ,
                message: "degraded: no fq: this kernel cannot make packets wait (CONFIG_NET_SCH_FQ, module sch_fq), \
                          so what is over a ceiling is dropped, and guarantees and borrowing do not work"
                    .to_owned(),
            });
        }
        let mut current = netlink.root_qdiscs().await?;
        let mut installed = false;
        for (name, uplink) in &desired.uplinks {
            installed |= self.uplink(netlink, host, &current, name, uplink, has_fq, &mut kept).await;
        }
        if installed {
            current = netlink.root_qdiscs().await?;
        }
        for (name, uplink) in &desired.uplinks {
            let of_uplink = kept.qdiscs.entry(name.clone()).or_default();
            for carrier in uplink.interfaces.keys().flat_map(|&ifindex| carriers(&host.links, ifindex)) {
                let label = current.get(&carrier).map_or_else(|| "none".to_owned(), ToString::to_string);
                of_uplink.insert(host.name(carrier), label);
            }
        }
        Ok(kept)
    }

    /// Asks the kernel once. Where there is no `fq` it is asked again now and then, because somebody may load the module.
    async fn has_fq(&mut self, netlink: &Netlink) -> anyhow::Result<bool> {
        if let Some((has_fq, asked)) = self.has_fq
            && (has_fq || asked.elapsed() < ASK_AGAIN)
        {
            return Ok(has_fq);
        }
        let has_fq = netlink.has_fq().await?;
        self.has_fq = Some((has_fq, Instant::now()));
        Ok(has_fq)
    }

    /// Looks after the devices of one uplink; says whether something was installed.
    #[allow(clippy::too_many_arguments)] // One call site; a struct of these would have no other use.
    async fn uplink(
        &mut self,
        netlink: &Netlink,
        host: &Host,
        current: &BTreeMap<u32, RootQdisc>,
        name: &str,
        uplink: &DesiredUplink,
        has_fq: bool,
        kept: &mut Kept,
    ) -> bool {
        let mut installed = false;
        if !has_fq {
            kept.policed.insert(name.to_owned());
        }
        for &interface in uplink.interfaces.keys() {
            for carrier in carriers(&host.links, interface) {
                let queues = host.links.get(&carrier).map_or(1, |link| link.tx_queues);
                match decide(current.get(&carrier), queues, self.take_over) {
                    Decision::Refuse { what } => {
                        kept.refused.insert(interface);
                        kept.notes.push(another_shaper(name, &host.name(carrier), &what));
                    }
                    Decision::Keep => {
                        kept.wanted.insert(carrier);
                        if current.get(&carrier).is_some_and(RootQdisc::is_ours)
                            && let Err(error) = self.adopt(carrier, &host.name(carrier))
                        {
                            kept.failed.push((name.to_owned(), format!("{error:#}")));
                        }
                    }
                    Decision::Install if !has_fq => {}
                    Decision::Install => {
                        kept.wanted.insert(carrier);
                        installed = true;
                        let install = self.install(netlink, host, carrier, queues, current.get(&carrier));
                        if let Err(error) = install.await {
                            // Without fq nothing can wait, so what is over a ceiling is dropped.
                            kept.policed.insert(name.to_owned());
                            let device = host.name(carrier);
                            kept.failed.push((name.to_owned(), format!("cannot put fq on {device}: {error:#}")));
                        }
                    }
                }
            }
        }
        installed
    }

    async fn install(
        &mut self,
        netlink: &Netlink,
        host: &Host,
        ifindex: u32,
        queues: u32,
        current: Option<&RootQdisc>,
    ) -> anyhow::Result<()> {
        let name = host.name(ifindex);
        if current.is_some_and(RootQdisc::is_ours) {
            self.adopt(ifindex, &name)?;
        } else {
            let before = netlink.record_qdisc(ifindex).await?;
            // Before the change: an agent that dies in between must not leave a qdisc that nobody knows of.
            self.record(ifindex, RecordedQdisc { name: name.clone(), before })?;
        }
        match netlink.install_fq(ifindex, queues).await {
            Ok(()) => {
                let was = current.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                info!(interface = name, queues, was, "put fq on the interface");
                Ok(())
            }
            // Gone while we looked; its event is on the way.
            Err(error) if error.errno() == Some(nix::errno::Errno::ENODEV) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Records the kernel's default for a qdisc of ours whose record was lost, so that it is put back one day.
    fn adopt(&mut self, ifindex: u32, name: &str) -> anyhow::Result<()> {
        if self.recorded.0.contains_key(&ifindex) {
            return Ok(());
        }
        self.record(ifindex, RecordedQdisc { name: name.to_owned(), before: Recorded::KernelDefault })
    }

    /// Records what is put back one day. What could not be written is not taken for recorded.
    fn record(&mut self, ifindex: u32, entry: RecordedQdisc) -> anyhow::Result<()> {
        let mut recorded = self.recorded.clone();
        recorded.0.insert(ifindex, entry);
        self.state.save_qdiscs(&recorded)?;
        self.recorded = recorded;
        Ok(())
    }

    /// Puts back what stood on devices that carry no uplink any more, and forgets devices that are gone. Returns what
    /// failed; it is tried again in the next round.
    pub(super) async fn forget_unwanted(&mut self, netlink: &Netlink, host: &Host) -> Vec<String> {
        let Some((_, kept)) = &self.last else { return Vec::new() };
        let unwanted: Vec<u32> =
            self.recorded.0.keys().filter(|ifindex| !kept.wanted.contains(ifindex)).copied().collect();
        let (mut forgotten, mut failed) = (false, Vec::new());
        for ifindex in unwanted {
            let Some(recorded) = self.recorded.0.get(&ifindex).cloned() else { continue };
            let interface = recorded.name;
            if host.links.contains_key(&ifindex) {
                match netlink.restore_qdisc(ifindex, recorded.before).await {
                    Ok(restored) => {
                        info!(interface, ?restored, "put back the qdisc of an interface that carries no uplink now");
                    }
                    Err(error) => {
                        failed.push(format!("cannot put back the qdisc of {interface}: {error}"));
                        continue;
                    }
                }
            }
            self.recorded.0.remove(&ifindex);
            forgotten = true;
        }
        if forgotten && let Err(error) = self.state.save_qdiscs(&self.recorded) {
            failed.push(format!("{error:#}"));
        }
        failed
    }
}

fn another_shaper(uplink: &str, interface: &str, what: &str) -> Rejection {
    Rejection {
        object: ObjectRef::uplink(uplink),
        location: None,
        reason: "AnotherShaper".to_owned(),
        message: format!(
            "somebody set up the qdisc of interface {interface} ({what}), and two shapers would work against each \
             other: remove it (`tc qdisc del dev {interface} root`), or let Weir replace it with takeOver"
        ),
    }
}
