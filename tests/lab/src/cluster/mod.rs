//! A whole Kubernetes cluster of one node: this machine, behind the lab's scarce uplink.
//!
//! The machine is a VM that `cargo xtask` booted: the node's programs lie on a disk of it, where they
//! are started with the disk as their root. Pods run in containerd with a CNI bridge that masquerades and services go
//! through kube-proxy, or Cilium does both; the default route leads over `wan0` to the lab's router. Whoever
//! reaches the machine may do everything on it: tokens are for form, nothing else is in the VM.

mod cilium;
mod configuration;
mod kubectl;
mod programs;
mod root;
pub mod workload;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub use self::cilium::Cilium;
use self::root::Root;
use crate::process::Process;
use crate::topology::{Bottleneck, Lab, LabOptions, Machine};

/// The node's name.
pub const NODE: &str = "node1";
/// The interface of its uplink.
pub const UPLINK: &str = "wan0";
/// The port of the API server.
pub const API_PORT: u16 = 6443;
const KUBELET_PORT: u16 = 10250;
/// An emulated machine takes half a minute for what a real one does in a few seconds, and ten times that while the host
/// builds something. A program that ends is noticed at once.
const READY_LIMIT: Duration = Duration::from_mins(10);
const RUN_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// The network of the node's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The standard CNI plugins with a bridge, and kube-proxy.
    Bridge,
    /// Cilium, whose programs only the disk of `cargo xtask test --rung cilium` has.
    Cilium(Cilium),
}

/// A program of the node that can be started anew: see [`Cluster::restart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The container runtime.
    Containerd,
    /// What starts and watches the node's pods.
    Kubelet,
}

/// A running cluster. Its programs are killed when it is dropped; containers run on until the machine ends.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: whoever uses something goes before it.
    programs: BTreeMap<&'static str, Process>,
    root: Root,
    machine: Machine,
    lab: Lab,
}

impl Cluster {
    /// Starts it behind a bottleneck and waits until the node takes pods. `tell` is given how far it is.
    pub fn start(network: Network, bottleneck: Bottleneck, tell: impl Fn(&str)) -> Result<Self> {
        let lab = Lab::new(LabOptions { bottleneck: Some(bottleneck) })?;
        let machine = lab.plug_in_this_machine(UPLINK, 1)?;
        let root = Root::mount(&named_by("WEIR_NODE_DISK")?)?;
        configuration::write(&root, &machine, network)?;
        programs::prepare(&machine)?;
        let mut cluster = Self { programs: BTreeMap::new(), root, machine, lab };

        tell("starting the control plane and the container runtime");
        cluster.spawn("etcd", programs::etcd())?;
        cluster.spawn("kube-apiserver", programs::api_server(&cluster.machine))?;
        cluster.spawn("containerd", programs::containerd())?;
        cluster.import_images()?;
        tell("the images are imported");
        cluster.eventually("the API server is not ready", Self::answers)?;

        let clients = programs::clients(&cluster.machine, network);
        let names: Vec<_> = clients.iter().map(|(name, _)| *name).collect();
        tell(&format!("starting {}", names.join(", ")));
        for (name, command) in clients {
            cluster.spawn(name, command)?;
        }
        cluster.eventually("the controllers do not work", |cluster| {
            cluster.kubectl(&["get", "--raw", "/api/v1/namespaces/default/serviceaccounts/default"]).map(drop)
        })?;
        if let Network::Cilium(cilium) = network {
            cluster.start_cilium(cilium, &tell)?;
        }
        cluster.eventually("the node is not ready", |cluster| {
            let node = cluster.kubectl(&["get", "--raw", &format!("/api/v1/nodes/{NODE}")])?;
            let node: Value = serde_json::from_str(&node).context("the node is no JSON")?;
            let conditions = node["status"]["conditions"].as_array();
            let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
            ensure!(ready.is_some_and(|ready| ready["status"] == "True"), "its condition is {ready:?}");
            Ok(())
        })?;
        tell("the node is ready");
        Ok(cluster)
    }

