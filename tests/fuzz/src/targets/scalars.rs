//! Single values: rates and code points.

use weir_common::units::{MAX_RATE, MIN_RATE};
use weir_core::model;

/// Rates (Kubernetes quantities): what is read is in range and is read back from what is written; what is refused is
/// told shortly.
pub fn rate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match model::rate::parse(text) {
        Ok(rate) => {
            assert!((MIN_RATE..=MAX_RATE).contains(&rate), "{text:?} is read as {rate}");
            assert_eq!(model::rate::parse(&model::rate::format(rate)), Ok(rate), "{text:?}");
        }
        Err(error) => assert!(error.to_string().len() < 500, "{error}"),
    }
}

/// Differentiated services code points: six bits, read back from what is written.
pub fn dscp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match model::dscp::parse(text) {
        Ok(dscp) => {
            assert!(dscp < 64, "{text:?} is read as {dscp}");
            assert_eq!(model::dscp::parse(&model::dscp::format(dscp)), Ok(dscp), "{text:?}");
        }
        Err(error) => assert!(error.to_string().len() < 500, "{error}"),
    }
}
