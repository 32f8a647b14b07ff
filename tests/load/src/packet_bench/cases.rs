//! The ways through the programs that are measured.

use std::net::{Ipv4Addr, Ipv6Addr};

use weir_common::reason::{Exit, Program};

use super::fixture::{interface_of, slot};
use crate::frame;

const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const INTERNET_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 9, 9);
const LAN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);
const FULL_FRAME: usize = 1514;
const ECT0: u8 = 0b10;

/// How a case is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One packet that goes through the program over and over.
    Repeated,
    /// The same on top of this case's `Repeated` figure: a step that a packet takes only the first time, measured by
    /// many packets that each come once.
    OnceOver(&'static str),
}

/// One way through one program.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) exit: Exit,
    pub(crate) mode: Mode,
    pub(crate) frame: Vec<u8>,
    /// Slot of the pod by whose interface the packet came; `uplink_tx` alone looks at it.
    pub(crate) slot: Option<u16>,
    /// Whether the interface is known.
    pub(crate) configured: bool,
}

/// The case whose cost is a shaped packet's.
pub(crate) const PACED: &str = "paced, IPv4";

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let v4 = || frame::ipv4(INTERNET, 0, FULL_FRAME);
    let v6 = || frame::ipv6(INTERNET_V6, FULL_FRAME);
    let paced = || Case { exit: Exit::Paced, slot: Some(slot::PACED), ..uplink(PACED, v4()) };
    vec![
        Case { program: Program::PodTx, exit: Exit::Counted, ..uplink("counted", v4()) },
        Case { program: Program::PodRx, exit: Exit::Counted, ..uplink("counted", v4()) },
        Case { program: Program::PodTx, ..unknown(v4()) },
        Case { program: Program::PodRx, ..unknown(v4()) },
        unknown(v4()),
        Case { exit: Exit::NotIp, ..uplink("not IP", frame::arp()) },
        Case { exit: Exit::Exempt, ..uplink("exempt, IPv4", frame::ipv4(LAN, 0, FULL_FRAME)) },
        Case { exit: Exit::Exempt, ..uplink("exempt, IPv6", frame::ipv6(LAN_V6, FULL_FRAME)) },
        uplink("interactive, IPv4", v4()),
        uplink("interactive, IPv6", v6()),
        Case { slot: Some(slot::INTERACTIVE), ..uplink("interactive pod, IPv4", v4()) },
        paced(),
        Case { name: "paced, IPv6", frame: v6(), ..paced() },
        Case { name: "paced, every limit set, IPv4", slot: Some(slot::LIMITED), ..paced() },
        Case { name: "paced, DSCP already right, IPv4", slot: Some(slot::DSCP), frame: lower_effort(), ..paced() },
        Case { name: "paced, DSCP written, IPv4", slot: Some(slot::DSCP), mode: Mode::OnceOver(PACED), ..paced() },
        Case {
            name: "marked CE, IPv4",
            exit: Exit::Marked,
            frame: frame::ipv4(INTERNET, ECT0, FULL_FRAME),
            mode: Mode::OnceOver(PACED),
            slot: Some(slot::MARKED),
            ..paced()
        },
        Case { name: "dropped by horizon, IPv4", exit: Exit::DropHorizon, slot: Some(slot::DROPPED), ..paced() },
    ]
}

fn uplink(name: &'static str, frame: Vec<u8>) -> Case {
    Case {
        name,
        program: Program::UplinkTx,
        exit: Exit::Interactive,
        mode: Mode::Repeated,
        frame,
        slot: None,
        configured: true,
    }
}

fn unknown(frame: Vec<u8>) -> Case {
    Case { exit: Exit::UnknownInterface, configured: false, ..uplink("unknown interface", frame) }
}

fn lower_effort() -> Vec<u8> {
    frame::ipv4(INTERNET, 1 << 2, FULL_FRAME)
}

impl Case {
    /// Returns whether packets leave this way only once a ceiling's room is used up.
    pub(crate) fn is_over_a_ceiling(&self) -> bool {
        matches!(self.exit, Exit::Marked | Exit::DropHorizon)
    }

    /// The interface by which the packet came.
    pub(crate) fn ingress(&self) -> u32 {
        self.slot.map_or(0, interface_of)
    }
}
