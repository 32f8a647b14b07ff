//! Rates as people write them: Kubernetes quantities in bits per second.
//!
//! Grammar of `k8s.io/apimachinery/pkg/api/resource` (`Quantity`): a decimal number and either a suffix (`k M G T P E`
//! for powers of 1,000, `m u n` for parts, `Ki Mi Gi Ti Pi Ei` for powers of 1,024) or an exponent (`e6`, `E6`).

use weir_common::units::{MAX_RATE, MIN_RATE};

use super::Rate;

/// Why a text is not a rate that Weir can enforce.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// It is no quantity at all.
    #[error(
        "\"{0}\" is not a rate; write bits per second as a number with an optional suffix (k, M, G, T for powers of \
         1,000, or Ki, Mi, Gi, Ti for powers of 1,024), such as 300M or 1.5G"
    )]
    Syntax(String),
    /// It has a part of a bit per second.
    #[error("\"{0}\" is not a whole number of bits per second; write one such as 1500k or 300M")]
    NotWhole(String),
    /// It is zero, negative, or below [`MIN_RATE`].
    #[error("\"{value}\" is too low: a rate is in bits per second and from {min} to {max}", min = format(MIN_RATE), max = format(MAX_RATE))]
    TooLow {
        /// What was written.
        value: String,
    },
    /// It is above [`MAX_RATE`].
    #[error("\"{value}\" is too high: a rate is in bits per second and from {min} to {max}", min = format(MIN_RATE), max = format(MAX_RATE))]
    TooHigh {
        /// What was written.
        value: String,
    },
}

/// Reads a rate such as `300M`, `1.5G`, `100k`, `1Gi`, `1e6` or `20000000`, in bits per second.
///
/// # Errors
/// When the text is no quantity, not a whole number of bits per second, or outside [`MIN_RATE`] to [`MAX_RATE`].
pub fn parse(text: &str) -> Result<Rate, RateError> {
    let quantity = Quantity::read(text).ok_or_else(|| RateError::Syntax(shorten(text)))?;
    if quantity.negative || quantity.digits == 0 {
        return Err(RateError::TooLow { value: shorten(text) });
    }
    let value = match quantity.value() {
        Value::Whole(value) => value,
        Value::Huge => u128::MAX,
        Value::Fraction { below } if below < u128::from(MIN_RATE) => 0,
        Value::Fraction { .. } => return Err(RateError::NotWhole(shorten(text))),
    };
    match Rate::try_from(value) {
        Ok(rate) if rate < MIN_RATE => Err(RateError::TooLow { value: shorten(text) }),
        Ok(rate) if rate <= MAX_RATE => Ok(rate),
        _ => Err(RateError::TooHigh { value: shorten(text) }),
    }
}

