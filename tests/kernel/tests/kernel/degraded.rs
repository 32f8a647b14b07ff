//! A kernel without `fq`: ceilings are policed, and the metrics say so.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_lab::PodOptions;
use weir_lab::traffic::{Iperf, IperfOptions};

use crate::world::{BULK, World, eventually};

const AUTOLOAD: &str = "/proc/sys/kernel/modprobe";
const MODULE: &str = "sch_fq";

/// Takes `sch_fq` out of the kernel, also from being loaded on demand, and puts it back when dropped.
struct WithoutFq {
    autoload: String,
    was_loaded: bool,
}

impl WithoutFq {
    fn begin() -> Result<Self> {
        let autoload = std::fs::read_to_string(AUTOLOAD).context(AUTOLOAD)?;
        let was_loaded = Path::new("/sys/module").join(MODULE).exists();
        std::fs::write(AUTOLOAD, "/nonexistent").context(AUTOLOAD)?;
        let without = Self { autoload, was_loaded };
        if was_loaded {
            // Namespaces of earlier tests hold it until the kernel has taken them apart.
            eventually(|| {
                let removed = Command::new("rmmod").arg(MODULE).output().context("rmmod")?;
                ensure!(removed.status.success(), "rmmod: {}", String::from_utf8_lossy(&removed.stderr));
                Ok(())
            })?;
        }
        Ok(without)
    }
}

impl Drop for WithoutFq {
    fn drop(&mut self) {
        let _ = std::fs::write(AUTOLOAD, self.autoload.trim());
        if self.was_loaded {
            let _ = Command::new("modprobe").arg(MODULE).output();
        }
    }
}

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
