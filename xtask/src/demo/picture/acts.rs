//! The scene's parts: a heading over the time that each takes, and its percentile in the call's plot.

use maud::{Markup, html};

use super::ACTS_TOP;
use super::axis::{Axis, px};
use super::panel::Panel;
use crate::demo::events::Recording;
use crate::demo::figures::Figures;

/// Above and below a heading's words, together.
const PADDING: f64 = 16.0;
const LINE_HEIGHT: f64 = 14.0;
const CHARACTER_WIDTH: f64 = 6.0;
/// A sample stands for the time before it.
const SAMPLE_SECONDS: f64 = 0.2;

struct Act<'a> {
    name: &'a str,
    title: &'a str,
    from: f64,
    to: f64,
}

/// The steps in which something was measured.
fn acts<'a>(recording: &'a Recording, time: &Axis) -> Vec<Act<'a>> {
    let act = |(number, step): (usize, &'a crate::demo::events::Step)| {
        let first = recording.samples_of(number).next()?;
        let last = recording.samples_of(number).last()?;
        let (from, to) = (time.at(first.t - SAMPLE_SECONDS), time.at(last.t));
        Some(Act { name: &step.name, title: &step.title, from, to })
    };
    recording.steps.iter().enumerate().filter_map(act).collect()
}

/// Height of the headings: that of the longest one.
pub(super) fn height(recording: &Recording, time: &Axis) -> f64 {
    let lines = acts(recording, time).iter().map(|act| wrap(act.title, act.to - act.from).len()).max();
    PADDING + LINE_HEIGHT * row(lines.unwrap_or(1))
}

/// The headings.
pub(super) fn draw(recording: &Recording, time: &Axis) -> Markup {
    let height = height(recording, time);
    html! {
        @for act in acts(recording, time) {
            rect.act x=(px(act.from)) y=(ACTS_TOP) width=(px(act.to - act.from)) height=(height) rx="4" {}
            @let lines = wrap(act.title, act.to - act.from);
            @let first = centred(lines.len(), height);
            text.act-title text-anchor="middle" {
                @for (number, line) in lines.iter().enumerate() {
                    tspan x=(px(f64::midpoint(act.from, act.to))) y=(px(first + LINE_HEIGHT * row(number))) { (line) }
                }
            }
        }
    }
}

/// The call's 99th percentile in the acts that have one.
pub(super) fn percentiles(recording: &Recording, figures: &Figures, time: &Axis, panel: &Panel) -> Markup {
    let of = |name: &str| match name {
        "idle" => Some(figures.call.idle_p99_ms),
        "unshaped" => Some(figures.call.unshaped_p99_ms),
        "weir" => Some(figures.call.weir_p99_ms),
        _ => None,
    };
    html! {
        @for (act, ms) in acts(recording, time).into_iter().filter_map(|act| of(act.name).map(|ms| (act, ms))) {
            // Above the line where there is room, else below it.
            @let above = panel.values.at(ms) - 14.0;
            @let y = if above > panel.top() + 40.0 { above } else { panel.values.at(ms) + 48.0 };
            text.percentile x=(px(f64::midpoint(act.from, act.to))) y=(px(y)) text-anchor="middle" {
                "p99 " (format!("{ms:.0}")) " ms"
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // a handful of lines
fn row(number: usize) -> f64 {
    number as f64
}

/// The baseline of the first of some lines that stand in the middle together.
fn centred(lines: usize, height: f64) -> f64 {
    ACTS_TOP + (height - LINE_HEIGHT * row(lines)) / 2.0 + 11.0
}

/// Breaks a title into lines that fit.
fn wrap(title: &str, width: f64) -> Vec<String> {
    let fits = |line: &str| row(line.chars().count()) * CHARACTER_WIDTH <= width;
    let mut lines: Vec<String> = Vec::new();
    for word in title.split(' ') {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => *line = format!("{line} {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn titles_break_between_words() {
        assert_eq!(wrap("call, web and seed, no Weir", 80.0), ["call, web and", "seed, no Weir"]);
        assert_eq!(wrap("incomprehensibilities", 20.0), ["incomprehensibilities"]);
    }
}
