//! Where programs stand on a kernel without tcx: clsact qdiscs that Weir makes and takes away again, and what others have
//! put in its way.

use std::collections::{BTreeMap, BTreeSet};

use weir_common::reason::Program;
use weir_core::{
    desired::{Desired, reasons},
    host::{Blocked, Host},
    model::{ObjectRef, Rejection},
    plan::Change,
};

use crate::{
    net::{
        Netlink,
        qdisc::{Base, Hooks},
    },
    state::{RecordedHook, RecordedHooks, StateFolder},
};

/// Keeps clsact where programs have to stand.
pub(super) struct HookKeeper {
    state: StateFolder,
    take_over: bool,
    recorded: RecordedHooks,
    /// What stands in the place of clsact, as of the last look.
    bases: BTreeMap<u32, Base>,
}

/// What was found in the way of the uplinks' programs.
#[derive(Debug, Default)]
pub(super) struct KeptHooks {
    /// Interfaces that are left alone.
    pub(super) notes: Vec<Rejection>,
    /// What could not be replaced, by uplink.
    pub(super) failed: Vec<(String, String)>,
}

impl HookKeeper {
    pub(super) fn new(state: StateFolder, take_over: bool) -> anyhow::Result<Self> {
        let recorded = state.hooks()?;
        Ok(Self { state, take_over, recorded, bases: BTreeMap::new() })
    }

    /// Reads the hooks of these interfaces, and notes in `host` on which of them nothing can be attached.
    pub(super) async fn look(
        &mut self,
        netlink: &Netlink,
        host: &mut Host,
        interfaces: BTreeSet<u32>,
    ) -> anyhow::Result<BTreeMap<u32, Hooks>> {
        self.bases = netlink.bases().await?;
        let hooks = netlink.hooks(interfaces).await?;
        for (ifindex, link) in &mut host.links {
            link.blocked = match (self.bases.get(ifindex), hooks.get(ifindex).and_then(Hooks::blocking_filter)) {
                (Some(Base::Ingress), _) => Some(Blocked::IngressQdisc),
                (_, Some(kind)) => Some(Blocked::Filter(kind.to_owned())),
                (_, None) => None,
            };
        }
        Ok(hooks)
    }

    /// Takes interfaces out of `desired` on which an uplink's program has no place, or makes one where Weir may take over.
    pub(super) async fn keep(&mut self, netlink: &Netlink, host: &mut Host, desired: &mut Desired) -> KeptHooks {
        let mut kept = KeptHooks::default();
        for (uplink, wanted) in &mut desired.uplinks {
            let mut refused = BTreeSet::new();
            for &ifindex in wanted.interfaces.keys() {
                // At a port's bridge Weir hands over who sends, without which pods behind other bridges are not known.
                for place in [Some(ifindex), host.bridge(ifindex)].into_iter().flatten() {
                    let name = host.name(place);
                    match host.blocked(place).cloned() {
                        None => {}
                        Some(Blocked::IngressQdisc) if self.take_over => {
                            match self.replace_ingress(netlink, place, &name).await {
                                Ok(()) => unblock(host, place),
                                Err(error) => {
                                    refused.insert(ifindex);
                                    let error = format!("cannot replace the ingress qdisc of {name}: {error:#}");
                                    kept.failed.push((uplink.clone(), error));
                                }
                            }
                        }
                        Some(blocked) => {
                            refused.insert(ifindex);
                            kept.notes.push(note(uplink, format!("interface {name} {}", in_the_way(&blocked))));
                        }
                    }
                }
            }
            wanted.interfaces.retain(|ifindex, _| !refused.contains(ifindex));
        }
        kept
    }

    /// Puts clsact in the place of somebody else's ingress qdisc.
    async fn replace_ingress(&mut self, netlink: &Netlink, ifindex: u32, interface: &str) -> anyhow::Result<()> {
        self.record(ifindex, RecordedHook { name: interface.to_owned(), had_ingress: true })?;
        netlink.replace_ingress(ifindex).await?;
        self.bases.insert(ifindex, Base::Clsact);
        Ok(())
    }

