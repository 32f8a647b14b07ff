//! The agent runs with the rights of its manifest and no others.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::world::world;

/// `NET_BROADCAST`, `NET_ADMIN`, `PERFMON` and `BPF` by their numbers (`linux/capability.h`).
const GIVEN: [u32; 4] = [11, 12, 38, 39];

/// `/proc/PID/status` of the agent's process.
fn agent_status() -> Result<String> {
    let processes = fs::read_dir("/proc")?.flatten();
    let agents = processes
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(b"/weir\0agent\0")));
    let agents: Vec<_> = agents.collect();
    ensure!(agents.len() == 1, "{} processes are an agent", agents.len());
    Ok(fs::read_to_string(agents[0].path().join("status"))?)
}

#[test]
fn the_agent_has_the_rights_of_its_manifest_and_no_others() -> Result<()> {
    let world = world()?;
    world.installed()?;
    let status = agent_status()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).with_context(|| format!("no {name} in:\n{status}"))
    };
    let given: u64 = GIVEN.iter().map(|number| 1 << number).sum();
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        let had = u64::from_str_radix(field(set)?, 16)?;
        ensure!(had == given, "{set} is {had:#x}, the manifest gives {given:#x}");
    }
    // 2: a filter (seccomp(2)).
    ensure!(field("Seccomp")? == "2" && field("NoNewPrivs")? == "1", "{status}");
    Ok(())
}
