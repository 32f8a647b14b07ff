//! Puts `fq` on a device.

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use nix::errno::Errno;

use super::{
    fq, message,
    tree::{self, Handle, Qdisc},
};
use crate::net::{Error, Netlink, Result, channel::Channel};

/// The loopback device of every namespace (`LOOPBACK_IFINDEX`, `net/flow.h`).
const LOOPBACK: u32 = 1;

impl Netlink {
    /// Whether this kernel has `fq`, built in or as a module that it loads now. Changes nothing.
    ///
    /// # Errors
    /// When the kernel refuses for another reason: without `CAP_NET_ADMIN` it cannot be known.
    pub async fn has_fq(&self) -> Result<bool> {
        self.with(has_fq).await
    }

    /// Puts `fq` on a device: at its root, or with `tx_queues` > 1 one per queue under `mq`. See the module's page for
    /// what a change costs. [`Self::record_qdisc`] what is there first, and keep it.
    ///
    /// Does only what is missing: a root of ours stays, and only those of its queues get an `fq` that lack it. The horizon
    /// and the number of buckets that another program gave an `fq` there stay as they are.
    ///
    /// # Errors
    /// [`Error::NoFq`]; then nothing was changed. Any other refusal leaves the root possibly replaced:
    /// [`Self::restore_qdisc`] puts back what was recorded.
    pub async fn install_fq(&self, ifindex: u32, tx_queues: u32) -> Result<()> {
        self.with(move |channel| install(channel, ifindex, tx_queues)).await
    }
}

fn install(channel: &mut Channel, ifindex: u32, tx_queues: u32) -> Result<()> {
    if !has_fq(channel)? {
        return Err(Error::NoFq);
    }
    let current = tree::read(channel)?.remove(&ifindex);
    let options = Some(fq::options(current.as_ref()));
    if tx_queues <= 1 {
        let fq = Qdisc { kind: "fq".to_owned(), handle: Handle::OURS, parent: Handle::ROOT, options };
        return put_root(channel, ifindex, &fq);
    }
    if !current.is_some_and(|current| current.is_ours() && current.root.kind == "mq") {
        let mq = Qdisc { kind: "mq".to_owned(), handle: Handle::OURS, parent: Handle::ROOT, options: None };
        put_root(channel, ifindex, &mq)?;
    }
    // Which queues are in use is known from the leaves that the kernel lists.
    let Some(current) = tree::read(channel)?.remove(&ifindex) else { return Ok(()) };
    for leaf in current.leaves().filter(|leaf| !fq::is_wanted(leaf)) {
        // Without a handle an fq that the kernel put there by itself is changed in place.
        let fq =
            Qdisc { kind: "fq".to_owned(), handle: Handle::default(), parent: leaf.parent, options: options.clone() };
        let action = format!("put fq on queue {} of interface {ifindex}", leaf.parent.minor);
        channel.change(&action, NLM_F_CREATE | NLM_F_REPLACE, message::new_qdisc(ifindex, &fq))?;
    }
    Ok(())
}

/// Puts a qdisc at the root in place of whatever is there; one of the same handle and kind is changed in place.
pub(super) fn put_root(channel: &mut Channel, ifindex: u32, qdisc: &Qdisc) -> Result<()> {
    // A handle stands for one qdisc of the device. The kernel may have given it to one of the queues meanwhile.
    let taken = tree::read(channel)?.get(&ifindex).is_some_and(|current| {
        let other_root = current.root.handle == qdisc.handle && current.root.kind != qdisc.kind;
        other_root || current.below.iter().any(|below| below.handle == qdisc.handle)
    });
    if taken {
        channel.change(&format!("remove the root qdisc of interface {ifindex}"), 0, message::delete_root(ifindex))?;
    }
    let action = format!("make {} the root qdisc of interface {ifindex}", qdisc.kind);
    channel.change(&action, NLM_F_CREATE | NLM_F_REPLACE, message::new_qdisc(ifindex, qdisc))
}

/// Asks for an `fq` on the loopback device with an option that no version accepts: the kernel looks the kind up, loads
/// its module if there is one, and only then refuses the option (`qdisc_create`, `net/sched/sch_api.c`).
fn has_fq(channel: &mut Channel) -> Result<bool> {
    let impossible = fq::encode([(fq::TCA_FQ_BUCKETS_LOG, u32::MAX)]);
    let probe = Qdisc { kind: "fq".to_owned(), handle: Handle::OURS, parent: Handle::ROOT, options: Some(impossible) };
    let action = "look for the fq qdisc";
    match channel.change(action, NLM_F_CREATE | NLM_F_REPLACE, message::new_qdisc(LOOPBACK, &probe)) {
        Err(Error::Kernel { errno: Errno::EINVAL | Errno::ERANGE, .. }) => Ok(true),
        Err(Error::Kernel { errno: Errno::ENOENT, .. }) => Ok(false),
        Err(other) => Err(other),
        Ok(()) => channel.change(action, 0, message::delete_root(LOOPBACK)).map(|()| true),
    }
}
