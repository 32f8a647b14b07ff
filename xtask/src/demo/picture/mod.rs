//! The scene as one SVG: delays and throughput over the same time, and the moments when something changed.
//!
//! It stands alone (the README shows it as an image) and inside the report; its colours follow the
//! reader's light or dark theme.

mod acts;
mod axis;
mod delay;
mod marks;
mod panel;
mod throughput;

use maud::{Markup, PreEscaped, html};

use self::axis::Axis;
use self::panel::Panel;
use super::events::Recording;
use super::figures::Figures;

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 16.0;
const ACTS_TOP: f64 = 46.0;
/// Between the bottom of one panel and the top of the next: a title, and air.
const PANEL_GAP: f64 = 42.0;
const BOTTOM_MARGIN: f64 = 40.0;
const STYLE: &str = include_str!("picture.css");

/// Draws the scene.
pub(super) fn draw(recording: &Recording, figures: &Figures) -> Markup {
    let samples = &recording.samples;
    let moments = samples.iter().map(|sample| sample.t).chain(recording.marks.iter().map(|mark| mark.t));
    let end = moments.fold(1.0, f64::max);
    let start = samples.first().map_or(0.0, |sample| sample.t - 1.0).max(0.0);
    let time = Axis::new((start, end), (LEFT, RIGHT));

    let marks = marks::place(&recording.marks, &time, ACTS_TOP + acts::height(recording, &time) + 6.0);
    let top = marks.bottom + 26.0;
    let call = Panel::below(top, 170.0, delay::call_axis(samples));
    let web = Panel::below(call.bottom() + PANEL_GAP, 100.0, delay::web_axis(samples));
    let sent = Panel::below(web.bottom() + PANEL_GAP, 170.0, throughput::axis(samples, figures.link_mbit));
    let height = sent.bottom() + BOTTOM_MARGIN;

    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height.round()) } role="img"
            aria-label="Delays and throughput of a call, short requests and bulk uploads, without Weir and with it" {
            style { (PreEscaped(STYLE)) }
            rect.paper x="0" y="0" width=(WIDTH) height=(height.round()) rx="8" {}
            text.title x=(LEFT) y="28" {
                "A call, short requests and 8 bulk uploads share a " (figures.link_mbit) " Mbit/s uplink"
            }
            (shaped_times(recording, &time, (ACTS_TOP, sent.bottom()), end))
            (acts::draw(recording, &time))
            (marks.draw(sent.bottom()))
            (call.draw(&time, "ms", &html! { "Round trip of the " tspan.call { "call" } ", slowest packet of each 0.2 s (ms)" }))
            (delay::draw_call(samples, figures, &time, &call))
            (acts::percentiles(recording, figures, &time, &call))
            (web.draw(&time, "ms", &html! { "Time of each " tspan.web { "web" } " request: a connection and 10 kB (ms)" }))
            (delay::draw_web(samples, &time, &web))
            (sent.draw(&time, "Mbit/s", &throughput::title(samples)))
            (throughput::draw(samples, figures.link_mbit, &time, &sent))
            (seconds(&time, sent.bottom()))
        }
    }
}

/// The background of the time in which Weir shapes the seed.
fn shaped_times(recording: &Recording, time: &Axis, (top, bottom): (f64, f64), end: f64) -> Markup {
    let mut since = None;
    let mut spans = Vec::new();
    for mark in &recording.marks {
        match (mark.shaped, since) {
            (Some(true), None) => since = Some(mark.t),
            (Some(false), Some(from)) => {
                spans.push((from, mark.t));
                since = None;
            }
            _ => {}
        }
    }
    spans.extend(since.map(|from| (from, end)));
    html! {
        @for (from, to) in spans {
            rect.shaped x=(axis::px(time.at(from))) y=(top) width=(axis::px(time.at(to) - time.at(from)))
                height=(axis::px(bottom - top)) {}
        }
    }
}

/// The time's labels below the last panel.
fn seconds(time: &Axis, bottom: f64) -> Markup {
    html! {
        @for tick in time.ticks(12) {
            text.tick x=(axis::px(time.at(tick))) y=(bottom + 17.0) text-anchor="middle" { (tick) " s" }
        }
        text.tick x=(RIGHT) y=(bottom + 33.0) text-anchor="end" { "shaded: Weir shapes the seed" }
    }
}
