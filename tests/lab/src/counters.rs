//! Reading what the kernel counted: interfaces, queueing disciplines, the CPUs.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::netns::Netns;

/// An interface's counters, as its own namespace sees them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Bytes received, with Ethernet headers.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent, with Ethernet headers.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

impl Counters {
    /// Reads the counters of an interface from `/proc/net/dev` (proc(5)).
    pub fn read(ns: &Netns, interface: &str) -> Result<Self> {
        let table = ns.enter(|| Ok(std::fs::read_to_string("/proc/thread-self/net/dev")?))?;
        Self::parse(&table, interface).with_context(|| format!("{} has no interface {interface}", ns.name()))
    }

    fn parse(table: &str, interface: &str) -> Option<Self> {
        let numbers = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':'))?;
        let mut columns = numbers.split_whitespace().map(|number| number.parse().ok());
        let mut column = |index| columns.nth(index).flatten();
        Some(Self { rx_bytes: column(0)?, rx_packets: column(0)?, tx_bytes: column(6)?, tx_packets: column(0)? })
    }
}

/// One queueing discipline of an interface and its counters.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct QdiscStats {
    /// Its kind, such as `fq`.
    pub kind: String,
    /// Whether it is the interface's root.
    #[serde(default)]
    pub root: bool,
    /// Bytes that left it.
    #[serde(default)]
    pub bytes: u64,
    /// Packets that left it.
    #[serde(default)]
    pub packets: u64,
    /// Packets it dropped.
    #[serde(default)]
    pub drops: u64,
    /// Packets in it now.
    #[serde(default)]
    pub qlen: u64,
}

/// The queueing disciplines of an interface, its root first.
pub(crate) fn qdiscs(ns: &Netns, interface: &str) -> Result<Vec<QdiscStats>> {
    let json = ns.run(&["tc", "-s", "-j", "qdisc", "show", "dev", interface])?;
    serde_json::from_str(&json).with_context(|| format!("tc's description of {interface}"))
}

impl Netns {
    /// The queueing disciplines of an interface of this namespace, its root first.
    pub fn qdiscs(&self, interface: &str) -> Result<Vec<QdiscStats>> {
        qdiscs(self, interface)
    }
}

/// Ticks that the CPUs spent idle, and in all, since boot (proc(5), `/proc/stat`).
///
/// Two readings give how busy the machine was in between: past a certain load, delays measure the
/// machine and not the network.
pub fn cpu_idle() -> Result<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let idle = ticks.get(3).context("/proc/stat has no idle column")? + ticks.get(4).unwrap_or(&0);
    Ok((idle, ticks.iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  eth0:12345678   90123    1    2    0     0          0         5 87654321   40567    0    0    0     0       0          0
";

    #[test]
    fn reads_proc_net_dev() {
        let expected = Counters { rx_bytes: 12_345_678, rx_packets: 90_123, tx_bytes: 87_654_321, tx_packets: 40_567 };
        assert_eq!(Counters::parse(TABLE, "eth0"), Some(expected));
        assert_eq!(Counters::parse(TABLE, "eth"), None);
    }

    #[test]
    fn the_machine_has_been_idle_once() {
        let (idle, all) = cpu_idle().unwrap();
        assert!(idle <= all && all > 0);
    }
}
