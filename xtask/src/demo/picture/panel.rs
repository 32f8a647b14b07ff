//! A plot's frame: title, grid, labels of its values.

use maud::{Markup, html};

use super::axis::{Axis, px};
use super::{LEFT, RIGHT};

/// A plot's place and its axis of values.
pub(super) struct Panel {
    top: f64,
    height: f64,
    pub(super) values: Axis,
}

impl Panel {
    /// A panel with its upper edge at `top`.
    pub(super) fn below(top: f64, height: f64, values: Axis) -> Self {
        Self { top, height, values: values.over((top + height, top)) }
    }

    /// Its upper edge.
    pub(super) fn top(&self) -> f64 {
        self.top
    }

    /// Its lower edge, where the values are 0.
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The frame.
    pub(super) fn draw(&self, time: &Axis, unit: &str, title: &Markup) -> Markup {
        // A label needs 26 px of height.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ticks = self.values.ticks((self.height / 26.0) as u32);
        html! {
            text.panel-title x=(LEFT) y=(px(self.top - 9.0)) { (title) }
            @for tick in time.ticks(12) {
                line.grid x1=(px(time.at(tick))) x2=(px(time.at(tick))) y1=(px(self.top)) y2=(px(self.bottom())) {}
            }
            @for tick in ticks {
                @let y = px(self.values.at(tick));
                line.grid x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
                text.tick x=(LEFT - 7.0) y=(px(y + 4.0)) text-anchor="end" { (tick) title { (tick) " " (unit) } }
            }
        }
    }
}
