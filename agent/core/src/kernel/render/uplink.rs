//! The map value of an uplink: its rate, how far ahead packets may be scheduled there, and its line.

use weir_common::{
    config::{Owner, UPLINK_ATM, UPLINK_LINE, UPLINK_POLICE, UPLINK_PTM, UplinkConfig},
    units::{cost_of_rate, time_on_link},
};

use super::Pacing;
use crate::{
    desired::DesiredUplink,
    model::{LinkLayer, Rate},
};

/// An Ethernet frame of full size, in bytes.
const FRAME: u32 = 1514;
/// Full frames that a guarantee or a ceiling may schedule ahead at any rate. TCP with fewer than two packets under way
/// lives from timeouts, and a stream grows in bursts of some packets.
const ROOM_PACKETS: u64 = 16;
/// What all ceilings of an uplink may schedule beyond the horizon, as time on the line in ns.
const RESERVE_NS: u64 = 10_000_000;
/// The same in full frames, on lines so slow that [`RESERVE_NS`] holds fewer.
const RESERVE_PACKETS: u32 = 4;

pub(super) fn config(owner: Owner, uplink: &DesiredUplink, pacing: &Pacing, policed: bool) -> UplinkConfig {
    let capacity = cost_of_rate(uplink.rate);
    let mut config = UplinkConfig {
        owner,
        capacity,
        delta_ns: pacing.delta_ns,
        horizon_min_ns: pacing.horizon_min_ns,
        horizon_max_ns: pacing.horizon_max_ns,
        room_bytes: room_bytes(uplink.rate, pacing),
        reserve_ns: saturated(RESERVE_NS.max(time_on_link(RESERVE_PACKETS * FRAME, capacity))),
        burst_ns: pacing.burst_ns,
        flags: if policed { UPLINK_POLICE } else { 0 },
        ..UplinkConfig::default()
    };
    if let Some(overhead) = uplink.overhead {
        (config.overhead, config.minimum) = (overhead.bytes, overhead.minimum_packet);
        config.flags |= UPLINK_LINE
            | match overhead.link_layer {
                LinkLayer::Ethernet => 0,
                LinkLayer::Ptm => UPLINK_PTM,
                LinkLayer::Atm => UPLINK_ATM,
            };
    }
    config
}

/// What a clock may schedule ahead, as δ of the line allows, and never less than some packets.
fn room_bytes(rate: Rate, pacing: &Pacing) -> u32 {
    let within_delta = rate / 8 * u64::from(pacing.delta_ns) / 1_000_000_000;
    saturated(within_delta.max(ROOM_PACKETS * u64::from(FRAME)))
}

fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Overhead;

    fn rendered(rate: Rate, overhead: Option<Overhead>) -> UplinkConfig {
        let (interfaces, exempt) = (BTreeMap::new(), Vec::new());
        let uplink = DesiredUplink { capacity: rate, rate, overhead, interfaces, exempt };
        config([1; 16], &uplink, &Pacing::default(), false)
    }

    #[test]
    fn room_is_some_packets_or_what_delta_allows() {
        let of = |rate| {
            let config = rendered(rate, None);
            (config.room_bytes, config.reserve_ns)
        };
        assert_eq!(of(20_000_000), (16 * 1514, 10_000_000));
        assert_eq!(of(1_000_000_000), (312_500, 10_000_000));
        assert_eq!(of(1_000_000), (16 * 1514, 4 * 12_112_000));
        assert_eq!(of(1_000), (16 * 1514, u32::MAX), "no line is that slow, and nothing overflows");
    }

    #[test]
    fn a_lines_framing_is_in_the_flags() {
        for (link_layer, flags) in [
            (LinkLayer::Ethernet, UPLINK_LINE),
            (LinkLayer::Ptm, UPLINK_LINE | UPLINK_PTM),
            (LinkLayer::Atm, UPLINK_LINE | UPLINK_ATM),
        ] {
            let config = rendered(20_000_000, Some(Overhead { bytes: -4, link_layer, minimum_packet: 64 }));
            assert_eq!((config.overhead, config.minimum, config.flags), (-4, 64, flags));
        }
        assert_eq!(rendered(20_000_000, None).flags, 0);
    }
}
