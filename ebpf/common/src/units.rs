//! The sums that turn a rate into time on a link.

/// Binary places of [`Cost`].
pub const COST_SHIFT: u32 = 20;

/// Time that one byte takes on a link, in 2⁻²⁰ ns. 0 stands for "no limit".
///
/// At 1 kbit/s a byte takes 8 ms, which is 2⁴³; at 100 Gbit/s it takes 0.08 ns, which is 83,886 and so exact to 10⁻⁵.
/// A GSO packet of 64 KiB at 1 kbit/s is 2⁵⁹: no product of a length and a cost overflows.
pub type Cost = u64;

/// The lowest rate that [`cost_of_rate`] accepts, in bits per second.
pub const MIN_RATE: u64 = 1_000;
/// The highest rate that [`cost_of_rate`] accepts, in bits per second.
pub const MAX_RATE: u64 = 1_000_000_000_000;

/// The cost of a byte at `bits_per_second`, clamped to [`MIN_RATE`] and [`MAX_RATE`].
#[must_use]
pub const fn cost_of_rate(bits_per_second: u64) -> Cost {
    let rate = if bits_per_second < MIN_RATE {
        MIN_RATE
    } else if bits_per_second > MAX_RATE {
        MAX_RATE
    } else {
        bits_per_second
    };
    let ns_per_second_of_bits = 8_000_000_000u64;
    let scaled = (ns_per_second_of_bits as u128) << COST_SHIFT;
    // Truncation: at most 8e9 · 2²⁰ / 1,000 = 2⁴³.
    #[allow(clippy::cast_possible_truncation)]
    let cost = ((scaled + rate as u128 / 2) / rate as u128) as u64;
    cost
}

/// The rate in bits per second that a cost stands for, rounded; 0 for no limit.
#[must_use]
pub const fn rate_of_cost(cost: Cost) -> u64 {
    if cost == 0 {
        return 0;
    }
    let scaled = 8_000_000_000u128 << COST_SHIFT;
    // Truncation: the quotient is at most 8e9 · 2²⁰, which is below 2⁵³.
    #[allow(clippy::cast_possible_truncation)]
    let rate = ((scaled + cost as u128 / 2) / cost as u128) as u64;
    rate
}

/// How long `bytes` take on a link, in nanoseconds, rounded to the nearest.
#[must_use]
#[inline(always)]
#[allow(clippy::inline_always)] // BPF programs have no calls to spare.
pub const fn time_on_link(bytes: u32, cost: Cost) -> u64 {
    (bytes as u64 * cost + (1 << (COST_SHIFT - 1))) >> COST_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_frame_at_20_mbit() {
        assert_eq!(time_on_link(1514, cost_of_rate(20_000_000)), 605_600);
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        assert_eq!(time_on_link(65_536, cost_of_rate(MIN_RATE)), 65_536 * 8_000_000);
        assert_eq!(time_on_link(66, cost_of_rate(100_000_000_000)), 5);
        assert_eq!(cost_of_rate(0), cost_of_rate(MIN_RATE));
    }

    #[test]
    fn rates_come_back() {
        for rate in [1_000, 64_000, 20_000_000, 97_000_000, 2_500_000_000, 100_000_000_000] {
            let back = rate_of_cost(cost_of_rate(rate));
            assert!(back.abs_diff(rate) <= rate / 50_000 + 1, "{rate} came back as {back}");
        }
        assert_eq!(rate_of_cost(0), 0);
    }
}
