//! The middle of a series.

/// The median; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len().saturating_sub(1) / 2), values.get(values.len() / 2)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => 0.0,
    }
}

/// Rounds for print: what is behind the noise is no news.
pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn middles() {
        let medians = [vec![], vec![3.0], vec![5.0, 1.0], vec![9.0, 1.0, 2.0]].map(median);
        for (median, expected) in medians.into_iter().zip([0.0, 3.0, 3.0, 2.0]) {
            assert!((median - expected).abs() < f64::EPSILON, "{median} is not {expected}");
        }
    }
}
