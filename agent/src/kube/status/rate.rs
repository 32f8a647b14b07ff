//! Rates as a status shows them.

use weir_core::model::Rate;

/// With two digits, so that a steady stream is no news each time. Under 1 kbit/s is nothing.
pub(super) fn rounded(rate: Rate) -> Rate {
    if rate < 1_000 {
        return 0;
    }
    let unit = 10u64.pow(rate.ilog10() - 1);
    rate.saturating_add(unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_told() {
        let told = [0, 999, 1_000, 12_345, 12_500, 19_400_000, 994_999].map(rounded);
        assert_eq!(told, [0, 0, 1_000, 12_000, 13_000, 19_000_000, 990_000]);
    }
}
