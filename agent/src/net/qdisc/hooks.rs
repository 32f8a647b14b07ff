//! The hooks of an interface where the kernel has no tcx: filters on its clsact qdisc.
//!
//! `ingress` and `clsact` stand in one place, and only clsact has an egress hook; a filter for egress that is added to an
//! `ingress` qdisc sees the packets that are *received*, as both share one block (`ingress_tcf_block`,
//! `net/sched/sch_ingress.c`). Filters run in the order of their priorities; those of kind `bpf` with one priority in the
//! order in which the kernel lists them, the newest first (`cls_bpf_change`, `net/sched/cls_bpf.c`), and the first that
//! gives a verdict ends it.

use std::collections::{BTreeMap, BTreeSet};

use nix::errno::Errno;

use super::{message, message::ETH_P_ALL, tree::Handle};
use crate::net::{Error, Netlink, Result, channel::Channel};

/// Where clsact and ingress stand (`TC_H_CLSACT`, `TC_H_INGRESS`), and their hooks (`linux/pkt_sched.h`).
const CLSACT: Handle = Handle { major: u16::MAX, minor: 0xfff1 };
const INGRESS_HOOK: Handle = Handle { major: u16::MAX, minor: 0xfff2 };
const EGRESS_HOOK: Handle = Handle { major: u16::MAX, minor: 0xfff3 };

/// Priority of Weir's filters: before those of others.
pub const PRIORITY: u16 = 1;
/// Handles of Weir's filters. There are two, so that one that others got in front of can be put in front again before
/// the old one goes.
pub const HANDLES: [u32; 2] = [0x5745, 0x5746];

/// What stands in the place of the clsact qdisc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    #[default]
    None,
    /// clsact: both hooks are there.
    Clsact,
    /// ingress: there is no egress hook, and no place for one.
    Ingress,
}

/// A filter, as far as it matters whether Weir's comes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Lower ones run first.
    pub priority: u16,
    /// The `EtherType` that it is for (`linux/if_ether.h`).
    pub protocol: u16,
    /// `bpf`, `u32`, …
    pub kind: String,
    /// Its handle within its priority.
    pub handle: u32,
}

impl Filter {
    /// Returns whether Weir made it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.kind == "bpf" && self.priority == PRIORITY && HANDLES.contains(&self.handle)
    }
}

/// The hooks of one interface: filters in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    /// What the filters stand on.
    pub base: Base,
    /// For packets that the interface receives.
    pub ingress: Vec<Filter>,
    /// For packets that it sends.
    pub egress: Vec<Filter>,
}

impl Hooks {
    /// The kind of a filter that has Weir's priority and is of another kind than `bpf`, or for some protocols only: the
    /// kernel keeps one kind and protocol for each priority (`tcf_chain_tp_find`, `net/sched/cls_api.c`), so that there is
    /// no place for Weir's.
    #[must_use]
    pub fn blocking_filter(&self) -> Option<&str> {
        let mut all = self.ingress.iter().chain(&self.egress);
        let blocks = |filter: &&Filter| filter.kind != "bpf" || filter.protocol != ETH_P_ALL;
        all.find(|filter| filter.priority == PRIORITY && blocks(filter)).map(|filter| filter.kind.as_str())
    }
}

impl Netlink {
    /// Reads what stands in the place of clsact, for every interface that has something there.
    ///
    /// # Errors
    /// When the kernel refuses, or the qdiscs keep changing meanwhile.
    pub async fn bases(&self) -> Result<BTreeMap<u32, Base>> {
        self.with(bases).await
    }

    /// Reads the hooks of these interfaces. One that is gone meanwhile is left out.
    ///
    /// # Errors
    /// When the kernel refuses, or the filters keep changing meanwhile.
    pub async fn hooks(&self, interfaces: BTreeSet<u32>) -> Result<BTreeMap<u32, Hooks>> {
        self.with(move |channel| {
            let bases = bases(channel)?;
            let mut found = BTreeMap::new();
            for ifindex in interfaces {
                let base = bases.get(&ifindex).copied().unwrap_or_default();
                found.extend(hooks(channel, ifindex, base)?.map(|hooks| (ifindex, hooks)));
            }
            Ok(found)
        })
        .await
    }

    /// Puts clsact on an interface. Returns whether it was missing.
    ///
    /// # Errors
    /// When the kernel refuses, as it does where an `ingress` qdisc stands.
    pub async fn add_clsact(&self, ifindex: u32) -> Result<bool> {
        self.with(move |channel| add(channel, ifindex, "clsact")).await
    }

    /// Puts clsact in the place of an `ingress` qdisc. Its filters go with it.
    ///
    /// # Errors
    /// When the kernel refuses; an interface that is gone meanwhile is no error.
    pub async fn replace_ingress(&self, ifindex: u32) -> Result<()> {
        self.with(move |channel| {
            remove(channel, ifindex)?;
            add(channel, ifindex, "clsact").map(|_| ())
        })
        .await
    }

    /// Removes Weir's filters from an interface. Returns how many there were.
    ///
    /// # Errors
    /// When the kernel refuses, or filters of Weir are there still.
    pub async fn remove_filters(&self, ifindex: u32) -> Result<usize> {
        self.with(move |channel| remove_filters(channel, ifindex)).await
    }

