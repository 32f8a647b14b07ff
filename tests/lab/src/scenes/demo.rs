//! `demo`: what a neighbour's torrent does to a call, and what Weir does about it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use weir_lab::traffic::{Call, Summary, Web};
use weir_lab::{Agent, AgentOptions, Counters, Metrics, Pod};

use super::enforce;
use super::events::{Events, round};
use super::measure::kernel;
use super::sampler::{self, Cue, Playing};
use super::stage::Stage;

/// A torrent client's uploads.
const STREAMS: u8 = 8;
const SETTLE: Duration = Duration::from_secs(3);
const MEASURE: Duration = Duration::from_secs(12);
/// The link's goodput and the seed's alone need no percentiles.
const MEASURE_BULK: Duration = Duration::from_secs(6);
const WITHOUT_LABEL: Duration = Duration::from_secs(6);
const LABEL_CHANGES: usize = 20;
/// Senders outlive a measurement by this much, as they start a little late.
const MARGIN: Duration = Duration::from_secs(2);
/// How often to look again while a late packet still changes the counters.
const QUIET_TRIES: usize = 20;

/// Plays the demo.
pub(super) fn play(events: &Events) -> Result<()> {
    events.step("lab", "building a node, three pods, a router with a deep buffer, and the internet", 0);
    let stage = Stage::build(true)?;
    let demo = Demo { events, stage: &stage };

    let link = demo.bulk_alone("link", "what the link carries: the seed alone, no Weir")?;
    let idle = demo.together("idle", "call and web alone", false)?;
    let unshaped = demo.together("unshaped", "call, web and seed, no Weir", true)?;

    events.step("start", "starting Weir on the node", 0);
    let agent = stage.node.start_agent(&AgentOptions::default())?;
    events.mark_shaped("Weir is ready", true);
    let accounting = Accounting::begin(&stage, &agent)?;
    let alone = demo.bulk_alone("alone", "the seed alone, under Weir")?;
    let weir = demo.together("weir", "call, web and seed, under Weir", true)?;
    demo.label_off_and_on()?;

    events.step("enforce", &format!("changing the label {LABEL_CHANGES} times"), 0);
    let enforce = enforce::toggle(&stage, LABEL_CHANGES)?;
    let accounting = accounting.end(&stage, &agent)?;

    events.result(
        "demo",
        json!({
            "kernel": kernel()?,
            "link_mbit": stage.link_mbit(),
            "call": {"idle_p99_ms": idle.call, "unshaped_p99_ms": unshaped.call, "weir_p99_ms": weir.call},
            "web": {"idle_p95_ms": idle.web, "unshaped_p95_ms": unshaped.web, "weir_p95_ms": weir.web},
            "bulk": {
                "link_mbit": link,
                "alone_mbit": alone,
                "beside_mbit": weir.bulk,
                "unshaped_mbit": unshaped.bulk,
                "others_mbit": weir.others,
            },
            "loss": {
                "idle_percent": idle.loss, "unshaped_percent": unshaped.loss, "weir_percent": weir.loss,
            },
            "accounting": accounting,
            "enforce": enforce.figures(),
        }),
    );
    Ok(())
}

struct Demo<'a> {
    events: &'a Events,
    stage: &'a Stage,
}

/// The figures of one act.
struct Act {
    call: f64,
    web: f64,
    loss: f64,
    bulk: f64,
    /// What call and web sent, in Mbit/s on the wire.
    others: f64,
}

