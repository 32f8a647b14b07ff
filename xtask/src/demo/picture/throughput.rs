//! What the pods send, stacked, under the line of what the link carries.

use maud::{Markup, html};

use super::axis::{Axis, from_zero, path, px};
use super::panel::Panel;
use super::{LEFT, RIGHT};
use crate::demo::events::Sample;

/// Who sent less than this on average, in Mbit/s, sent nothing to speak of: neighbour discovery and the like.
const LEAST_MBIT: f64 = 0.01;
/// Neighbouring samples are this far apart at most, in seconds.
const LONGEST_STRETCH: f64 = 0.7;

pub(super) fn axis(samples: &[Sample], link_mbit: f64) -> Axis {
    let sent = samples.iter().map(|sample| sample.rates_mbit.values().sum());
    // A first burst into the buffer may be far above the link; the picture is about the link.
    from_zero(sent.fold(link_mbit, f64::max).min(1.5 * link_mbit))
}

/// The pods that sent anything to speak of, the smallest first: it lies at the bottom of the stack.
fn pods(samples: &[Sample]) -> Vec<&str> {
    let names = samples.first().map(|sample| sample.rates_mbit.keys()).into_iter().flatten();
    #[allow(clippy::cast_precision_loss)] // some hundreds
    let count = samples.len() as f64;
    let mean = |name: &str| samples.iter().filter_map(|sample| sample.rates_mbit.get(name)).sum::<f64>() / count;
    let mut pods: Vec<(&str, f64)> =
        names.map(|name| (name.as_str(), mean(name))).filter(|(_, mean)| *mean >= LEAST_MBIT).collect();
    pods.sort_by(|(_, left), (_, right)| left.total_cmp(right));
    pods.into_iter().map(|(name, _)| name).collect()
}

pub(super) fn title(samples: &[Sample]) -> Markup {
    html! {
        "Sent by each pod, stacked (Mbit/s): "
        @for (number, pod) in pods(samples).into_iter().enumerate() {
            @if number > 0 { ", " }
            tspan class=(pod) { (pod) }
        }
    }
}

pub(super) fn draw(samples: &[Sample], link_mbit: f64, time: &Axis, panel: &Panel) -> Markup {
    let pods = pods(samples);
    let link = px(panel.values.at(link_mbit));
    html! {
        @for stretch in samples.chunk_by(|left, right| right.t - left.t < LONGEST_STRETCH) {
            @for (number, pod) in pods.iter().enumerate() {
                path class={ "area " (pod) "-area" }
                    d=(area(stretch, &pods[..number], pod, time, panel)) { title { (pod) } }
            }
        }
        line.link x1=(LEFT) x2=(RIGHT) y1=(link) y2=(link) { title { "the link: " (link_mbit) " Mbit/s" } }
        text.tick x=(RIGHT - 4.0) y=(px(link - 5.0)) text-anchor="end" { "the link" }
    }
}

/// The outline of what `pod` sent on top of what those `below` sent.
fn area(stretch: &[Sample], below: &[&str], pod: &str, time: &Axis, panel: &Panel) -> String {
    let rate = |sample: &Sample, pod: &str| sample.rates_mbit.get(pod).copied().unwrap_or_default();
    let floor = |sample: &Sample| below.iter().map(|pod| rate(sample, pod)).sum::<f64>();
    let place = |sample: &Sample, mbit: f64| (time.at(sample.t), panel.values.at(mbit).max(panel.top()));
    let upper = stretch.iter().map(|sample| place(sample, floor(sample) + rate(sample, pod)));
    let lower = stretch.iter().rev().map(|sample| place(sample, floor(sample)));
    path(upper.chain(lower)) + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(t: f64, call: f64, seed: f64) -> Sample {
        let rates_mbit = [("call", call), ("load", 0.001), ("seed", seed)];
        let rates_mbit = rates_mbit.map(|(pod, rate)| (pod.to_owned(), rate)).into();
        Sample { t, rates_mbit, call_ms: None, web_ms: None }
    }

    #[test]
    fn the_seed_stands_on_the_call() {
        let samples = [sample(0.0, 1.0, 10.0), sample(1.0, 2.0, 18.0)];
        assert_eq!(pods(&samples), ["call", "seed"], "who sent nothing is left out");
        let time = Axis::new((0.0, 1.0), (0.0, 100.0));
        let panel = Panel::below(0.0, 20.0, Axis::new((0.0, 20.0), (0.0, 1.0)));
        assert_eq!(area(&samples, &["call"], "seed", &time, &panel), "M0 9L100 0L100 18L0 19Z");
    }
}
