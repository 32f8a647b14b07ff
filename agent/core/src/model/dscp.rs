//! Differentiated services code points: the six bits of an IP header (RFC 2474) that say how a packet is to be treated.

/// Names and their code points: LE (RFC 8622), CS0–CS7 (RFC 2474), AF11–AF43 (RFC 2597), EF (RFC 3246) and VA
/// (VOICE-ADMIT, RFC 5865).
const NAMES: [(&str, u8); 23] = [
    ("LE", 1),
    ("CS0", 0),
    ("CS1", 8),
    ("CS2", 16),
    ("CS3", 24),
    ("CS4", 32),
    ("CS5", 40),
    ("CS6", 48),
    ("CS7", 56),
    ("AF11", 10),
    ("AF12", 12),
    ("AF13", 14),
    ("AF21", 18),
    ("AF22", 20),
    ("AF23", 22),
    ("AF31", 26),
    ("AF32", 28),
    ("AF33", 30),
    ("AF41", 34),
    ("AF42", 36),
    ("AF43", 38),
    ("VA", 44),
    ("EF", 46),
];

/// A text that is neither a name nor a number of a code point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a DSCP; write LE, CS0 to CS7, AF11 to AF43, EF, VA, or a number from 0 to 63")]
pub struct DscpError(String);

/// Reads a code point by its name, in any case, or by its decimal number.
///
/// # Errors
/// When it is neither.
pub fn parse(text: &str) -> Result<u8, DscpError> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
    let digits = || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = || text.parse().ok().filter(|value| digits() && *value < 64);
    named.or_else(numbered).ok_or_else(|| DscpError(text.chars().take(40).collect()))
}

/// The name of a code point, or its number where it has none.
#[must_use]
pub fn format(dscp: u8) -> String {
    NAMES.iter().find(|(_, value)| *value == dscp).map_or_else(|| dscp.to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read() {
        for (text, value) in
            [("LE", 1), ("le", 1), ("CS1", 8), ("AF43", 38), ("EF", 46), ("VA", 44), ("0", 0), ("63", 63)]
        {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn assured_forwarding_follows_its_formula() {
        for class in 1..=4 {
            for precedence in 1..=3 {
                // RFC 2597, section 6.
                assert_eq!(parse(&format!("AF{class}{precedence}")), Ok(8 * class + 2 * precedence));
            }
        }
        for class in 0..=7 {
            assert_eq!(parse(&format!("CS{class}")), Ok(8 * class));
        }
    }

    #[test]
    fn anything_else_is_refused_by_value() {
        for text in ["", "64", "-1", "+1", "CS8", "AF44", "AF14", "BULK", "0x2e", "1.0"] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(&format!("\"{text}\"")) && message.contains("0 to 63"), "{message}");
        }
    }

    #[test]
    fn every_code_point_is_read_back() {
        for value in 0..64 {
            assert_eq!(parse(&format(value)), Ok(value));
        }
    }
}
