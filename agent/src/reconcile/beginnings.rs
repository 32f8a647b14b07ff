//! Counts pods from their interface's beginning, so that a pod's counters equal those that others read from it.
//!
//! A program sees packets from its attachment on. What the interface had counted before is added once: read between two
//! equal readings of our own counters, it is exact.

use std::collections::BTreeMap;

use weir_common::{counters::PodTraffic, reason::Program};

use super::Reconciler;
use crate::net::observe::LinkCounters;

/// How often to look for a moment without a packet; after that the last reading counts, off by what passed within it.
const TRIES: usize = 20;

impl Reconciler {
    /// Adds what the interfaces of pods had counted before, once for each pod, as soon as both directions are counted.
    pub(super) async fn count_beginnings(&mut self) -> anyhow::Result<()> {
        for &slot in self.last.rendered.counted_by_interface.keys() {
            self.datapath.forget_before(slot)?;
        }
        let mut beginners = self.datapath.beginners(&self.last.rendered.state)?;
        beginners.retain(|_, ifindex| {
            [Program::PodTx, Program::PodRx].into_iter().all(|program| self.datapath.is_attached(*ifindex, program))
        });
        for tries_left in (0..TRIES).rev() {
            if beginners.is_empty() {
                break;
            }
            let first: BTreeMap<u16, PodTraffic> = beginners
                .keys()
                .map(|&slot| Ok((slot, self.datapath.traffic(slot)?)))
                .collect::<anyhow::Result<_>>()?;
            let interfaces = self.netlink.link_counters().await?;
            for (slot, counted) in first {
                let Some(total) = beginners.get(&slot).and_then(|ifindex| interfaces.get(ifindex)) else {
                    // The interface has gone meanwhile.
                    beginners.remove(&slot);
                    continue;
                };
                if tries_left == 0 || self.datapath.traffic(slot)? == counted {
                    self.datapath.set_before(slot, before(total, &counted))?;
                    beginners.remove(&slot);
                }
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_end_counts_the_other_way_round() {
        let total = LinkCounters { rx_packets: 10, tx_packets: 20, rx_bytes: 1_000, tx_bytes: 2_000 };
        let counted = PodTraffic { tx_bytes: 100, tx_packets: 1, rx_bytes: 200, rx_packets: 2 };
        let expected = PodTraffic { tx_bytes: 900, tx_packets: 9, rx_bytes: 1_800, rx_packets: 18 };
        assert_eq!(before(&total, &counted), expected);
    }
}
