//! etcd, where the API server keeps its objects.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use weir_lab::Process;

use crate::control_plane::ControlPlane;
use crate::place::Place;
use crate::ports;
use crate::programs::{POLL, READY_LIMIT, command, must_run};

/// What a question to etcd may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A running etcd.
#[derive(Debug)]
pub(crate) struct Etcd {
    process: Process,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    peers: u16,
}

impl Etcd {
    /// Starts one with an empty store and waits until it can be connected to.
    pub(crate) fn start(program: &Path, place: &Place, folder: &Path) -> Result<Self> {
        let (port, peers) = (ports::free(place)?, ports::free(place)?);
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let process = run(&program, place, &folder, port, peers)?;
        Ok(Self { process, program, folder, port, peers })
    }

    /// The port of 127.0.0.1 on which it serves.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// An error with its last words if it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        must_run("etcd", &mut self.process)
    }

    /// Ends it, throws its store away, and starts it with an empty one.
    fn empty(&mut self, place: &Place) -> Result<()> {
        self.process.end();
        let data = data(&self.folder);
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
        self.process = run(&self.program, place, &self.folder, self.port, self.peers)?;
        Ok(())
    }

    /// Asks its JSON gateway.
    fn ask<T: for<'de> Deserialize<'de> + Send>(
        &self,
        place: &Place,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T> {
        let url = format!("http://127.0.0.1:{}/v3/kv/{path}", self.port);
        let answer = place.enter(|| {
            let agent = ureq::Agent::config_builder().timeout_global(Some(REQUEST_LIMIT)).build().new_agent();
            let mut response = agent.post(&url).send(body.to_string()).with_context(|| format!("{url} {body}"))?;
            Ok(response.body_mut().read_to_string()?)
        })?;
        serde_json::from_str(&answer).with_context(|| format!("etcd's answer to {url}: {answer}"))
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("etcd")
}

fn run(program: &Path, place: &Place, folder: &Path, port: u16, peers: u16) -> Result<Process> {
    let mut etcd = place.spawn(command_line(program, folder, port, peers))?;
    let start = Instant::now();
    while !place.listens((Ipv4Addr::LOCALHOST, port).into()) {
        must_run("etcd", &mut etcd)?;
        if start.elapsed() > READY_LIMIT {
            bail!("etcd takes no connection after {READY_LIMIT:?}; {}", etcd.last_words());
        }
        std::thread::sleep(POLL);
    }
    Ok(etcd)
}

fn command_line(program: &Path, folder: &Path, port: u16, peers: u16) -> Command {
    let [clients, peers] = [port, peers].map(|port| format!("http://127.0.0.1:{port}"));
    let mut command = command(program, folder);
    command
        .args(["--name", "weir", "--log-level", "warn", "--unsafe-no-fsync", "--data-dir"])
        .arg(data(folder))
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("weir={peers}")]);
    command
}

/// The part of an answer that says how far the store is; numbers of 64 bits are text in the gateway's JSON.
#[derive(Deserialize)]
struct Answer {
    header: Header,
}

#[derive(Deserialize)]
struct Header {
    revision: String,
}

impl ControlPlane {
    /// Makes etcd forget every version of an object but the newest, as an API server asks it to every five minutes.
    pub fn compact_etcd(&self) -> Result<()> {
        let (etcd, place) = (self.etcd(), self.place());
        // The key "a": what it holds does not matter.
        let now: Answer = etcd.ask(place, "range", &json!({"key": "YQ==", "limit": 1}))?;
        let compaction = json!({"revision": now.header.revision, "physical": true});
        let _: Answer = etcd.ask(place, "compaction", &compaction)?;
        Ok(())
    }

    /// Ends etcd under an API server that goes on, and answers with errors. What it stores stays.
    pub fn stop_etcd(&mut self) {
        self.etcd_and_place().0.process.end();
    }

    /// Starts etcd again.
    pub fn start_etcd(&mut self) -> Result<()> {
        let (etcd, place) = self.etcd_and_place();
        etcd.process = run(&etcd.program, place, &etcd.folder, etcd.port, etcd.peers)?;
        Ok(())
    }

    /// Replaces etcd's store by an empty one. The API server must be stopped, and knows nothing when it starts.
    pub fn empty_etcd(&mut self) -> Result<()> {
        let (etcd, place) = self.stopped()?;
        etcd.empty(place)
    }
}
