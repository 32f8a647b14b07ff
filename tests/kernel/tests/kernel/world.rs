//! What most tests start from: a node with an agent, a tier, and an internet that answers.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use weir_lab::traffic::{Call, CallOptions, Server};
use weir_lab::{
    Agent, AgentOptions, Bottleneck, Capture, Counters, Lab, LabOptions, Node, NodeOptions, Pod, PodOptions, Seen,
};

/// The tier of the tests, and the value of its label.
pub(crate) const TIER: &str = "bulk";
/// The labels of a pod in the tier.
pub(crate) const BULK: &[(&str, &str)] = &[("traffic-tier", TIER)];
/// The DSCP that tiers with `dscp: LE` set (RFC 8622).
pub(crate) const LE: u8 = 1;
/// How long a change may take until a test calls it lost. How fast it is, is measured elsewhere.
pub(crate) const SOON: Duration = Duration::from_secs(5);

const ECHO_PORT: u16 = 7000;
/// For how long a rate is measured.
const MEASURE: Duration = Duration::from_secs(4);

/// A node behind a fast link, and an internet host that echoes UDP.
pub(crate) struct World {
    pub(crate) node: Node,
    _echo: [Server; 2],
    pub(crate) lab: Lab,
}

impl World {
    /// A world without a bottleneck: only Weir limits.
    pub(crate) fn new() -> Result<Self> {
        Self::with(None, NodeOptions::default())
    }

    /// A world behind the default bottleneck of 20 Mbit/s.
    pub(crate) fn behind_a_bottleneck() -> Result<Self> {
        Self::with(Some(Bottleneck::default()), NodeOptions::default())
    }

    /// Any other. The uplink is one of 20 Mbit/s without headroom, its tier is marked LE.
    pub(crate) fn with(bottleneck: Option<Bottleneck>, node: NodeOptions) -> Result<Self> {
        let lab = Lab::new(LabOptions { bottleneck })?;
        let node = lab.node(1, node)?;
        let internet = lab.internet();
        let echo = [
            Server::echo(internet.ns(), internet.at(ECHO_PORT))?,
            Server::echo(internet.ns(), internet.at_v6(ECHO_PORT))?,
        ];
        let world = Self { node, _echo: echo, lab };
        world.node.objects().apply_node(&world.node)?;
        world.node.objects().apply_uplink(&json!({"capacity": "20M", "headroom": "0%"}))?;
        world.tier(&json!({"dscp": "LE"}))?;
        Ok(world)
    }

    /// Writes the tier.
    pub(crate) fn tier(&self, spec: &Value) -> Result<()> {
        self.node.objects().apply_tier(TIER, spec)
    }

    /// Starts a pod with an object of these labels.
    pub(crate) fn pod(&self, name: &str, options: PodOptions, labels: &[(&str, &str)]) -> Result<Pod> {
        let pod = self.node.pod(name, options)?;
        self.node.objects().apply_pod(&pod, labels)?;
        Ok(pod)
    }

