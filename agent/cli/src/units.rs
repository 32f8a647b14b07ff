//! Numbers for people.

use std::time::Duration;

/// What stands where there is no value.
pub(crate) const NONE: &str = "-";

/// Bits per second as in a Kubernetes quantity, three digits: `97M`, `19.4M`, `2.5G`.
pub(crate) fn rate(bits_per_second: u64) -> String {
    scaled(approximate(bits_per_second), ["", "k", "M", "G", "T"])
}

/// A rate, or `-`.
pub(crate) fn rate_or_none(bits_per_second: Option<u64>) -> String {
    bits_per_second.map_or_else(|| NONE.to_owned(), rate)
}

/// Bytes in decimal units: `1.23 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(approximate(bytes), [" B", " kB", " MB", " GB", " TB"])
}

/// A time: `655 µs`, `8 ms`, `1.2 s`.
pub(crate) fn time(ns: u64) -> String {
    if ns == 0 {
        return "0".to_owned();
    }
    scaled(approximate(ns), [" ns", " µs", " ms", " s", " ks"])
}

/// A time, or `-`.
pub(crate) fn time_or_none(ns: Option<u64>) -> String {
    ns.map_or_else(|| NONE.to_owned(), time)
}

/// A share: `25%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// Events per second: `0`, `0.4`, `12`, `3.1k`.
pub(crate) fn per_second(rate: f64) -> String {
    if rate == 0.0 {
        return "0".to_owned();
    }
    if rate < 10.0 {
        return format!("{rate:.1}");
    }
    scaled(rate, ["", "k", "M", "G", "T"])
}

/// A DSCP with the name that RFC 2474, 2597, 3246 or 8622 gives it.
pub(crate) fn dscp(value: u32) -> String {
    let name = match value {
        1 => "LE".to_owned(),
        46 => "EF".to_owned(),
        value if value % 8 == 0 => format!("CS{}", value / 8),
        10 | 12 | 14 | 18 | 20 | 22 | 26 | 28 | 30 | 34 | 36 | 38 => format!("AF{}{}", value / 8, value % 8 / 2),
        value => return value.to_string(),
    };
    format!("{name} ({value})")
}

/// Whole seconds and longer, for a person: `2m 5s`.
pub(crate) fn long_time(ns: u64) -> String {
    humantime::format_duration(Duration::from_secs(ns / 1_000_000_000)).to_string()
}

/// Three digits and a unit.
fn scaled(mut value: f64, units: [&str; 5]) -> String {
    let mut unit = 0;
    // 999.5 would be rounded to 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        value if value >= 99.95 || unit == 0 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    let digits = format!("{value:.decimals$}");
    let digits = if decimals > 0 { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits}{}", units[unit])
}

/// Three digits are shown, 53 bits are kept.
#[allow(clippy::cast_precision_loss)]
fn approximate(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_like_quantities() {
        let shown = [0, 999, 1_000, 19_400_000, 20_000_000, 1_234_567, 999_600, 2_500_000_000].map(rate);
        assert_eq!(shown, ["0", "999", "1k", "19.4M", "20M", "1.23M", "1M", "2.5G"]);
    }

    #[test]
    fn times_and_bytes() {
        assert_eq!([0, 999, 655_360, 8_000_000, 1_200_000_000].map(time), ["0", "999 ns", "655 µs", "8 ms", "1.2 s"]);
        assert_eq!(bytes(1_234_567), "1.23 MB");
    }

    #[test]
    fn events_per_second() {
        assert_eq!([0.0, 0.4, 12.0, 3_100.0].map(per_second), ["0", "0.4", "12", "3.1k"]);
    }

    #[test]
    fn known_code_points_have_names() {
        assert_eq!(
            [0, 1, 8, 10, 38, 46, 5].map(dscp),
            ["CS0 (0)", "LE (1)", "CS1 (8)", "AF11 (10)", "AF43 (38)", "EF (46)", "5"]
        );
    }
}
