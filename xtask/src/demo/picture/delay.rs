//! The delays: the call as a line, each short request as a dot.

use maud::{Markup, html};

use super::axis::{Axis, from_zero, path, px};
use super::panel::Panel;
use super::{LEFT, RIGHT};
use crate::demo::events::Sample;
use crate::demo::figures::Figures;

/// Points further apart than this, in seconds, are not joined: nothing was measured in between.
const LONGEST_STRETCH: f64 = 0.7;

pub(super) fn call_axis(samples: &[Sample]) -> Axis {
    from_zero(largest(samples, |sample| sample.call_ms))
}

pub(super) fn web_axis(samples: &[Sample]) -> Axis {
    from_zero(largest(samples, |sample| sample.web_ms))
}

fn largest(samples: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> f64 {
    samples.iter().filter_map(value).fold(0.0, f64::max)
}

/// The call's line, and what it is when nobody disturbs it.
pub(super) fn draw_call(samples: &[Sample], figures: &Figures, time: &Axis, panel: &Panel) -> Markup {
    let points: Vec<(f64, f64)> = samples.iter().filter_map(|sample| Some((sample.t, sample.call_ms?))).collect();
    let idle = px(panel.values.at(figures.call.idle_p99_ms));
    html! {
        line.idle x1=(LEFT) x2=(RIGHT) y1=(idle) y2=(idle) {
            title { "alone: " (figures.call.idle_p99_ms) " ms (p99)" }
        }
        @for stretch in points.chunk_by(|left, right| right.0 - left.0 < LONGEST_STRETCH) {
            path.call-line d=(path(stretch.iter().map(|(t, ms)| (time.at(*t), panel.values.at(*ms))))) {}
        }
    }
}

/// The requests' dots.
pub(super) fn draw_web(samples: &[Sample], time: &Axis, panel: &Panel) -> Markup {
    html! {
        @for (t, ms) in samples.iter().filter_map(|sample| Some((sample.t, sample.web_ms?))) {
            circle.web-dot cx=(px(time.at(t))) cy=(px(panel.values.at(ms))) r="1.9" { title { (ms) " ms" } }
        }
    }
}
