//! A kernel without `fq`: ceilings are policed, and the metrics say so.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::traffic::{Iperf, IperfOptions};
use weir_lab::{PodOptions, WithoutFq};

use crate::world::{BULK, World};

#[test]
fn without_fq_ceilings_are_policed_and_metrics_say_so() -> Result<()> {
    let _without = WithoutFq::begin()?;
    let world = World::new()?;
    world.tier(&json!({"ceiling": "8M"}))?;
    let seed = world.pod("seed", PodOptions::default(), BULK)?;
    let agent = world.agent()?;
    let degraded = agent.metrics()?.sum("weir_degraded", &[("reason", "NoFq")]).unwrap_or_default();
    ensure!(degraded >= 1.0, "no metric says that anything is missing");

    let internet = world.lab.internet();
    let length = Duration::from_mins(1);
    let _flood = Iperf::start(seed.ns(), internet.ns(), &IperfOptions::udp(internet.at(5201), 24_000_000, length))?;
    std::thread::sleep(Duration::from_secs(2));
    world.ensure_rate("policed", 8.0, 0.90..=1.05)?;
    let dropped = agent.metrics()?.sum("weir_pod_drops_total", &[("pod", "seed"), ("reason", "policed")]);
    ensure!(dropped.is_some_and(|packets| packets > 0.0), "no drop is counted as policed: {dropped:?}");
    Ok(())
}
