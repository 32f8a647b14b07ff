//! Counts pods from their interface's beginning, so that a pod's counters equal those that others read from it.
//!
//! A program sees packets from its attachment on. What the interface had counted before is added once: what it has
//! counted now without what the programs have. Packets pass meanwhile, so the interface is read between two equal readings
//! of the programs' counters. And a packet may be between the two counters, in the kernel's backlog, so several moments are
//! looked at, and the one with nothing on its way counts.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_common::{counters::PodTraffic, reason::Program};

use super::Reconciler;
use crate::net::observe::LinkCounters;

/// How many moments to look at.
const MOMENTS: usize = 3;
/// How often to try to; after that the best result counts, off by what was on its way.
const TRIES: usize = 20;
/// The time between two moments. The backlog is emptied within microseconds if a processor is free.
const APART: Duration = Duration::from_millis(1);

impl Reconciler {
    /// Adds what the interfaces of pods had counted before, once for each pod, as soon as both directions are counted.
    pub(super) async fn count_beginnings(&mut self) -> anyhow::Result<()> {
        for &slot in self.last.rendered.counted_by_interface.keys() {
            self.datapath.forget_before(slot)?;
        }
        let mut beginners = self.datapath.beginners(&self.last.rendered.state)?;
        let both = [Program::PodTx, Program::PodRx];
        let is_counted = |ifindex: &u32| both.into_iter().all(|program| self.datapath.is_attached(*ifindex, program));
        beginners.retain(|_, interfaces| interfaces.iter().all(is_counted));
        let mut seen: BTreeMap<u16, Vec<PodTraffic>> = BTreeMap::new();
        for tries_left in (0..TRIES).rev() {
            let mut rest = BTreeMap::new();
            for (slot, veths) in beginners {
                // None: an interface has gone.
                let Some((before, is_sure)) = self.moment(slot, &veths)? else { continue };
                let moments = seen.entry(slot).or_default();
                if is_sure || (tries_left == 0 && moments.is_empty()) {
                    moments.push(before);
                }
                if moments.len() >= MOMENTS || tries_left == 0 {
                    self.datapath.set_before(slot, with_nothing_on_its_way(moments))?;
                } else {
                    rest.insert(slot, veths);
                }
            }
            beginners = rest;
            if beginners.is_empty() {
                break;
            }
            tokio::time::sleep(APART).await;
        }
        Ok(())
    }

    /// Reads what a pod's interfaces had counted before, and whether no packet was counted meanwhile.
    fn moment(&self, slot: u16, veths: &[u32]) -> anyhow::Result<Option<(PodTraffic, bool)>> {
        let counted = self.datapath.traffic(slot)?;
        let totals = veths.iter().map(|&ifindex| self.netlink.counters_of(ifindex));
        let Some(total) = totals.sum::<Result<Option<LinkCounters>, _>>()? else { return Ok(None) };
        Ok(Some((before(&total, &counted), self.datapath.traffic(slot)? == counted)))
    }
}

/// What the interface had counted and we had not. The host's end receives what the pod sends.
fn before(total: &LinkCounters, counted: &PodTraffic) -> PodTraffic {
    PodTraffic {
        tx_bytes: total.rx_bytes.saturating_sub(counted.tx_bytes),
        tx_packets: total.rx_packets.saturating_sub(counted.tx_packets),
        rx_bytes: total.tx_bytes.saturating_sub(counted.rx_bytes),
        rx_packets: total.tx_packets.saturating_sub(counted.rx_packets),
    }
}

/// Takes what is true of the moments. A packet of the pod's is counted by the interface first, one to the pod by the
/// program: on its way, the one makes the result too large and the other too small.
fn with_nothing_on_its_way(moments: &[PodTraffic]) -> PodTraffic {
    let least = |field: fn(&PodTraffic) -> u64| moments.iter().map(field).min().unwrap_or(0);
    let most = |field: fn(&PodTraffic) -> u64| moments.iter().map(field).max().unwrap_or(0);
    PodTraffic {
        tx_bytes: least(|moment| moment.tx_bytes),
        tx_packets: least(|moment| moment.tx_packets),
        rx_bytes: most(|moment| moment.rx_bytes),
        rx_packets: most(|moment| moment.rx_packets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_on_their_way_do_not_count() {
        let quiet = PodTraffic { tx_bytes: 900, tx_packets: 9, rx_bytes: 1_800, rx_packets: 18 };
        let sending = PodTraffic { tx_bytes: 1_000, tx_packets: 10, ..quiet };
        let receiving = PodTraffic { rx_bytes: 1_700, rx_packets: 17, ..quiet };
        assert_eq!(with_nothing_on_its_way(&[sending, quiet, receiving]), quiet);
        assert_eq!(with_nothing_on_its_way(&[sending, receiving, sending]), quiet);
    }

    #[test]
    fn the_hosts_end_counts_the_other_way_round() {
        let total = LinkCounters { rx_packets: 10, tx_packets: 20, rx_bytes: 1_000, tx_bytes: 2_000 };
        let counted = PodTraffic { tx_bytes: 100, tx_packets: 1, rx_bytes: 200, rx_packets: 2 };
        let expected = PodTraffic { tx_bytes: 900, tx_packets: 9, rx_bytes: 1_800, rx_packets: 18 };
        assert_eq!(before(&total, &counted), expected);
    }
}