impl Demo<'_> {
    /// The seed's goodput with nobody else there.
    fn bulk_alone(&self, name: &str, title: &str) -> Result<f64> {
        let length = SETTLE + MEASURE_BULK + MARGIN;
        self.events.step(name, title, length.as_secs());
        let seed = self.stage.start_seed(STREAMS, length, 0)?;
        self.events.mark("the seed starts");
        let from = Instant::now() + SETTLE;
        let silent = Playing { call: None, web: None };
        sampler::play(self.events, self.stage, silent, SETTLE + MEASURE_BULK, Vec::new())?;
        let mbit = seed.finish()?.mbit(from, from + MEASURE_BULK);
        self.events.mark("the seed ends");
        Ok(round(mbit, 2))
    }

    /// Call and web, with the seed or without.
    fn together(&self, name: &str, title: &str, with_seed: bool) -> Result<Act> {
        self.events.step(name, title, (SETTLE + MEASURE + MARGIN).as_secs());
        let (call, web) = (self.stage.start_call()?, self.stage.start_web());
        let seed = if with_seed {
            self.events.mark("the seed starts");
            Some(self.stage.start_seed(STREAMS, SETTLE + MEASURE + MARGIN, 0)?)
        } else {
            None
        };
        let mut begin = None;
        let cue = Cue {
            at: SETTLE,
            act: Box::new(|| {
                begin = Some((Instant::now(), self.sent_by_others()?));
                Ok(())
            }),
        };
        self.play(&call, &web, SETTLE + MEASURE, vec![cue])?;
        let (to, after) = (Instant::now(), self.sent_by_others()?);
        let (from, before) = begin.context("the act was too short to measure")?;
        let bulk = seed.map(|seed| anyhow::Ok(seed.finish()?.mbit(from, to))).transpose()?;
        let call = Summary::of(&call.finish()?, from, to);
        let web = Summary::of(&web.finish()?, from, to);
        #[allow(clippy::cast_precision_loss)] // bytes of some seconds
        let others = (after - before) as f64 * 8.0 / (to - from).as_secs_f64() / 1e6;
        Ok(Act {
            call: round(call.p99_ms, 2),
            web: round(web.p95_ms, 2),
            loss: round(call.loss_percent(), 2),
            bulk: round(bulk.unwrap_or_default(), 2),
            others: round(others, 2),
        })
    }

    /// The label goes and comes back while everything runs; the picture shows what that does.
    fn label_off_and_on(&self) -> Result<()> {
        let length = SETTLE + 2 * WITHOUT_LABEL + MARGIN;
        self.events.step("live", "taking the seed's label away and putting it back, live", length.as_secs());
        let (call, web) = (self.stage.start_call()?, self.stage.start_web());
        let seed = self.stage.start_seed(STREAMS, length, 0)?;
        let change = |at: Duration, labelled: bool, what: &'static str| Cue {
            at,
            act: Box::new(move || {
                self.stage.label_seed(labelled)?;
                self.events.mark_shaped(what, labelled);
                Ok(())
            }),
        };
        let cues = vec![change(SETTLE, false, "label removed"), change(SETTLE + WITHOUT_LABEL, true, "label put back")];
        self.play(&call, &web, SETTLE + 2 * WITHOUT_LABEL, cues)?;
        seed.finish()?;
        Ok(())
    }

    fn play(&self, call: &Call, web: &Web, length: Duration, cues: Vec<Cue>) -> Result<()> {
        sampler::play(self.events, self.stage, Playing { call: Some(call), web: Some(web) }, length, cues)
    }

    fn sent_by_others(&self) -> Result<u64> {
        Ok(self.stage.call.counters()?.tx_bytes + self.stage.web.counters()?.tx_bytes)
    }
}

/// What Weir counted, against what the pods' own interfaces counted meanwhile.
struct Accounting(Vec<(Counters, Counters)>);

impl Accounting {
    fn begin(stage: &Stage, agent: &Agent) -> Result<Self> {
        Ok(Self(read_both(stage, agent)?))
    }

    fn end(self, stage: &Stage, agent: &Agent) -> Result<Value> {
        let now = read_both(stage, agent)?;
        let errors: u64 = self
            .0
            .iter()
            .zip(&now)
            .map(|((weir0, veth0), (weir1, veth1))| {
                let sent = (weir1.tx_bytes - weir0.tx_bytes).abs_diff(veth1.tx_bytes - veth0.tx_bytes);
                let received = (weir1.rx_bytes - weir0.rx_bytes).abs_diff(veth1.rx_bytes - veth0.rx_bytes);
                sent + received
            })
            .sum();
        let bytes: u64 = self.0.iter().zip(&now).map(|(then, now)| now.1.tx_bytes - then.1.tx_bytes).sum();
        Ok(json!({"pods": now.len(), "byte_errors": errors, "bytes_sent": bytes}))
    }
}

/// Weir's counters and the veth's, per pod, read while nothing moves.
fn read_both(stage: &Stage, agent: &Agent) -> Result<Vec<(Counters, Counters)>> {
    let pods = [&stage.call, &stage.web, &stage.seed];
    let counters = || pods.iter().map(|pod| pod.counters()).collect::<Result<Vec<_>>>();
    for _ in 0..QUIET_TRIES {
        let before = counters()?;
        std::thread::sleep(Duration::from_millis(100));
        let metrics = agent.metrics()?;
        if counters()? == before {
            return Ok(pods.iter().map(|pod| weir_counters(&metrics, pod)).zip(before).collect());
        }
    }
    anyhow::bail!("the pods never fall silent")
}

fn weir_counters(metrics: &Metrics, pod: &Pod) -> Counters {
    let read = |direction: &str, unit: &str| {
        let name = format!("weir_pod_network_{direction}_{unit}_total");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a counter
        let value = metrics.sum(&name, &[("pod", pod.name())]).unwrap_or_default() as u64;
        value
    };
    Counters {
        rx_bytes: read("receive", "bytes"),
        rx_packets: read("receive", "packets"),
        tx_bytes: read("transmit", "bytes"),
        tx_packets: read("transmit", "packets"),
    }
}
