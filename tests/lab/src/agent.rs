//! The agent of a node: started inside its namespace, asked over HTTP, stopped in every way.

use std::fmt::Debug;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use prometheus_parse::{Sample, Scrape, Value};
use serde_json::json;

use crate::process::{Finished, Process};
use crate::topology::Node;

const HTTP: &str = "127.0.0.1:9479";
const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Prometheus gives up on a scrape after this.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// How to start an agent.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The filter of its log, such as `info`.
    pub log: String,
    /// Whether to print its log to standard error when it ends: so by default where `WEIR_LOG` sets the filter.
    pub tell_log: bool,
    /// The only capabilities that it has, such as `net_admin`; none: all.
    pub capabilities: Option<Vec<&'static str>>,
    /// Whether it may replace other programs' qdiscs.
    pub take_over: bool,
    /// The cluster that its objects come from, as a kubeconfig file; none: the node's folder of objects.
    pub kubeconfig: Option<PathBuf>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        let log = std::env::var("WEIR_LOG").ok();
        Self {
            tell_log: log.is_some(),
            log: log.unwrap_or_else(|| "info".to_owned()),
            capabilities: None,
            take_over: false,
            kubeconfig: None,
        }
    }
}

/// A running `weir agent`. Dropping it kills it; what it put into the kernel goes with the node.
pub struct Agent<'a> {
    node: &'a Node,
    process: Process,
}

impl Debug for Agent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("node", &self.node.name()).field("pid", &self.process.pid()).finish()
    }
}

/// Where the `weir` program is: `WEIR_BIN`, or beside the running program or its parent folder, or on the `PATH`.
pub(crate) fn weir_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WEIR_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("the path of the running program")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = own.ancestors().skip(1).take(2).map(PathBuf::from);
    let candidates: Vec<PathBuf> = beside.chain(std::env::split_paths(&path)).map(|dir| dir.join("weir")).collect();
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .with_context(|| format!("no weir program at any of {candidates:?}: build it, or name it by WEIR_BIN"))
}

/// `weir` with these capabilities at most.
fn bounded(capabilities: &[&str]) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.arg(format!("--bounding-set=-all,+{}", capabilities.join(",+"))).arg(weir_binary()?);
    Ok(command)
}

impl Node {
    /// A `weir` command line inside the node, such as `weir status`.
    pub fn weir(&self, arguments: &[&str]) -> Result<Process> {
        let mut command = Command::new(weir_binary()?);
        command.args(arguments);
        self.ns().spawn(command)
    }

    /// Starts the agent, without waiting for anything.
    pub fn spawn_agent(&self, options: &AgentOptions) -> Result<Agent<'_>> {
        let config = self.write_agent_config(options)?;
        let config = config.to_str().context("the lab's folder has a strange name")?;
        let mut command = match &options.capabilities {
            Some(capabilities) => bounded(capabilities)?,
            None => Command::new(weir_binary()?),
        };
        command.args(["agent", "--config", config]);
        let mut process = self.ns().spawn(command)?;
        if options.tell_log {
            process.tell_at_end();
        }
        Ok(Agent { node: self, process })
    }

    /// Starts the agent and waits until it is ready.
    pub fn start_agent(&self, options: &AgentOptions) -> Result<Agent<'_>> {
        let mut agent = self.spawn_agent(options)?;
        agent.wait_ready()?;
        Ok(agent)
    }

    /// The path of the agent's admin socket.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.dir().join("weir.sock")
    }

    /// The node's bpffs.
    #[must_use]
    pub fn bpffs(&self) -> PathBuf {
        self.dir().join("bpf")
    }

    /// The folder of the agent's state.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// Writes the agent's configuration and returns its path.
    pub fn write_agent_config(&self, options: &AgentOptions) -> Result<PathBuf> {
        let source = match &options.kubeconfig {
            Some(kubeconfig) => json!({"kubernetes": kubeconfig}),
            None => json!({"files": self.objects().dir()}),
        };
        let config = json!({
            "node": self.name(),
            "source": source,
            "bpffs": self.bpffs(),
            "stateDir": self.state_dir(),
            "takeOver": options.take_over,
            "listen": {"admin": self.admin_socket(), "http": HTTP},
            "log": {"format": "text", "filter": options.log},
        });
        let path = self.dir().join("weir.yaml");
        std::fs::write(&path, serde_json::to_string_pretty(&config)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Agent<'_> {
    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// If it ends before, or is not ready after 30 seconds; the error carries its log.
    pub fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            let Err(reason) = self.get("/readyz") else { return Ok(()) };
            if !self.process.is_running() {
                bail!("the agent ended before it was ready\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the agent is not ready after {READY_LIMIT:?}: {reason:#}\n{}", self.log());
            }
            std::thread::sleep(POLL);
        }
    }

    /// The body of a page of its HTTP server; an error if the status is not 2xx.
    pub fn get(&self, path: &str) -> Result<String> {
        self.node.ns().enter(|| {
            let agent = ureq::Agent::config_builder().timeout_global(Some(REQUEST_LIMIT)).build().new_agent();
            let mut response = agent.get(format!("http://{HTTP}{path}")).call()?;
            Ok(response.body_mut().read_to_string()?)
        })
    }

    /// Its metrics now.
    pub fn metrics(&self) -> Result<Metrics> {
        let page = self.get("/metrics").context("the agent's metrics")?;
        let lines = page.lines().map(|line| Ok(line.to_owned()));
        Ok(Metrics { samples: Scrape::parse(lines).context("the agent's metrics")?.samples })
    }

    /// Asks it to end, as Kubernetes does, and waits.
    pub fn terminate(mut self) -> Result<Finished> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(STOP_LIMIT)
    }

    /// Ends it without warning.
    pub fn kill(mut self) -> Result<Finished> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(STOP_LIMIT)
    }

    /// Waits until it ends by itself, as an agent that refuses to start does.
    pub fn wait(self) -> Result<Finished> {
        self.process.wait(STOP_LIMIT)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it logged until now.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}{}", self.process.stdout(), self.process.stderr())
    }
}

/// One scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    samples: Vec<Sample>,
}

impl Metrics {
    /// The sum of a metric's series that carry all of these labels; none if there is no such series.
    #[must_use]
    pub fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let matching = self
            .samples
            .iter()
            .filter(|sample| sample.metric == metric)
            .filter(|sample| labels.iter().all(|(key, value)| sample.labels.get(key) == Some(value)));
        let values: Vec<f64> = matching.filter_map(number).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

fn number(sample: &Sample) -> Option<f64> {
    match sample.value {
        Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => Some(value),
        Value::Histogram(_) | Value::Summary(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_series_that_match() {
        let page = "# TYPE weir_x_total counter\nweir_x_total{pod=\"a\",tier=\"t\"} 3\nweir_x_total{pod=\"b\"} 4\n";
        let scrape = Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let metrics = Metrics { samples: scrape.samples };
        assert_eq!(metrics.sum("weir_x_total", &[]), Some(7.0));
        assert_eq!(metrics.sum("weir_x_total", &[("pod", "a"), ("tier", "t")]), Some(3.0));
        assert_eq!(metrics.sum("weir_x_total", &[("pod", "c")]), None);
    }
}
