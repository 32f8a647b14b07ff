//! The ways to shape that `bench shaping` and `bench torrent` compare.

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::stage::{BACKGROUND_TOS, Stage};

/// What a careful admin gives to HTB: a little less than the link, so that its queue stays here.
const HTB_PERCENT: u64 = 95;
/// Weir's default headroom leaves this much of the capacity.
const EDT_PERCENT: u64 = 97;
/// How far ahead plain EDT pacing books packets before it drops them.
const EDT_HORIZON_SECONDS: u64 = 2;
const FULL_FRAME_BYTES: u64 = 1514;

/// A way to shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub(super) enum Arm {
    /// No bulk at all: what the link can be.
    Idle,
    /// Nothing shapes: what the link is.
    None,
    /// HTB on the node with two classes by address, and `fq_codel` in both.
    Htb,
    /// CAKE diffserv4 in the router's place of the dumb buffer, the seed marked CS1. Weir cannot have
    /// this place; it shows what is possible.
    Cake,
    /// The seed paced alone on a clock of the link's rate, dropped when booked 2 s ahead, as EDT
    /// rate limits of pods do. Emulated by one HTB class with a FIFO of 2 s: a stamp in the future
    /// and a place in such a FIFO are the same delay.
    EdtFifo,
    /// Weir.
    Weir,
    /// Weir, but nothing carries the label: must look like `none`, or the benchmark measures something else.
    WeirUnlabelled,
}

impl Arm {
    /// Every arm.
    pub(super) const ALL: [Self; 7] =
        [Self::Idle, Self::None, Self::Htb, Self::Cake, Self::EdtFifo, Self::Weir, Self::WeirUnlabelled];

    /// Whether the agent runs.
    pub(super) fn has_agent(self) -> bool {
        matches!(self, Self::Weir | Self::WeirUnlabelled)
    }

    /// Whether the seed carries its label.
    pub(super) fn labelled(self) -> bool {
        self == Self::Weir
    }

    /// The type-of-service byte that the seed sets itself.
    pub(super) fn type_of_service(self) -> u8 {
        if self == Self::Cake { BACKGROUND_TOS } else { 0 }
    }

    /// Puts the arm's queueing disciplines into place.
    pub(super) fn set_up(self, stage: &Stage) -> Result<()> {
        match self {
            Self::Idle | Self::None | Self::Weir | Self::WeirUnlabelled => Ok(()),
            Self::Cake => stage.lab.router().set_cake(&stage.link),
            Self::Htb => stage.node.ns().tc(&htb(stage)),
            Self::EdtFifo => stage.node.ns().tc(&edt_fifo(stage)),
        }
    }
}

fn htb(stage: &Stage) -> Vec<String> {
    let rate = stage.link.rate_bits * HTB_PERCENT / 100;
    let mut lines = vec![
        "qdisc replace dev eth0 root handle 1: htb default 10".to_owned(),
        format!("class add dev eth0 parent 1: classid 1:1 htb rate {rate}bit ceil {rate}bit"),
        format!("class add dev eth0 parent 1:1 classid 1:10 htb rate {}bit ceil {rate}bit prio 0", rate / 10 * 9),
        format!("class add dev eth0 parent 1:1 classid 1:20 htb rate {}bit ceil {rate}bit prio 1", rate / 10),
        "qdisc add dev eth0 parent 1:10 fq_codel".to_owned(),
        "qdisc add dev eth0 parent 1:20 fq_codel".to_owned(),
    ];
    lines.extend(seed_to_class_20(stage));
    lines
}

fn edt_fifo(stage: &Stage) -> Vec<String> {
    let rate = stage.link.rate_bits * EDT_PERCENT / 100;
    let packets = rate / 8 * EDT_HORIZON_SECONDS / FULL_FRAME_BYTES;
    let mut lines = vec![
        // Class 0 of HTB is its direct queue: nobody but the seed waits.
        "qdisc replace dev eth0 root handle 1: htb default 0".to_owned(),
        format!("class add dev eth0 parent 1: classid 1:20 htb rate {rate}bit ceil {rate}bit"),
        format!("qdisc add dev eth0 parent 1:20 pfifo limit {packets}"),
    ];
    lines.extend(seed_to_class_20(stage));
    lines
}

fn seed_to_class_20(stage: &Stage) -> Vec<String> {
    let v4 = stage.seed.addresses().into_iter().filter(std::net::IpAddr::is_ipv4);
    v4.map(|address| format!("filter add dev eth0 parent 1: protocol ip u32 match ip src {address}/32 flowid 1:20"))
        .collect()
}
