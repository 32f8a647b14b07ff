//! The moments when something changed: a line through all plots and a label that no other one covers.

use maud::{Markup, html};

use super::axis::{Axis, px};
use super::{LEFT, RIGHT};
use crate::demo::events::Mark;

const ROW_HEIGHT: f64 = 16.0;
const CHARACTER_WIDTH: f64 = 5.9;
const LABEL_GAP: f64 = 12.0;

/// The labels' places.
pub(super) struct Marks<'a> {
    labels: Vec<Label<'a>>,
    /// Below the lowest label.
    pub(super) bottom: f64,
}

struct Label<'a> {
    what: &'a str,
    x: f64,
    y: f64,
    anchor: &'static str,
}

/// Puts each label beside its line, in the highest row where it is free.
pub(super) fn place<'a>(marks: &'a [Mark], time: &Axis, top: f64) -> Marks<'a> {
    let mut rows: Vec<f64> = Vec::new();
    let mut labels = Vec::new();
    for mark in marks {
        let x = time.at(mark.t);
        if !(LEFT..=RIGHT).contains(&x) {
            continue;
        }
        #[allow(clippy::cast_precision_loss)] // a label's characters
        let width = mark.what.chars().count() as f64 * CHARACTER_WIDTH;
        let to_the_left = x + width > RIGHT;
        let (from, to) = if to_the_left { (x - width - LABEL_GAP, x) } else { (x, x + width + LABEL_GAP) };
        let row = rows.iter().position(|taken| *taken <= from).unwrap_or(rows.len());
        match rows.get_mut(row) {
            Some(taken) => *taken = to,
            None => rows.push(to),
        }
        #[allow(clippy::cast_precision_loss)] // a handful of rows
        let y = top + ROW_HEIGHT * (row + 1) as f64;
        labels.push(Label { what: &mark.what, x, y, anchor: if to_the_left { "end" } else { "start" } });
    }
    let bottom = labels.iter().map(|label| label.y).fold(top, f64::max);
    Marks { labels, bottom }
}

impl Marks<'_> {
    /// Draws labels, and lines from them to `bottom`.
    pub(super) fn draw(&self, bottom: f64) -> Markup {
        html! {
            @for label in &self.labels {
                line.mark x1=(px(label.x)) x2=(px(label.x)) y1=(px(label.y - 10.0)) y2=(px(bottom)) {}
                @let shift = if label.anchor == "end" { -4.0 } else { 4.0 };
                text.mark-label x=(px(label.x + shift)) y=(px(label.y)) text-anchor=(label.anchor) { (label.what) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_cover_each_other() {
        let mark = |t| Mark { t, what: "the seed starts".to_owned(), shaped: None };
        let marks = [mark(0.0), mark(1.0), mark(50.0), mark(100.0)];
        let placed = place(&marks, &Axis::new((0.0, 100.0), (LEFT, RIGHT)), 0.0);
        let rows: Vec<f64> = placed.labels.iter().map(|label| label.y).collect();
        assert_eq!(rows, [16.0, 32.0, 16.0, 16.0]);
        assert_eq!(placed.labels[3].anchor, "end", "the last label stays inside");
    }
}
