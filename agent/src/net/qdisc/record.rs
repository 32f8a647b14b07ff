//! Remembers what stood on an interface, and puts it back.

use std::collections::BTreeSet;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::{
    install::put_root,
    message,
    tree::{self, Handle, Qdisc, RootQdisc},
};
use crate::net::{Error, Netlink, Result, channel::Channel};

/// Kinds whose classes people make; those of other kinds come with the qdisc.
const CLASSFUL: [&str; 4] = ["htb", "hfsc", "drr", "qfq"];

/// A class of a shaper. The same fields as a qdisc's.
pub type Class = Qdisc;

/// What stood on an interface before Weir. Kept in the agent's state folder until `weir cleanup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recorded {
    /// What the kernel puts there by itself. It does so again once ours is gone.
    KernelDefault,
    /// What somebody set up.
    SetUp {
        /// Root and what is below, with kinds, handles and options.
        qdiscs: RootQdisc,
        /// Classes of shapers that were taken over.
        classes: Vec<Class>,
        /// Whether filters were attached. They are not recorded, so they are not put back.
        filters: bool,
    },
}

/// How a restoration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// What was recorded stands there again.
    Done,
    /// The same, but its filters have to be set up again by their owner.
    WithoutFilters,
    /// Ours does not stand there any more: the interface has gone, or somebody put theirs there, which was left alone.
    NotOurs,
}

impl Netlink {
    /// Reads what stands on an interface, so that [`Self::restore_qdisc`] can put it back. What Weir itself put there
    /// is recorded as the kernel's default.
    ///
    /// # Errors
    /// When the kernel refuses, or the qdiscs keep changing meanwhile.
    pub async fn record_qdisc(&self, ifindex: u32) -> Result<Recorded> {
        self.with(move |channel| record(channel, ifindex)).await
    }

    /// Puts back what was recorded, if Weir's qdisc still stands there. See the module's page for what that costs.
    ///
    /// # Errors
    /// When the kernel does not take back what it reported; then its default stands there.
    pub async fn restore_qdisc(&self, ifindex: u32, recorded: Recorded) -> Result<Restored> {
        self.with(move |channel| restore(channel, ifindex, &recorded)).await
    }
}

fn record(channel: &mut Channel, ifindex: u32) -> Result<Recorded> {
    let Some(qdiscs) = tree::read(channel)?.remove(&ifindex) else { return Ok(Recorded::KernelDefault) };
    if qdiscs.is_ours() || qdiscs.root.is_kernels_own() {
        return Ok(Recorded::KernelDefault);
    }
    let mut classes = Vec::new();
    let owners: Vec<&Qdisc> = std::iter::once(&qdiscs.root).chain(&qdiscs.below).collect();
    if owners.iter().any(|qdisc| CLASSFUL.contains(&qdisc.kind.as_str())) {
        let action = format!("list the classes of interface {ifindex}");
        let found = channel.dump(&action, &message::classes_of(ifindex), message::parse)?;
        classes = found.into_iter().map(|found| found.qdisc).filter(is_made_by_people).collect();
    }
    let mut filters = false;
    for owner in owners.into_iter().chain(&classes).filter(|owner| !owner.is_kernels_own()) {
        let action = format!("list the filters at {} of interface {ifindex}", owner.handle);
        let found = channel.dump(&action, &message::filters_at(ifindex, owner.handle), message::parse)?;
        filters |= !found.is_empty();
    }
    Ok(Recorded::SetUp { qdiscs, classes, filters })
}

/// hfsc lists its root class 1:0, which comes with the qdisc.
fn is_made_by_people(class: &Class) -> bool {
    CLASSFUL.contains(&class.kind.as_str()) && class.handle.minor != 0
}

fn restore(channel: &mut Channel, ifindex: u32, recorded: &Recorded) -> Result<Restored> {
    if !tree::read(channel)?.get(&ifindex).is_some_and(RootQdisc::is_ours) {
        return Ok(Restored::NotOurs);
    }
    let result = match recorded {
        Recorded::KernelDefault => delete_root(channel, ifindex).map(|()| Restored::Done),
        Recorded::SetUp { qdiscs, classes, filters } => put_back(channel, ifindex, qdiscs, classes)
            .or_else(|error| delete_root(channel, ifindex).and(Err(error)))
            .map(|()| if *filters { Restored::WithoutFilters } else { Restored::Done }),
    };
    match result {
        Err(Error::Kernel { errno: Errno::ENODEV, .. }) => Ok(Restored::NotOurs),
        other => other,
    }
}

