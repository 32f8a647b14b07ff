//! Bulk by a real torrent client: libtorrent seeds to peers that download from it alone.
//!
//! The peers are the lab's own, because as many libtorrents would take all of an emulated machine. They speak
//! BitTorrent and µTP like any other, ask for everything, keep nothing, and know nobody but the seed.

mod leech;
mod utp;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::names;
use crate::netns::Netns;
use crate::process::Process;
use leech::Leechers;
use wire::Torrent;

/// Names a Python that has libtorrent; `cargo xtask bench torrent` fetches one.
const PYTHON_VARIABLE: &str = "WEIR_TORRENT_PYTHON";
const SEED: &str = include_str!("seed.py");
/// Python and libtorrent are slow to start on emulated processors, and connections to open behind a full buffer.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// What carries BitTorrent's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The kernel's TCP.
    Tcp,
    /// µTP over UDP (BEP 29), sent by libtorrent's LEDBAT (RFC 6817).
    Utp,
}

/// Who seeds to whom.
#[derive(Debug, Clone)]
pub struct SwarmOptions {
    /// What carries the data; the seed accepts nothing else.
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
    leechers: Leechers,
    seed: Process,
    _folder: Folder,
}

/// What the seed says of its torrent.
#[derive(Debug, Deserialize)]
struct Description {
    info_hash: String,
    piece_bytes: u32,
    pieces: u32,
}

/// Where the seed keeps its data.
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
        std::fs::create_dir_all(&folder.0).with_context(|| format!("cannot make {}", folder.0.display()))?;
        let mut seed = start_seed(seed, &folder, options)?;
        let torrent = wait_listening(&mut seed)?;
        let leechers = Leechers::start(leechers, options, torrent);
        let mut swarm = Self { leechers, seed, _folder: folder };
        let deadline = Instant::now() + START_LIMIT;
        while swarm.leechers.served() < options.leechers.len() {
            let (served, all) = (swarm.leechers.served(), options.leechers.len());
            ensure!(Instant::now() < deadline, "only {served} of {all} leechers receive after {START_LIMIT:?}");
            swarm.received()?;
            std::thread::sleep(POLL);
        }
        Ok(swarm)
    }

    /// Payload that has arrived at all leechers, in bytes.
    ///
    /// # Errors
    /// If the seed has ended, or a leecher's connection.
    pub fn received(&mut self) -> Result<u64> {
        ensure!(self.seed.is_running(), "the seed ended early:\n{}", self.seed.stderr());
        self.leechers.received()
    }
}

fn start_seed(ns: &Netns, folder: &Folder, options: &SwarmOptions) -> Result<Process> {
    let python = std::env::var_os(PYTHON_VARIABLE).with_context(|| {
        format!("{PYTHON_VARIABLE} names no Python with libtorrent; `cargo xtask tools libtorrent` fetches one")
    })?;
    let program = folder.0.join("seed.py");
    std::fs::write(&program, SEED).with_context(|| format!("cannot write {}", program.display()))?;
    let mut command = Command::new(python);
    command.arg(&program).arg(if options.transport == Transport::Tcp { "tcp" } else { "utp" }).arg(&folder.0);
    command.args([options.seed.to_string(), options.type_of_service.to_string()]);
    ns.spawn(command)
}

/// Waits for the seed's description of its torrent, which it prints once it listens.
fn wait_listening(seed: &mut Process) -> Result<Torrent> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some((line, _)) = seed.stdout().split_once('\n') {
            return describe(line);
        }
        if !seed.is_running() || Instant::now() > deadline {
            bail!("the seed does not listen:\n{}", seed.stderr());
        }
        std::thread::sleep(POLL);
    }
}

fn describe(line: &str) -> Result<Torrent> {
    let Description { info_hash, piece_bytes, pieces } =
        serde_json::from_str(line).with_context(|| format!("the seed describes its torrent as {line}"))?;
    let mut hash = [0; 20];
    ensure!(info_hash.len() == 2 * hash.len(), "an info hash has 40 digits, not {info_hash}");
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        let digits = info_hash.get(at..at + 2).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).with_context(|| format!("the info hash {info_hash}"))?;
    }
    Ok(Torrent { info_hash: hash, piece_bytes, pieces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_description() {
        let hash = "00ff".repeat(10);
        let line = format!(r#"{{"info_hash": "{hash}", "piece_bytes": 1048576, "pieces": 1024}}"#);
        let torrent = describe(&line).unwrap();
        assert_eq!((torrent.info_hash[..4].to_vec(), torrent.pieces), (vec![0, 0xff, 0, 0xff], 1024));
        assert!(describe(&line.replace("00ff", "00f")).unwrap_err().to_string().contains("40 digits"));
    }
}
