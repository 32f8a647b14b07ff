//! Samples while a scene plays: what each pod sends, and how slow call and requests are just then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};
use weir_lab::Counters;
use weir_lab::traffic::{Call, Sample, Web};

use super::events::{Events, round};
use super::stage::Stage;

const STEP: Duration = Duration::from_millis(200);
/// A delay is known when the answer is there: samples are told this much later.
const LAG: Duration = Duration::from_millis(800);

/// What runs while sampling; either may be silent.
#[derive(Clone, Copy)]
pub(super) struct Playing<'a> {
    pub(super) call: Option<&'a Call>,
    pub(super) web: Option<&'a Web>,
}

/// Something to do while the scene plays.
pub(super) struct Cue<'a> {
    /// When, from the beginning.
    pub(super) at: Duration,
    /// What.
    pub(super) act: Box<dyn FnOnce() -> Result<()> + 'a>,
}

/// Lets the scene play for `length`, tells a sample every 200 ms, and acts on the cues in their order.
pub(super) fn play(events: &Events, stage: &Stage, playing: Playing, length: Duration, cues: Vec<Cue>) -> Result<()> {
    let start = Instant::now();
    let end = start + length;
    let mut cues = cues.into_iter().peekable();
    let mut windows = VecDeque::new();
    let mut last = (Instant::now(), sent(stage)?);
    while Instant::now() < end {
        std::thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
        let now = (Instant::now(), sent(stage)?);
        windows.push_back((last.0, now.0, rates(&last.1, &now.1, now.0 - last.0)));
        last = now;
        while let Some(cue) = cues.next_if(|cue| start.elapsed() >= cue.at) {
            (cue.act)()?;
        }
        tell(events, playing, &mut windows, LAG);
    }
    if !windows.is_empty() {
        std::thread::sleep(LAG);
        tell(events, playing, &mut windows, Duration::ZERO);
    }
    Ok(())
}

type Window = (Instant, Instant, Value);

fn tell(events: &Events, playing: Playing, windows: &mut VecDeque<Window>, lag: Duration) {
    while windows.front().is_some_and(|window| window.1 + lag <= Instant::now()) {
        let Some((from, to, rates)) = windows.pop_front() else { return };
        let call = playing.call.map_or_else(Vec::new, |call| call.since(0));
        let web = playing.web.map_or_else(Vec::new, |web| web.since(0));
        events.emit(
            "sample",
            json!({
                "t": round((to - events.start()).as_secs_f64(), 3),
                "rates_mbit": rates,
                "call_ms": slowest(&call, from, to),
                "web_ms": slowest(&web, from, to),
            }),
        );
    }
}

fn slowest(samples: &[Sample], from: Instant, to: Instant) -> Option<f64> {
    let inside = samples.iter().rev().skip_while(|sample| sample.sent >= to).take_while(|sample| sample.sent >= from);
    inside.filter_map(|sample| sample.delay).max().map(|delay| round(delay.as_secs_f64() * 1000.0, 2))
}

type Sent = [(&'static str, u64); 4];

/// What the pods have sent: their host interfaces received it.
fn sent(stage: &Stage) -> Result<Sent> {
    let bytes =
        |pod: &weir_lab::Pod| Ok::<_, anyhow::Error>(Counters::read(stage.node.ns(), pod.host_interface())?.rx_bytes);
    Ok([
        ("call", bytes(&stage.call)?),
        ("web", bytes(&stage.web)?),
        ("seed", bytes(&stage.seed)?),
        ("load", bytes(&stage.load)?),
    ])
}

fn rates(before: &Sent, after: &Sent, time: Duration) -> Value {
    let rate = |from: u64, to: u64| {
        #[allow(clippy::cast_precision_loss)] // bytes of a fifth of a second
        let bits = to.saturating_sub(from) as f64 * 8.0;
        round(bits / time.as_secs_f64() / 1e6, 3)
    };
    let rates: Map<String, Value> =
        before.iter().zip(after).map(|((name, from), (_, to))| ((*name).to_owned(), json!(rate(*from, *to)))).collect();
    Value::Object(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bits_per_second() {
        let before = [("call", 0), ("web", 0), ("seed", 100), ("load", 0)];
        let after = [("call", 0), ("web", 0), ("seed", 250_100), ("load", 0)];
        assert_eq!(rates(&before, &after, Duration::from_millis(200))["seed"], 10.0);
    }

    #[test]
    fn the_slowest_of_a_window() {
        let start = Instant::now();
        let at =
            |ms, delay| Sample { sent: start + Duration::from_millis(ms), delay: Some(Duration::from_millis(delay)) };
        let samples = [at(0, 500), at(20, 30), at(40, 25), at(60, 500)];
        let window = start + Duration::from_millis(60);
        assert_eq!(slowest(&samples, start + Duration::from_millis(10), window), Some(30.0));
        assert_eq!(slowest(&[], start, window), None);
    }
}
