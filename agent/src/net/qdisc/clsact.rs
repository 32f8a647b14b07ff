//! The clsact qdisc: not a queue, but the hook that filters stand on where the kernel has no tcx.

use nix::errno::Errno;

use super::{message, tree::Handle};
use crate::net::{Error, Netlink, Result, channel::Channel};

/// Where clsact stands, and its two hooks (`TC_H_CLSACT`, `TC_H_MIN_INGRESS`, `TC_H_MIN_EGRESS`, `linux/pkt_sched.h`).
const CLSACT: Handle = Handle { major: u16::MAX, minor: 0xfff1 };
const HOOKS: [Handle; 2] = [Handle { major: u16::MAX, minor: 0xfff2 }, Handle { major: u16::MAX, minor: 0xfff3 }];

impl Netlink {
    /// Removes the clsact qdisc of an interface if it is there and no filter, of anybody, stands on it. Says whether
    /// it was removed.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_idle_clsact(&self, ifindex: u32) -> Result<bool> {
        self.with(move |channel| remove_idle(channel, ifindex)).await
    }
}

fn remove_idle(channel: &mut Channel, ifindex: u32) -> Result<bool> {
    for hook in HOOKS {
        let action = format!("list the filters at {hook} of interface {ifindex}");
        match channel.dump(&action, &message::filters_at(ifindex, hook), message::parse) {
            Ok(found) if found.is_empty() => {}
            Ok(_) => return Ok(false),
            Err(error) if is_absent(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    let action = format!("remove the clsact qdisc of interface {ifindex}");
    match channel.change(&action, 0, message::delete_clsact(ifindex, CLSACT)) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the kernel says that there is no such qdisc, or no such interface any more.
fn is_absent(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOENT | Errno::EINVAL | Errno::ENODEV))
}
