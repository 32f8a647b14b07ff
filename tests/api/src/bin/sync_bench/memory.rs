//! What a process keeps in memory.

use anyhow::{Context, Result};

/// Memory of a process in MB (10⁶ bytes). Maps of BPF programs are the kernel's memory and not among it.
pub(crate) struct Memory {
    /// `VmRSS`: everything that is in memory now, the program's own pages included.
    pub(crate) resident: f64,
    /// `VmHWM`: the most that ever was.
    pub(crate) peak: f64,
    /// `RssAnon`: what it allocated.
    pub(crate) anonymous: f64,
}

/// Reads `/proc/<pid>/status`.
pub(crate) fn of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let read = |key: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("{path}: no {key}"))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{path}: {key}{line}"))?;
        Ok(kib * 1024.0 / 1e6)
    };
    Ok(Memory { resident: read("VmRSS:")?, peak: read("VmHWM:")?, anonymous: read("RssAnon:")? })
}
