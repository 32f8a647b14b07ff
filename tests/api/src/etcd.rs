//! etcd, where the API server keeps its objects.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use weir_lab::Process;

use crate::place::Place;
use crate::ports;
use crate::programs::{POLL, READY_LIMIT, command, last_lines, must_run};

/// Starts an etcd with an empty store and waits until it can be connected to. Gives its port too.
pub(crate) fn start(program: &Path, place: &Place, folder: &Path) -> Result<(u16, Process)> {
    let (port, peers) = (ports::free(place)?, ports::free(place)?);
    let [clients, peers] = [port, peers].map(|port| format!("http://127.0.0.1:{port}"));
    let mut command = command(program, folder);
    command
        .args(["--name", "weir", "--log-level", "warn", "--unsafe-no-fsync", "--data-dir"])
        .arg(folder.join("etcd"))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("weir={peers}")]);
    let mut etcd = place.spawn(command)?;
    let start = Instant::now();
    while !place.listens(port) {
        must_run("etcd", &mut etcd)?;
        if start.elapsed() > READY_LIMIT {
            bail!("etcd takes no connection after {READY_LIMIT:?}; the last that it said:\n{}", last_lines(&etcd));
        }
        std::thread::sleep(POLL);
    }
    Ok((port, etcd))
}