/// Writes a rate in the shortest way that says it exactly: `300M`, `2500M`, `1G`, `1234567`. [`parse`] reads it back.
#[must_use]
pub fn format(rate: Rate) -> String {
    const SUFFIXES: [(Rate, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    SUFFIXES
        .iter()
        .find(|(unit, _)| rate != 0 && rate.is_multiple_of(*unit))
        .map_or_else(|| rate.to_string(), |(unit, suffix)| format!("{}{suffix}", rate / unit))
}

/// Keeps a message readable when somebody puts a whole file where a rate belongs.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `digits · 10^tens · 2^twos`.
struct Quantity {
    negative: bool,
    digits: u128,
    tens: i32,
    twos: u32,
}

enum Value {
    Whole(u128),
    /// Not whole; the whole part is given.
    Fraction {
        below: u128,
    },
    Huge,
}

impl Quantity {
    /// More significant digits than this are in no rate that anybody means; with 60 binary places they fit in a u128.
    const MOST_DIGITS: usize = 20;

    fn read(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let suffix_at = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(suffix_at);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (suffix_tens, twos) = scale(suffix)?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_end_matches('0');
        let dropped = i32::try_from(all.len() - significant.len()).ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let significant = significant.trim_start_matches('0');
        if significant.len() > Self::MOST_DIGITS {
            return None;
        }
        let digits = if significant.is_empty() { 0 } else { significant.parse().ok()? };
        Some(Self { negative, digits, tens: suffix_tens.checked_add(dropped)?.checked_sub(places)?, twos })
    }

    fn value(&self) -> Value {
        let Some(scaled) = self.digits.checked_mul(1 << self.twos) else { return Value::Huge };
        let power = 10u128.checked_pow(self.tens.unsigned_abs());
        match power {
            Some(power) if self.tens >= 0 => scaled.checked_mul(power).map_or(Value::Huge, Value::Whole),
            None if self.tens >= 0 => Value::Huge,
            Some(power) if scaled.is_multiple_of(power) => Value::Whole(scaled / power),
            Some(power) => Value::Fraction { below: scaled / power },
            None => Value::Fraction { below: 0 },
        }
    }
}

/// Powers of ten and of two that a suffix stands for.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => (suffix.strip_prefix(['e', 'E'])?.parse().ok()?, 0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_as_people_write_them() {
        let table = [
            ("300M", 300_000_000),
            ("2500M", 2_500_000_000),
            ("1G", 1_000_000_000),
            ("1.5G", 1_500_000_000),
            ("100k", 100_000),
            ("1Gi", 1 << 30),
            ("1.5Ki", 1_536),
            ("20000000", 20_000_000),
            ("1e6", 1_000_000),
            ("1E6", 1_000_000),
            ("2.5e+3", 2_500),
            ("1500000000e-3", 1_500_000),
            ("1000000m", 1_000),
            ("0.5M", 500_000),
            (".5M", 500_000),
            ("5.M", 5_000_000),
            ("+5M", 5_000_000),
            ("0005M", 5_000_000),
            ("5.000000000000000000000000000000M", 5_000_000),
            ("1k", 1_000),
            ("1T", 1_000_000_000_000),
        ];
        for (text, rate) in table {
            assert_eq!(parse(text), Ok(rate), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_what_would_be_right() {
        for text in [
            "",
            "M",
            "fast",
            "10 M",
            "10m/s",
            "10Mbit",
            "1.2.3M",
            "--5M",
            "1e",
            "1e99999999999",
            "ten",
            "10K",
            "٣M",
            ".",
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, RateError::Syntax(_)), "{text}: {error}");
            assert!(
                error.to_string().contains(&format!("\"{text}\"")) && error.to_string().contains("300M"),
                "{error}"
            );
        }
    }

    #[test]
    fn rates_out_of_range_are_refused_with_the_range() {
        for text in ["0", "0M", "-5M", "-0", "999", "1", "100m", "0.001", "1e-40", "1n"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, RateError::TooLow { .. }), "{text}: {error}");
            assert!(error.to_string().contains(text) && error.to_string().contains("from 1k to 1T"), "{error}");
        }
        for text in ["1001G", "2T", "1P", "1E", "1Ei", "1e30", "1e300", "99999999999999999999Ei"] {
            assert!(matches!(parse(text), Err(RateError::TooHigh { .. })), "{text}: {:?}", parse(text));
        }
        for text in ["1500.5", "1000001m", "1.0001k"] {
            assert!(matches!(parse(text), Err(RateError::NotWhole(_))), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn a_long_text_is_shortened_in_the_message() {
        let error = parse(&"x".repeat(10_000)).unwrap_err().to_string();
        assert!(error.len() < 400, "{error}");
    }

    #[test]
    fn rates_are_written_shortly_and_exactly() {
        let table = [(300_000_000, "300M"), (2_500_000_000, "2500M"), (1_000_000_000, "1G"), (1_234, "1234"), (0, "0")];
        for (rate, text) in table {
            assert_eq!(format(rate), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(rate in MIN_RATE..=MAX_RATE) {
            prop_assert_eq!(parse(&format(rate)), Ok(rate));
            prop_assert_eq!(parse(&rate.to_string()), Ok(rate));
        }

        #[test]
        fn a_suffix_is_the_same_as_its_zeros(number in 1u64..1_000_000, (suffix, zeros) in prop_oneof![
            Just(("k", 3)), Just(("M", 6)), Just(("G", 9)), Just(("e3", 3)), Just(("e6", 6)),
        ]) {
            let written = format!("{number}{suffix}");
            let spelled = format!("{number}{}", "0".repeat(zeros));
            prop_assert_eq!(parse(&written).ok(), parse(&spelled).ok());
        }

        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_in_range(text in "[-+0-9.kMGTPEimune]{0,12}|\\PC{0,20}") {
            if let Ok(rate) = parse(&text) {
                prop_assert!((MIN_RATE..=MAX_RATE).contains(&rate));
            }
        }
    }
}
