//! This machine without the `fq` qdisc.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const AUTOLOAD: &str = "/proc/sys/kernel/modprobe";
const MODULE: &str = "sch_fq";
/// Namespaces of earlier labs hold the module until the kernel has taken them apart.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes `sch_fq` out of the kernel, also from being loaded on demand, and puts it back when dropped.
#[derive(Debug)]
pub struct WithoutFq {
    autoload: String,
    was_loaded: bool,
}

impl WithoutFq {
    /// Takes it out.
    ///
    /// # Errors
    /// Where it is built into the kernel, or in use.
    pub fn begin() -> Result<Self> {
        let autoload = std::fs::read_to_string(AUTOLOAD).context(AUTOLOAD)?;
        let was_loaded = Path::new("/sys/module").join(MODULE).exists();
        std::fs::write(AUTOLOAD, "/nonexistent").context(AUTOLOAD)?;
        let without = Self { autoload, was_loaded };
        if was_loaded {
            remove()?;
        }
        Ok(without)
    }
}

fn remove() -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let removed = Command::new("rmmod").arg(MODULE).output().context("rmmod")?;
        if removed.status.success() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "rmmod: {}", String::from_utf8_lossy(&removed.stderr));
        std::thread::sleep(Duration::from_millis(50));
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
