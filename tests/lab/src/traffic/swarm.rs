//! Bulk by a real torrent client: libtorrent seeds to peers that download from it alone.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::names;
use crate::netns::Netns;
use crate::process::Process;

/// Names a Python that has libtorrent; `cargo xtask bench torrent` fetches one.
const PYTHON_VARIABLE: &str = "WEIR_TORRENT_PYTHON";
const PROGRAM: &str = include_str!("swarm.py");
/// Python and libtorrent are slow to start on emulated processors.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// What carries BitTorrent's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The kernel's TCP.
    Tcp,
    /// µTP over UDP (BEP 29), with libtorrent's LEDBAT (RFC 6817).
    Utp,
}

/// Who seeds to whom.
#[derive(Debug, Clone)]
pub struct SwarmOptions {
    /// What carries the data; nothing else is accepted.
    pub transport: Transport,
    /// The seed's address and port, as the leechers reach it.
    pub seed: SocketAddr,
    /// The leechers' addresses; each is a peer of its own.
    pub leechers: Vec<IpAddr>,
    /// The byte that the seed's packets carry.
    pub type_of_service: u8,
}

/// A running seed and its leechers. They end when this is dropped.
#[derive(Debug)]
pub struct Swarm {
    seed: Process,
    leechers: Process,
    _folder: Folder,
}

/// How far the leechers have come.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Progress {
    /// When it was counted, on the leechers' own clock.
    seconds: f64,
    /// Payload that has arrived at all of them.
    bytes: u64,
    /// How many of them have received something.
    peers: usize,
}

/// Where both sides keep their data.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        names::remove_dir(&self.0);
    }
}

impl Swarm {
    /// Starts the seed in one namespace and the leechers in the other, and waits until each leecher receives.
    ///
    /// # Errors
    /// If there is no libtorrent, or a leecher has received nothing after a minute.
    pub fn start(seed: &Netns, leechers: &Netns, options: &SwarmOptions) -> Result<Self> {
        let folder = Folder(names::lab_dir(&names::lab_prefix()));
        for side in ["seed", "leech"] {
            let path = folder.0.join(side);
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let program = folder.0.join("swarm.py");
        std::fs::write(&program, PROGRAM).with_context(|| format!("cannot write {}", program.display()))?;
        let command = |side: &str| -> Result<Command> {
            let mut command = Command::new(python()?);
            let transport = if options.transport == Transport::Tcp { "tcp" } else { "utp" };
            command.arg(&program).args([side, transport]).arg(folder.0.join(side)).arg(options.seed.to_string());
            Ok(command)
        };

        let mut command_of_seed = command("seed")?;
        command_of_seed.arg(options.type_of_service.to_string());
        let mut seed = seed.spawn(command_of_seed)?;
        wait(&mut seed, "the seed does not listen", |_| true)?;
        let mut command_of_leechers = command("leech")?;
        command_of_leechers.args(options.leechers.iter().map(ToString::to_string));
        let mut leechers = leechers.spawn(command_of_leechers)?;
        let all = options.leechers.len();
        wait(&mut leechers, "not every leecher receives", |progress| progress.peers == all)?;
        Ok(Self { seed, leechers, _folder: folder })
    }

    /// What has arrived until now.
    ///
    /// # Errors
    /// If either side has ended.
    pub fn progress(&mut self) -> Result<Progress> {
        for side in [&mut self.seed, &mut self.leechers] {
            ensure!(side.is_running(), "a torrent client ended early:\n{}", side.stderr());
        }
        last(&self.leechers.stdout()).context("the leechers report nothing")
    }
}

impl Progress {
    /// Mean goodput since an earlier moment, in Mbit/s of payload.
    #[must_use]
    pub fn mbit_since(&self, earlier: &Self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // bytes of some seconds
        let bits = self.bytes.saturating_sub(earlier.bytes) as f64 * 8.0;
        let seconds = self.seconds - earlier.seconds;
        if seconds > 0.0 { bits / seconds / 1e6 } else { 0.0 }
    }
}

fn python() -> Result<PathBuf> {
    std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from).with_context(|| {
        format!("{PYTHON_VARIABLE} names no Python with libtorrent; `cargo xtask tools libtorrent` fetches one")
    })
}

/// Waits until the program reports something good enough.
fn wait(process: &mut Process, otherwise: &str, good: impl Fn(&Progress) -> bool) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let progress = last(&process.stdout());
        if progress.as_ref().is_some_and(&good) {
            return Ok(());
        }
        if !process.is_running() || Instant::now() > deadline {
            bail!("{otherwise} after {START_LIMIT:?}; the last report: {progress:?}\n{}", process.stderr());
        }
        std::thread::sleep(POLL);
    }
}

/// The last complete line of a program's reports.
fn last(stdout: &str) -> Option<Progress> {
    let complete = &stdout[..=stdout.rfind('\n')?];
    serde_json::from_str(complete.lines().next_back()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_still_written_does_not_count() {
        let stdout = "{\"seconds\": 1.0, \"bytes\": 5, \"peers\": 1}\n{\"seconds\": 1.25, \"by";
        assert_eq!(last(stdout), Some(Progress { seconds: 1.0, bytes: 5, peers: 1 }));
        assert_eq!(last("{\"seconds\": 1"), None);
        assert_eq!(last(""), None);
    }

    #[test]
    fn goodput_is_of_the_leechers_own_clock() {
        let at = |seconds, bytes| Progress { seconds, bytes, peers: 4 };
        assert!((at(14.5, 6_000_000).mbit_since(&at(2.5, 3_000_000)) - 2.0).abs() < 1e-9);
        assert!(at(2.5, 3_000_000).mbit_since(&at(2.5, 3_000_000)).abs() < 1e-9);
    }
}
