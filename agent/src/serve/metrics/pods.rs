//! What each pod sent, received and lost.
//!
//! A pod that shares the node's network, or is behind a macvlan, has no interface on the node and so no such bytes: its
//! series are left out rather than shown as 0.

use super::{history::History, names, page::Page};

pub(super) fn fill(page: &mut Page, history: &History) {
    for (key, series) in history.pods() {
        let counters = &series.counters;
        if !series.without_interface {
            let labels = [key.namespace.as_str(), &key.name, &series.workload, &series.tier];
            page.counter(&names::POD_TRANSMIT_BYTES, &labels, counters.tx_bytes);
            page.counter(&names::POD_TRANSMIT_PACKETS, &labels, counters.tx_packets);
            page.counter(&names::POD_RECEIVE_BYTES, &labels, counters.rx_bytes);
            page.counter(&names::POD_RECEIVE_PACKETS, &labels, counters.rx_packets);
        }
        for (reason, packets) in &counters.dropped {
            page.counter(&names::POD_DROPS, &[&key.namespace, &key.name, reason], *packets);
        }
    }
}
