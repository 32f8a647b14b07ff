//! One cell: a stage of its own, bulk that is limited, a call beside it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};
use weir_lab::traffic::{Call, CallOptions, Iperf, IperfOptions, Server, Sink, Summary};
use weir_lab::{
    Agent, AgentOptions, Bottleneck, Lab, LabOptions, Node, NodeOptions, Pod, PodCgroup, PodOptions, Process,
    WithoutFq, pod_object,
};

use super::cases::{Case, What};
use crate::scenes::events::round;

/// TCP's slow start, and what it overshoots by, is over after this, at 256 kbit/s too.
pub(super) const SETTLE: Duration = Duration::from_secs(6);
const ECHO_PORT: u16 = 7000;
const LOAD_PORT: u16 = 5201;
const FIRST_SINK_PORT: u16 = 6000;
const TIER: &str = "bulk";

/// A way to shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub(super) enum Arm {
    /// Weir.
    Weir,
    /// HTB on the node with a class for each limit, and `fq_codel` in each.
    Htb,
}

/// One cell's figures.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    #[serde(flatten)]
    case: Case,
    arm: Arm,
    /// Payload that arrived, of all pods together.
    pub(super) goodput_kbit: u64,
    /// Packets dropped on the node and before the link while measuring.
    pub(super) drops: u64,
    pub(super) call_p99_ms: f64,
    cpu_idle_percent: f64,
}

/// Plays a cell.
pub(super) fn play(case: &Case, arm: Arm, seconds: u64) -> Result<Cell> {
    let _without_fq = if case.policed { Some(WithoutFq::begin()?) } else { None };
    let stage = Stage::build(case)?;
    let agent = match arm {
        Arm::Weir => {
            stage.write_policy(case)?;
            Some(stage.node.start_agent(&AgentOptions::default())?)
        }
        Arm::Htb => {
            stage.node.ns().tc(&htb(case))?;
            None
        }
    };
    let length = SETTLE + Duration::from_secs(seconds);
    let call = Call::start(stage.call.ns(), stage.lab.internet().at(ECHO_PORT), CallOptions::default())?;
    let _senders = stage.start_bulk(case)?;
    // The load of many pods jumps up while they send; a link that is to be full is so from the beginning.
    let (first, rest) = if case.pods > 1 { (SETTLE, Duration::ZERO) } else { (Duration::ZERO, SETTLE) };
    std::thread::sleep(first);
    let _load = stage.start_load(case, length + Duration::from_secs(5))?;
    std::thread::sleep(rest);

    let (from, before) = (Instant::now(), stage.totals(agent.as_ref())?);
    std::thread::sleep(Duration::from_secs(seconds));
    let (to, after) = (Instant::now(), stage.totals(agent.as_ref())?);
    let summary = Summary::of(&call.finish()?, from, to);
    let millis = u64::try_from((to - from).as_millis())?.max(1);
    Ok(Cell {
        case: *case,
        arm,
        goodput_kbit: (after.received - before.received) * 8 / millis,
        drops: after.drops - before.drops,
        call_p99_ms: round(summary.p99_ms, 2),
        cpu_idle_percent: idle_percent(before.cpu, after.cpu),
    })
}

/// A node with the pods of a case behind an uplink that is wide enough, and who they send to.
struct Stage {
    node: Node,
    call: Pod,
    load: Pod,
    /// Empty where the bulk is sent from the node's own network.
    seeds: Vec<Pod>,
    host: Option<PodCgroup>,
    sinks: Vec<Sink>,
    _echo: Server,
    lab: Lab,
}

/// Totals that are read at both ends of a measurement.
struct Totals {
    received: u64,
    drops: u64,
    cpu: (u64, u64),
}

impl Stage {
    fn build(case: &Case) -> Result<Self> {
        let link = Bottleneck {
            // Wider than the capacity, so that nothing but the shaper drops.
            rate_bits: case.capacity_mbit * 1_500_000,
            round_trip: Duration::from_millis(case.rtt_ms),
            ..Bottleneck::default()
        };
        let lab = Lab::new(LabOptions { bottleneck: Some(link) })?;
        let node = lab.node(1, NodeOptions::default())?;
        let internet = lab.internet();
        let pod = |name: &str| node.pod(name, PodOptions::default());
        let (call, load) = (pod("call")?, pod("load")?);
        let (mut seeds, mut host) = (Vec::new(), None);
        if case.host_network {
            host = Some(PodCgroup::create(HOST_POD_UID)?);
        } else {
            seeds = (0..case.pods).map(|number| pod(&format!("seed{number}"))).collect::<Result<_>>()?;
        }
        let echo = Server::echo(internet.ns(), internet.at(ECHO_PORT))?;
        let ports = (0..u16::from(case.pods)).map(|number| FIRST_SINK_PORT + number);
        let sink = if case.what == What::Bursts { Sink::udp } else { Sink::start };
        let sinks = ports.map(|port| sink(internet.ns(), internet.at(port))).collect::<Result<_>>()?;
        Ok(Self { node, call, load, seeds, host, sinks, _echo: echo, lab })
    }