    /// The lab around the node: its router and the internet.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The node's network.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A path of the node as it is called outside of the node's root.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path(inside)
    }

    /// Runs a program of the node, by its path, to its end and gives its standard output.
    pub fn run_inside(&self, argv: &[&str]) -> Result<String> {
        let [program, arguments @ ..] = argv else { bail!("no program was named") };
        let mut command = Command::new(program);
        command.args(arguments);
        self.root.spawn(command)?.wait_ok(RUN_LIMIT)
    }

    /// Kills one of the node's programs, starts it again and waits until it answers. Containers run on meanwhile.
    pub fn restart(&mut self, program: Program) -> Result<()> {
        let (name, command) = match program {
            Program::Containerd => ("containerd", programs::containerd()),
            Program::Kubelet => ("kubelet", programs::kubelet(&self.machine)),
        };
        // Dropping it kills it and waits for its end.
        drop(self.programs.remove(name));
        self.spawn(name, command)?;
        // A kubelet ends by itself when it finds no container runtime, and nobody here starts it again.
        self.eventually(&format!("{name} does not answer"), |cluster| match program {
            Program::Containerd => cluster.run_inside(&["/usr/bin/ctr", "version"]).map(drop),
            Program::Kubelet => Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, KUBELET_PORT)).map(drop)?),
        })
    }

    fn spawn(&mut self, name: &'static str, command: Command) -> Result<()> {
        self.programs.insert(name, self.root.spawn(command)?);
        Ok(())
    }

    fn answers(&self) -> Result<()> {
        // A kubectl that finds nobody would only take time from the server that starts.
        TcpStream::connect((Ipv4Addr::LOCALHOST, API_PORT)).context("the API server does not listen")?;
        self.kubectl(&["get", "--raw", "/readyz"]).map(drop)
    }

    /// Gives containerd the images of the task, by their archives.
    fn import_images(&mut self) -> Result<()> {
        let folder = named_by("WEIR_IMAGES")?;
        let store = self.root.path("var/lib/weir-images");
        std::fs::create_dir_all(&store)?;
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry?;
            std::fs::copy(entry.path(), store.join(entry.file_name()))?;
            let file = format!("/var/lib/weir-images/{}", entry.file_name().to_string_lossy());
            let arguments = ["--namespace", "k8s.io", "images", "import", &file];
            self.eventually("containerd takes no image", |cluster| {
                let mut ctr = Command::new("/usr/bin/ctr");
                ctr.args(arguments);
                cluster.root.spawn(ctr)?.wait_ok(READY_LIMIT).map(drop)
            })?;
        }
        Ok(())
    }

    /// The last that each of the cluster's programs said.
    fn last_words(&self) -> String {
        self.programs.values().map(Process::last_words).collect::<Vec<_>>().join("\n")
    }

    /// Tries until it works. A program of the cluster that ends meanwhile is an error at once.
    fn eventually(&mut self, what: &str, attempt: impl Fn(&Self) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        loop {
            let attempted = Instant::now();
            let Err(error) = attempt(self) else { return Ok(()) };
            for (name, program) in &mut self.programs {
                if !program.is_running() {
                    bail!("{name} ended by itself: {}", program.last_words());
                }
            }
            if start.elapsed() > READY_LIMIT {
                bail!("{what} after {READY_LIMIT:?}: {error:#}\n{}", self.last_words());
            }
            // A kubectl takes an emulated machine seconds of the time that the programs need to become ready.
            std::thread::sleep(POLL.max(attempted.elapsed() * 2));
        }
    }
}

/// A path that the task put into a variable.
pub(crate) fn named_by(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.with_context(|| {
        format!(
            "{variable} is not set: clusters run in the VM of `cargo xtask demo --cluster` or `cargo xtask test --rung e2e`"
        )
    })
}