    /// Starts the agent and waits until it is ready. A failing test shows its log.
    pub(crate) fn agent(&self) -> Result<Agent<'_>> {
        self.node.start_agent(&AgentOptions { tell_log: true, ..AgentOptions::default() })
    }

    /// A call from a pod over IPv4, 50 packets a second.
    pub(crate) fn call(&self, pod: &Pod) -> Result<Call> {
        Call::start(pod.ns(), self.lab.internet().at(ECHO_PORT), CallOptions::default())
    }

    /// A pod of the tier, an agent, and a call that is shaped already.
    pub(crate) fn shaped(&self) -> Result<(Pod, Agent<'_>, Call)> {
        let seed = self.pod("seed", PodOptions::default(), BULK)?;
        let agent = self.agent()?;
        let call = self.call(&seed)?;
        self.wait_marked(&seed, true)?;
        Ok((seed, agent, call))
    }

    /// What `weir status` says, as JSON.
    pub(crate) fn status(&self) -> Result<Value> {
        let socket = self.node.admin_socket();
        let arguments = ["status", "--output", "json", "--socket", &socket.to_string_lossy()];
        let text = self.node.weir(&arguments)?.wait_ok(2 * SOON)?;
        serde_json::from_str(&text).with_context(|| format!("weir status says {text}"))
    }

    /// The reasons of the notes in `weir status` on an object, such as `Uplink wan`.
    pub(crate) fn notes_on(&self, object: &str) -> Result<Vec<String>> {
        let status = self.status()?;
        let notes = status["notes"].as_array().context("there are notes")?;
        let text = |note: &Value, field: &str| note[field].as_str().unwrap_or_default().to_owned();
        let of_object = notes.iter().filter(|note| format!("{} {}", text(note, "kind"), text(note, "name")) == object);
        Ok(of_object.map(|note| text(note, "reason")).collect())
    }

    /// Waits until `weir status` has a note with this reason on an object.
    pub(crate) fn wait_noted(&self, object: &str, reason: &str) -> Result<()> {
        within(Duration::from_secs(30), || {
            let reasons = self.notes_on(object)?;
            ensure!(reasons.iter().any(|found| found == reason), "{object} has no note {reason}, but {reasons:?}");
            Ok(())
        })
    }

    /// `weir cleanup` on the node; what it said.
    pub(crate) fn cleanup(&self) -> Result<String> {
        let (bpffs, state) = (self.node.bpffs(), self.node.state_dir());
        let arguments = ["cleanup", "--bpffs", &bpffs.to_string_lossy(), "--state-dir", &state.to_string_lossy()];
        self.node.weir(&arguments)?.wait_ok(2 * SOON)
    }

    /// A call over IPv6.
    pub(crate) fn call_v6(&self, pod: &Pod) -> Result<Call> {
        Call::start(pod.ns(), self.lab.internet().at_v6(ECHO_PORT), CallOptions::default())
    }

    /// Watches what a pod sends as it reaches the internet host.
    pub(crate) fn watch(&self, pod: &Pod) -> Result<Capture> {
        let sources = pod.addresses();
        Capture::start(self.lab.internet().ns(), move |packet| sources.contains(&packet.source))
    }

    /// Fails unless the uplink sends within these multiples of `mbit`, on the wire. Needs traffic that goes on.
    pub(crate) fn ensure_rate(&self, what: &str, mbit: f64, range: RangeInclusive<f64>) -> Result<()> {
        self.ensure_rate_of("eth0", what, mbit, range)
    }

    /// Likewise, of any device of the node.
    pub(crate) fn ensure_rate_of(&self, device: &str, what: &str, mbit: f64, range: RangeInclusive<f64>) -> Result<()> {
        until_enough(|| is_enough(what, self.rate_of(device, MEASURE)?, mbit, &range))
    }

    /// What leaves the node by a device for `time`, in Mbit/s on the wire.
    pub(crate) fn rate_of(&self, device: &str, time: Duration) -> Result<f64> {
        let sent = || Counters::read(self.node.ns(), device);
        let (start, before) = (Instant::now(), sent()?);
        std::thread::sleep(time);
        let (after, time) = (sent()?, start.elapsed());
        #[allow(clippy::cast_precision_loss)] // bytes of some seconds
        let bits = (after.tx_bytes - before.tx_bytes) as f64 * 8.0;
        Ok(bits / time.as_secs_f64() / 1e6)
    }

    /// Waits until packets of this pod carry the tier's mark, or no longer do. Needs traffic.
    pub(crate) fn wait_marked(&self, pod: &Pod, marked: bool) -> Result<()> {
        let seen = self.watch(pod)?;
        let wanted = |packet: &Seen| (packet.dscp == LE) == marked;
        seen.wait_for(SOON, wanted).with_context(|| format!("{}: expected packets with mark: {marked}", pod.name()))?;
        Ok(())
    }
}

/// Whether a rate is within these multiples of `mbit`; an error if it is over them.
pub(crate) fn is_enough(what: &str, rate: f64, mbit: f64, range: &RangeInclusive<f64>) -> Result<bool> {
    let told = format!("{what}: {rate:.2} Mbit/s on the wire, which should be {range:?} of {mbit:.2}");
    ensure!(rate <= mbit * range.end(), "{told}");
    let enough = rate >= mbit * range.start();
    if !enough {
        eprintln!("{told}");
    }
    Ok(enough)
}

/// Measures up to three times, until there is enough. What is too much is an error at once: a stall of the machine idles
/// a link, but lets nothing through that is not allowed.
pub(crate) fn until_enough(mut measure: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..3 {
        if measure()? {
            return Ok(());
        }
    }
    bail!("too little, three times")
}

/// Measures up to three times; the first good one counts.
///
/// For what a stall of the machine can only make look worse: it idles a link and delays packets, but never fills the
/// one or hurries the others. Upper limits are not measured in this way: see [`until_enough`].
pub(crate) fn best_of_three(mut measure: impl FnMut() -> Result<()>) -> Result<()> {
    for attempt in 1..3 {
        match measure() {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("attempt {attempt} of 3: {error:#}"),
        }
    }
    measure()
}

/// Tries until it succeeds or [`SOON`] is over; then the last error counts.
pub(crate) fn eventually<T>(attempt: impl FnMut() -> Result<T>) -> Result<T> {
    within(SOON, attempt)
}

/// Path of `weir-lab`, for traffic that has to come from a program of its own.
pub(crate) fn lab_program() -> String {
    std::env::var("WEIR_LAB_BIN").unwrap_or_else(|_| "/usr/bin/weir-lab".to_owned())
}

/// Tries until it succeeds or the time is over; then the last error counts.
pub(crate) fn within<T>(time: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + time;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
