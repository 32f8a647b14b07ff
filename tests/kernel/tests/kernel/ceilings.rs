//! Ceilings hold for every kind of sender: tiers', pods', and the pod's own annotation.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use weir_lab::traffic::{Congestion, Iperf, IperfOptions, Load};
use weir_lab::{PodOptions, pod_object};

use crate::world::{BULK, World, is_enough, until_enough};

const CEILING_MBIT: f64 = 8.0;
const SETTLE: Duration = Duration::from_secs(3);
/// Longer than any test measures; a load ends with its test.
const LENGTH: Duration = Duration::from_mins(1);

const CUBIC: Load = Load::Tcp { streams: 4, congestion: Congestion::Cubic };
const BBR: Load = Load::Tcp { streams: 4, congestion: Congestion::Bbr };
/// Three times what the ceiling lets through.
const FLOOD: Load = Load::Udp { rate_bits: 24_000_000 };

fn under_a_ceiling(load: Load, range: RangeInclusive<f64>) -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"ceiling": "8M"}))?;
    let pod = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let to = world.lab.internet().at(5201);
    let options = IperfOptions { load, to, length: LENGTH, type_of_service: 0 };
    let _bulk = Iperf::start(pod.ns(), world.lab.internet().ns(), &options)?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("under the ceiling", CEILING_MBIT, range)
}

#[test]
fn cubic_keeps_to_the_tiers_ceiling() -> Result<()> {
    under_a_ceiling(CUBIC, 0.95..=1.02)
}

#[test]
fn bbr_keeps_to_the_tiers_ceiling() -> Result<()> {
    under_a_ceiling(BBR, 0.90..=1.02)
}

#[test]
fn a_udp_flood_keeps_to_the_tiers_ceiling() -> Result<()> {
    under_a_ceiling(FLOOD, 0.97..=1.02)
}

#[test]
fn two_pods_keep_to_their_ceilings_and_the_tier_to_its_own() -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"ceiling": "8M", "perPodCeiling": "5M"}))?;
    let pods = [world.pod("a", PodOptions::default(), BULK)?, world.pod("b", PodOptions::default(), BULK)?];
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let start = |pod: usize| {
        let to = internet.at(5201 + u16::try_from(pod)?);
        Iperf::start(pods[pod].ns(), internet.ns(), &IperfOptions::udp(to, 12_000_000, LENGTH))
    };
    let _first = start(0)?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("one pod alone", 5.0, 0.97..=1.02)?;
    let _second = start(1)?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("both pods", CEILING_MBIT, 0.97..=1.02)
}

#[test]
fn a_pods_annotation_is_a_ceiling_without_any_tier() -> Result<()> {
    let world = World::new()?;
    let pod = world.node.pod("backup", PodOptions::default())?;
    let mut object = pod_object(&pod, &[]);
    object["metadata"]["annotations"] = json!({"kubernetes.io/egress-bandwidth": "5M"});
    world.node.objects().apply("pod-backup.yaml", &[object])?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let _flood = Iperf::start(pod.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 15_000_000, LENGTH))?;
    std::thread::sleep(SETTLE);
    world.ensure_rate("under the annotation", 5.0, 0.97..=1.02)
}

#[test]
fn a_changed_ceiling_holds_at_once() -> Result<()> {
    let world = World::new()?;
    world.tier(&json!({"ceiling": "4M"}))?;
    let pod = world.pod("seed", PodOptions::default(), BULK)?;
    let _agent = world.agent()?;
    let internet = world.lab.internet();
    let _flood = Iperf::start(pod.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 15_000_000, LENGTH))?;
    std::thread::sleep(Duration::from_secs(1));
    // Who measures again changes again: what holds only later does not hold.
    until_enough(|| {
        for (written, mbit) in [("4M", 4.0), ("8M", 8.0), ("2M", 2.0)] {
            world.tier(&json!({"ceiling": written}))?;
            std::thread::sleep(Duration::from_millis(500));
            let rate = world.rate_of("eth0", Duration::from_secs(2))?;
            if !is_enough(written, rate, mbit, &(0.97..=1.03))? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}