    /// Makes clsact where one of these changes attaches a program and there is none. Returns what failed.
    pub(super) async fn prepare(&mut self, netlink: &Netlink, host: &Host, changes: &[Change]) -> Vec<String> {
        let attached: BTreeSet<u32> = changes.iter().filter_map(attachment).map(|(ifindex, _)| ifindex).collect();
        let missing: Vec<u32> = attached
            .into_iter()
            .filter(|ifindex| self.bases.get(ifindex).is_none_or(|base| *base == Base::None))
            .collect();
        // Before they are made: an agent that dies in between must not leave a qdisc that nobody knows of.
        let mut recorded = self.recorded.clone();
        let entry = |ifindex: &u32| (*ifindex, RecordedHook { name: host.name(*ifindex), had_ingress: false });
        recorded.0.extend(missing.iter().map(entry));
        if let Err(error) = self.save(recorded) {
            return vec![format!("no clsact qdisc is made: {error:#}")];
        }
        let (mut not_ours, mut failed) = (Vec::new(), Vec::new());
        for ifindex in missing {
            match netlink.add_clsact(ifindex).await {
                Ok(true) => drop(self.bases.insert(ifindex, Base::Clsact)),
                Ok(false) => not_ours.push(ifindex),
                Err(error) => {
                    not_ours.push(ifindex);
                    failed.push(format!("cannot make a clsact qdisc on {}: {error}", host.name(ifindex)));
                }
            }
        }
        let mut recorded = self.recorded.clone();
        recorded.0.retain(|ifindex, _| !not_ours.contains(ifindex));
        if let Err(error) = self.save(recorded) {
            failed.push(format!("{error:#}"));
        }
        failed
    }

    /// Takes clsact away where Weir made it and nothing stands on it any more, and forgets interfaces that are gone.
    /// Returns what failed; it is tried again in the next round.
    pub(super) async fn forget_unwanted(
        &mut self,
        netlink: &Netlink,
        host: &Host,
        attached: &BTreeSet<(u32, Program)>,
    ) -> Vec<String> {
        let wanted: BTreeSet<u32> = attached.iter().map(|(ifindex, _)| *ifindex).collect();
        let (mut recorded, mut failed) = (self.recorded.clone(), Vec::new());
        for (ifindex, hook) in &self.recorded.0 {
            if wanted.contains(ifindex) {
                continue;
            }
            if host.links.contains_key(ifindex) {
                if let Err(error) = netlink.remove_idle_clsact(*ifindex, hook.had_ingress).await {
                    failed.push(format!("cannot remove clsact from {}: {error}", hook.name));
                    continue;
                }
                self.bases.remove(ifindex);
            }
            recorded.0.remove(ifindex);
        }
        if let Err(error) = self.save(recorded) {
            failed.push(format!("{error:#}"));
        }
        failed
    }

    fn record(&mut self, ifindex: u32, hook: RecordedHook) -> anyhow::Result<()> {
        let mut recorded = self.recorded.clone();
        recorded.0.insert(ifindex, hook);
        self.save(recorded)
    }

    /// Writes what is recorded, if it has changed. What could not be written is not taken for recorded.
    fn save(&mut self, recorded: RecordedHooks) -> anyhow::Result<()> {
        if recorded != self.recorded {
            self.state.save_hooks(&recorded)?;
            self.recorded = recorded;
        }
        Ok(())
    }
}

fn attachment(change: &Change) -> Option<(u32, Program)> {
    match *change {
        Change::Attach(ifindex, program) => Some((ifindex, program)),
        _ => None,
    }
}

fn unblock(host: &mut Host, ifindex: u32) {
    if let Some(link) = host.links.get_mut(&ifindex) {
        link.blocked = None;
    }
}

fn in_the_way(blocked: &Blocked) -> String {
    match blocked {
        Blocked::IngressQdisc => "has an ingress qdisc, beside which this kernel (before 6.6) has no place for a program \
                                  on its egress: replace it by clsact (`tc qdisc del dev … ingress`, then `tc qdisc add \
                                  dev … clsact`), or let Weir replace it with takeOver"
            .to_owned(),
        Blocked::Filter(kind) => format!(
            "has a {kind} filter with priority 1, behind which Weir's program might never see a packet: give it another \
             priority (a kernel from 6.6 on has a place of its own for Weir)"
        ),
    }
}

fn note(uplink: &str, message: String) -> Rejection {
    Rejection { object: ObjectRef::uplink(uplink), location: None, reason: reasons::HOOK_TAKEN.to_owned(), message }
}
