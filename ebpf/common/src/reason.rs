//! Why a program ended: each way out is one of these, and each is counted.

/// Programs, in the order of their rows in `EXITS`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// Host side of a pod's veth, ingress.
    PodTx = 0,
    /// Host side of a pod's veth, egress.
    PodRx = 1,
    /// Uplink NIC, egress.
    UplinkTx = 2,
    /// A bridge or VRF of pods, ingress.
    BridgeRx = 3,
    /// The bridge whose port is an uplink's interface, egress.
    BridgeTx = 4,
    /// Weir's own veth, ingress of the end where split bursts come out.
    SplitRx = 5,
}

impl Program {
    /// All programs.
    pub const ALL: [Self; 6] =
        [Self::PodTx, Self::PodRx, Self::UplinkTx, Self::BridgeRx, Self::BridgeTx, Self::SplitRx];

    /// The program's name in the object file and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PodTx => "pod_tx",
            Self::PodRx => "pod_rx",
            Self::UplinkTx => "uplink_tx",
            Self::BridgeRx => "bridge_rx",
            Self::BridgeTx => "bridge_tx",
            Self::SplitRx => "split_rx",
        }
    }
}

/// A way out of a program.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Counted for its pod.
    Counted = 0,
    /// The interface is not in `INTERFACES`: it is being added or taken away.
    UnknownInterface = 1,
    /// Not IP (ARP, for one): nothing to shape.
    NotIp = 2,
    /// Too short for the header that it announces.
    Short = 3,
    /// Goes to an exempt network.
    Exempt = 4,
    /// Of no tier: passed at once.
    Interactive = 5,
    /// Of a tier, or under a pod's ceiling: booked on its clocks and, where there is `fq`, given a departure time.
    Paced = 6,
    /// The same, and marked with CE (RFC 3168).
    Marked = 7,
    /// Dropped: its departure would be beyond the horizon.
    DropHorizon = 8,
    /// Dropped: over a ceiling on an uplink without `fq`.
    DropPoliced = 9,
    /// A map that always has the index did not have it: cannot happen, passed.
    NoMapValue = 10,
    /// The packet's pod was written into it, or handed over to the port by which it leaves.
    Tagged = 11,
    /// Of no pod of this node.
    NoPod = 12,
    /// A burst, sent on to be split, or one of its segments on the way back.
    Split = 13,
    /// Dropped: a segment whose uplink has gone meanwhile.
    DropNoPort = 14,
}

impl Exit {
    /// All ways out.
    pub const ALL: [Self; 15] = [
        Self::Counted,
        Self::UnknownInterface,
        Self::NotIp,
        Self::Short,
        Self::Exempt,
        Self::Interactive,
        Self::Paced,
        Self::Marked,
        Self::DropHorizon,
        Self::DropPoliced,
        Self::NoMapValue,
        Self::Tagged,
        Self::NoPod,
        Self::Split,
        Self::DropNoPort,
    ];

    /// The word for it in metrics and in `weir explain`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::UnknownInterface => "unknown_interface",
            Self::NotIp => "not_ip",
            Self::Short => "short",
            Self::Exempt => "exempt",
            Self::Interactive => "interactive",
            Self::Paced => "paced",
            Self::Marked => "marked",
            Self::DropHorizon => "horizon",
            Self::DropPoliced => "policed",
            Self::NoMapValue => "no_map_value",
            Self::Tagged => "tagged",
            Self::NoPod => "no_pod",
            Self::Split => "split",
            Self::DropNoPort => "no_port",
        }
    }

    /// Whether a packet of a pod or tier was dropped.
    #[must_use]
    pub const fn is_drop(self) -> bool {
        matches!(self, Self::DropHorizon | Self::DropPoliced)
    }
}

/// Rows of a program in `EXITS`: room for more ways out than there are.
pub const EXITS_PER_PROGRAM: u32 = 16;

/// Index of a counter in `EXITS`.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)]
pub const fn exit_index(program: Program, exit: Exit) -> u32 {
    program as u32 * EXITS_PER_PROGRAM + exit as u32
}

/// Why a packet of a pod or tier was dropped: index of `dropped` in the counters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// [`Exit::DropHorizon`].
    Horizon = 0,
    /// [`Exit::DropPoliced`].
    Policed = 1,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::Horizon, Self::Policed];

    /// The word for it in metrics, the same as its [`Exit`]'s.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Horizon => Exit::DropHorizon.name(),
            Self::Policed => Exit::DropPoliced.name(),
        }
    }
}

/// Room for drop reasons in the counters.
pub const DROP_REASONS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_a_row_and_a_name_of_its_own() {
        for (index, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(exit as usize, index);
            assert!((exit as u32) < EXITS_PER_PROGRAM);
            assert_eq!(Exit::ALL.iter().filter(|other| other.name() == exit.name()).count(), 1);
        }
        assert_eq!(Exit::ALL.iter().filter(|exit| exit.is_drop()).count(), DropReason::ALL.len());
    }
}