    /// Removes the clsact qdisc of an interface if it is there and no filter, of anybody, stands on it; then puts back the
    /// `ingress` qdisc that was there before, if there was one. Returns whether it was removed.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_idle_clsact(&self, ifindex: u32, had_ingress: bool) -> Result<bool> {
        self.with(move |channel| {
            if bases(channel)?.get(&ifindex) != Some(&Base::Clsact) {
                return Ok(false);
            }
            let Some(hooks) = hooks(channel, ifindex, Base::Clsact)? else { return Ok(false) };
            if !hooks.ingress.is_empty() || !hooks.egress.is_empty() {
                return Ok(false);
            }
            let removed = remove(channel, ifindex)?;
            if had_ingress {
                add(channel, ifindex, "ingress")?;
            }
            Ok(removed)
        })
        .await
    }
}

fn bases(channel: &mut Channel) -> Result<BTreeMap<u32, Base>> {
    let found = channel.dump("list the qdiscs", &message::all_qdiscs(), message::parse)?;
    let bases = found.into_iter().filter_map(|found| {
        let base = match found.qdisc.kind.as_str() {
            "clsact" => Base::Clsact,
            "ingress" => Base::Ingress,
            _ => return None,
        };
        Some((found.ifindex, base))
    });
    Ok(bases.collect())
}

/// The filters of an interface; none if it is gone meanwhile.
fn hooks(channel: &mut Channel, ifindex: u32, base: Base) -> Result<Option<Hooks>> {
    let mut hooks = Hooks { base, ..Hooks::default() };
    if base != Base::None {
        let Some(ingress) = filters(channel, ifindex, INGRESS_HOOK)? else { return Ok(None) };
        hooks.ingress = ingress;
    }
    if base == Base::Clsact {
        let Some(egress) = filters(channel, ifindex, EGRESS_HOOK)? else { return Ok(None) };
        hooks.egress = egress;
    }
    Ok(Some(hooks))
}

/// Filters of a hook in their order; none if the interface or its qdisc is gone.
fn filters(channel: &mut Channel, ifindex: u32, hook: Handle) -> Result<Option<Vec<Filter>>> {
    let action = format!("list the filters at {hook} of interface {ifindex}");
    match channel.dump(&action, &message::filters_at(ifindex, hook), message::parse_filter) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn add(channel: &mut Channel, ifindex: u32, kind: &str) -> Result<bool> {
    let action = format!("put {kind} on interface {ifindex}");
    match channel.change(&action, message::CREATE_ONLY, message::new_base(ifindex, CLSACT, kind)) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(Errno::EEXIST) => match bases(channel)?.get(&ifindex) {
            Some(Base::Clsact) if kind == "clsact" => Ok(false),
            Some(Base::Ingress) if kind == "ingress" => Ok(false),
            _ => Err(error),
        },
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(channel: &mut Channel, ifindex: u32) -> Result<bool> {
    let action = format!("remove the clsact or ingress qdisc of interface {ifindex}");
    match channel.change(&action, 0, message::delete_base(ifindex, CLSACT)) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_filters(channel: &mut Channel, ifindex: u32) -> Result<usize> {
    let mut removed = 0;
    let base = bases(channel)?.get(&ifindex).copied().unwrap_or_default();
    let Some(found) = hooks(channel, ifindex, base)? else { return Ok(removed) };
    for (hook, filters) in [(INGRESS_HOOK, found.ingress), (EGRESS_HOOK, found.egress)] {
        for filter in filters.iter().filter(|filter| filter.is_ours()) {
            let action = format!("remove filter {:#x} at {hook} of interface {ifindex}", filter.handle);
            match channel.change(&action, 0, message::delete_filter(ifindex, hook, filter)) {
                Ok(()) => removed += 1,
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}

/// Returns whether the kernel says that there is no such qdisc or filter, or no such interface any more.
fn is_absent(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOENT | Errno::EINVAL | Errno::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(priority: u16, kind: &str, handle: u32) -> Filter {
        Filter { priority, protocol: ETH_P_ALL, kind: kind.to_owned(), handle }
    }

    #[test]
    fn ours_are_told_by_priority_kind_and_handle() {
        assert!(filter(1, "bpf", 0x5745).is_ours() && filter(1, "bpf", 0x5746).is_ours());
        for other in [filter(2, "bpf", 0x5745), filter(1, "u32", 0x5745), filter(1, "bpf", 1)] {
            assert!(!other.is_ours(), "{other:?}");
        }
    }

    #[test]
    fn another_kind_or_protocol_with_the_same_priority_blocks() {
        let hooks = |filter| Hooks { base: Base::Clsact, egress: vec![filter], ..Hooks::default() };
        assert_eq!(hooks(filter(1, "u32", 1)).blocking_filter(), Some("u32"));
        assert_eq!(hooks(filter(1, "bpf", 1)).blocking_filter(), None);
        assert_eq!(hooks(filter(49152, "matchall", 1)).blocking_filter(), None);
        let of_ipv4 = Filter { protocol: 0x0800, ..filter(1, "bpf", 1) };
        assert_eq!(hooks(of_ipv4).blocking_filter(), Some("bpf"));
    }
}