fn put_back(channel: &mut Channel, ifindex: u32, qdiscs: &RootQdisc, classes: &[Class]) -> Result<()> {
    put_root(channel, ifindex, &qdiscs.root)?;
    for part in in_order(&qdiscs.root, &qdiscs.below, classes) {
        let (name, request) = match part {
            Part::Qdisc(qdisc) => (qdisc, message::new_qdisc(ifindex, qdisc)),
            Part::Class(class) => (class, message::new_class(ifindex, class)),
        };
        let action = format!("put {} {} back below {} of interface {ifindex}", name.kind, name.handle, name.parent);
        // What stands in a class of its own accord, like htb's fifo, is replaced.
        let flags = if matches!(part, Part::Class(_)) { NLM_F_EXCL } else { NLM_F_REPLACE };
        channel.change(&action, NLM_F_CREATE | flags, request)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Qdisc(&'a Qdisc),
    Class(&'a Class),
}

/// Classes and qdiscs below a root, parents before children. What the kernel makes by itself is left out, and what
/// hangs on nothing cannot be put back.
fn in_order<'a>(root: &'a Qdisc, below: &'a [Qdisc], classes: &'a [Class]) -> Vec<Part<'a>> {
    let made = below.iter().filter(|qdisc| !qdisc.is_kernels_own()).map(Part::Qdisc);
    let mut waiting: Vec<Part<'a>> = classes.iter().map(Part::Class).chain(made).collect();
    let (mut ordered, mut qdiscs, mut there) = (Vec::new(), BTreeSet::from([root.handle.major]), BTreeSet::new());
    loop {
        let before = ordered.len();
        for part in std::mem::take(&mut waiting) {
            let ready = match part {
                Part::Class(class) if class.parent == Handle::ROOT => qdiscs.contains(&class.handle.major),
                Part::Class(class) => there.contains(&class.parent) || is_root_of(&qdiscs, class.parent),
                // A class that was not recorded comes with its qdisc, as those of mq do.
                Part::Qdisc(qdisc) => {
                    qdiscs.contains(&qdisc.parent.major)
                        && (there.contains(&qdisc.parent) || classes.iter().all(|class| class.handle != qdisc.parent))
                }
            };
            match part {
                _ if !ready => waiting.push(part),
                Part::Qdisc(qdisc) => {
                    qdiscs.insert(qdisc.handle.major);
                    ordered.push(part);
                }
                Part::Class(class) => {
                    there.insert(class.handle);
                    ordered.push(part);
                }
            }
        }
        if ordered.len() == before {
            return ordered;
        }
    }
}

/// Whether a class's parent is the root class of a qdisc that is there (hfsc and drr name it `1:0`).
fn is_root_of(qdiscs: &BTreeSet<u16>, parent: Handle) -> bool {
    parent.minor == 0 && qdiscs.contains(&parent.major)
}

fn delete_root(channel: &mut Channel, ifindex: u32) -> Result<()> {
    channel.change(&format!("remove the root qdisc of interface {ifindex}"), 0, message::delete_root(ifindex))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &str, handle: (u16, u16), parent: (u16, u16)) -> Qdisc {
        let handle_of = |(major, minor)| Handle { major, minor };
        Qdisc { kind: kind.to_owned(), handle: handle_of(handle), parent: handle_of(parent), options: Some(vec![1]) }
    }

    const ROOT: (u16, u16) = (u16::MAX, u16::MAX);

    #[test]
    fn parents_come_before_children() {
        let root = part("htb", (1, 0), ROOT);
        let below = [part("sfq", (0x20, 0), (0x10, 1)), part("prio", (0x10, 0), (1, 3)), part("pfifo", (0, 0), (1, 2))];
        let classes = [part("htb", (1, 3), (1, 2)), part("htb", (1, 2), ROOT)];
        let names: Vec<String> = in_order(&root, &below, &classes)
            .into_iter()
            .map(|part| match part {
                Part::Qdisc(qdisc) => format!("{} {}", qdisc.kind, qdisc.handle),
                Part::Class(class) => format!("class {}", class.handle),
            })
            .collect();
        assert_eq!(names, ["class 1:2", "class 1:3", "prio 10:0", "sfq 20:0"]);
    }

    #[test]
    fn queues_of_mq_need_no_class_of_their_own() {
        let root = part("mq", (1, 0), ROOT);
        let below = [part("fq_codel", (0x8002, 0), (1, 1)), part("fq_codel", (0, 0), (1, 2))];
        assert_eq!(in_order(&root, &below, &[]), [Part::Qdisc(&below[0])]);
    }

    #[test]
    fn what_hangs_on_nothing_does_not_loop() {
        let root = part("htb", (1, 0), ROOT);
        assert_eq!(in_order(&root, &[part("sfq", (2, 0), (9, 1))], &[part("htb", (1, 4), (1, 3))]), []);
    }

    #[test]
    fn it_survives_the_state_folder() {
        let qdiscs = RootQdisc { root: part("tbf", (0x8001, 0), ROOT), below: Vec::new() };
        for recorded in [Recorded::KernelDefault, Recorded::SetUp { qdiscs, classes: Vec::new(), filters: true }] {
            let text = serde_json::to_string(&recorded).expect("writes");
            assert_eq!(serde_json::from_str::<Recorded>(&text).expect("reads"), recorded);
        }
    }
}