    fn write_policy(&self, case: &Case) -> Result<()> {
        let objects = self.node.objects();
        objects.apply_node(&self.node)?;
        objects.apply_uplink(&json!({"capacity": format!("{}M", case.capacity_mbit), "headroom": "0%"}))?;
        let mut tier = json!({"dscp": "LE"});
        if case.what.is_limit() {
            tier[case.what.name()] = json!(format!("{}k", case.rate_kbit));
        }
        objects.apply_tier(TIER, &tier)?;
        for pod in [&self.call, &self.load] {
            objects.apply_pod(pod, &[])?;
        }
        for pod in &self.seeds {
            objects.apply_pod(pod, &[("traffic-tier", TIER)])?;
        }
        if self.host.is_some() {
            objects.apply("pod-host.yaml", &[self.host_pod()])?;
        }
        Ok(())
    }

    fn host_pod(&self) -> Value {
        let mut object = pod_object(&self.call, &[("traffic-tier", TIER)]);
        object["metadata"]["name"] = json!("host");
        object["metadata"]["uid"] = json!(HOST_POD_UID);
        object["spec"]["hostNetwork"] = json!(true);
        object["status"] = json!({"phase": "Running", "podIP": self.node.v4(), "podIPs": [{"ip": self.node.v4()}]});
        object
    }

    /// Starts the senders of every pod, as programs of their own, so that each has its cgroup.
    fn start_bulk(&self, case: &Case) -> Result<Vec<Process>> {
        let program = std::env::current_exe().context("the path of the running program")?;
        let program = program.to_string_lossy();
        let internet = self.lab.internet();
        let start = |ns: &weir_lab::Netns, number: u16, join: &str| {
            let (to, streams) = (internet.at(FIRST_SINK_PORT + number), case.streams);
            let arguments = match case.what {
                What::Bursts => bursts(to, case.rate_kbit),
                _ => format!("bulk {to} --streams {streams}"),
            };
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{join} exec {program} {arguments}")]);
            ns.spawn(shell)
        };
        if let Some(cgroup) = &self.host {
            return Ok(vec![start(self.node.ns(), 0, &cgroup.join())?]);
        }
        (0..).zip(&self.seeds).map(|(number, pod)| start(pod.ns(), number, "")).collect()
    }

    fn start_load(&self, case: &Case, length: Duration) -> Result<Option<Iperf>> {
        if case.beside_mbit == 0 {
            return Ok(None);
        }
        let internet = self.lab.internet();
        let payload = IperfOptions::udp_payload(u64::from(case.beside_mbit) * 1_000_000);
        let options = IperfOptions::udp(internet.at(LOAD_PORT), payload, length);
        Iperf::start(self.load.ns(), internet.ns(), &options).map(Some)
    }

    fn totals(&self, agent: Option<&Agent>) -> Result<Totals> {
        let node: u64 = self.node.ns().qdiscs("eth0")?.iter().filter(|qdisc| qdisc.root).map(|qdisc| qdisc.drops).sum();
        let weir = match agent {
            Some(agent) => agent.metrics()?.sum("weir_pod_drops_total", &[]).unwrap_or_default(),
            None => 0.0,
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a counter of packets
        let weir = weir as u64;
        Ok(Totals {
            received: self.sinks.iter().map(Sink::received).sum(),
            drops: node + weir + self.lab.router().bottleneck_stats()?.drops,
            cpu: weir_lab::cpu_idle()?,
        })
    }
}

/// What a careful admin writes: the link, a class for what is limited, and one for everybody else.
fn htb(case: &Case) -> Vec<String> {
    let capacity = case.capacity_mbit * 1_000;
    let limit = case.rate_kbit;
    let rest = capacity.saturating_sub(limit).max(capacity / 10);
    let mut lines = vec![
        "qdisc replace dev eth0 root handle 1: htb default 10".to_owned(),
        format!("class add dev eth0 parent 1: classid 1:1 htb rate {capacity}kbit ceil {capacity}kbit"),
        format!("class add dev eth0 parent 1:1 classid 1:10 htb rate {rest}kbit ceil {capacity}kbit prio 0"),
        "qdisc add dev eth0 parent 1:10 fq_codel".to_owned(),
    ];
    for number in 0..u16::from(case.pods) {
        let (class, port) = (20 + number, FIRST_SINK_PORT + number);
        let is_ceiling = matches!(case.what, What::Ceiling | What::PerPodCeiling);
        let ceiling = if is_ceiling { limit } else { capacity };
        // Many pods share what is left as well as they can.
        let rate = if case.pods > 1 { limit / 4 } else { limit };
        lines.extend([
            format!("class add dev eth0 parent 1:1 classid 1:{class} htb rate {rate}kbit ceil {ceiling}kbit prio 1"),
            format!("qdisc add dev eth0 parent 1:{class} fq_codel"),
            format!("filter add dev eth0 parent 1: protocol ip u32 match ip dport {port} 0xffff flowid 1:{class}"),
        ]);
    }
    lines
}

/// Bursts of 43 packets, as many as this rate takes.
fn bursts(to: SocketAddr, rate_kbit: u64) -> String {
    const SEGMENT: u64 = 1_400;
    const BURST: u64 = 43 * SEGMENT;
    let rate = rate_kbit * 1_000 / 8 / BURST;
    format!("probe {to} --rate {rate} --size {BURST} --segment {SEGMENT} --seconds 600")
}

/// The UID of the pod on the node's network.
const HOST_POD_UID: &str = "11111111-2222-4333-8444-00000000b01c";

fn idle_percent(before: (u64, u64), after: (u64, u64)) -> f64 {
    #[allow(clippy::cast_precision_loss)] // ticks of some seconds
    let share = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
    round(share * 100.0, 1)
}
