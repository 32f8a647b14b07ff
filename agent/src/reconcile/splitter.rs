//! Keeps Weir's own veth, on which bursts are split.

use std::time::{Duration, Instant};

use weir_core::kernel::KernelState;

use super::Reconciler;

/// How long the events of a new veth may take.
const GRACE: Duration = Duration::from_secs(2);
/// How long a veth is left as it is before it is made anew: another program may change it each time.
const SHORTEST_LIFE: Duration = Duration::from_mins(1);

/// State of the splitting veth after a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splitter {
    /// The veth is there, or its events are on the way.
    Kept,
    /// It has to be made anew, once no uplink sends bursts to it any more.
    InUse,
}

impl Reconciler {
    /// Makes the veth if it is not there or does not split, but not while an uplink sends bursts to it: what is on the way
    /// would be lost. The events of the new one bring the next round, which uses it.
    ///
    /// # Errors
    /// A sentence for a person when bursts are not split.
    pub(super) async fn keep_splitter(&mut self, observed: &KernelState) -> Result<Splitter, String> {
        if self.host.splitter().is_some() {
            return Ok(Splitter::Kept);
        }
        if observed.uplinks.values().any(|uplink| uplink.splitter != 0) {
            return Ok(Splitter::InUse);
        }
        let now = Instant::now();
        match self.splitter_made.map(|made| now.saturating_duration_since(made)) {
            Some(age) if age < GRACE => return Ok(Splitter::Kept),
            Some(age) if age < SHORTEST_LIFE => return Err(NOT_AS_MADE.to_owned()),
            _ => {}
        }
        // Also one that fails: what it made before it did brings the next round.
        self.splitter_made = Some(now);
        self.netlink.make_splitter().await.map_err(|error| format!("bursts are not split: {error}"))?;
        Ok(Splitter::Kept)
    }
}

const NOT_AS_MADE: &str = "bursts are not split: another program removes weir-split0 or weir-split1, sets them down, or \
                           changes gso_max_segs of weir-split0, which has to be 1; they are made anew at most once a minute";
