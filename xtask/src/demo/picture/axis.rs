//! From values to places.

/// A linear scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    values: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    /// Maps `values.0` to `places.0`, and `values.1` to `places.1`.
    pub(super) fn new(values: (f64, f64), places: (f64, f64)) -> Self {
        Self { values, places }
    }

    /// The same values at other places.
    pub(super) fn over(self, places: (f64, f64)) -> Self {
        Self { places, ..self }
    }

    /// The place of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.values.0) / (self.values.1 - self.values.0);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// Round values within the axis, at most about `count` of them.
    pub(super) fn ticks(&self, count: u32) -> Vec<f64> {
        let step = round_step((self.values.1 - self.values.0) / f64::from(count));
        let first = (self.values.0 / step).ceil();
        (0..=2 * count).map(|n| (first + f64::from(n)) * step).take_while(|tick| *tick <= self.values.1).collect()
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that is not below `least`.
fn round_step(least: f64) -> f64 {
    let decade = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|digit| digit * decade).into_iter().find(|step| *step >= least).unwrap_or(10.0 * decade)
}

/// An axis from 0 that a value fits under, with a little air.
pub(super) fn from_zero(largest: f64) -> Axis {
    Axis::new((0.0, if largest > 0.0 { largest * 1.08 } else { 1.0 }), (0.0, 1.0))
}

/// A place to a tenth of a pixel, which keeps the picture small.
pub(super) fn px(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// An SVG path through points; a point alone is a line of no length, which round line ends make a dot.
pub(super) fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut alone = true;
    for (number, (x, y)) in points.into_iter().enumerate() {
        let command = if number == 0 { 'M' } else { 'L' };
        alone = number == 0;
        // Writing to a string cannot fail.
        let _ = write!(text, "{command}{} {}", px(x), px(y));
    }
    if alone && !text.is_empty() {
        text.push_str("l0 0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Axis, path};

    #[test]
    fn ticks_are_round_and_inside() {
        let ticks = |from, to| Axis::new((from, to), (0.0, 1.0)).ticks(5);
        assert_eq!(ticks(0.0, 290.0), [0.0, 100.0, 200.0]);
        assert_eq!(ticks(0.0, 21.6), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(ticks(3.0, 110.0), [50.0, 100.0]);
    }

    #[test]
    fn places() {
        let axis = Axis::new((10.0, 20.0), (100.0, 0.0));
        assert!((axis.at(15.0) - 50.0).abs() < 1e-9);
        assert_eq!(path([(0.0, 1.04), (2.0, 3.0)]), "M0 1L2 3");
        assert_eq!((path([(1.0, 2.0)]), path([])), ("M1 2l0 0".to_owned(), String::new()));
    }
}
