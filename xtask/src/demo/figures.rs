//! The scene's figures, and what Weir promises about them.
// The fields' names are those of `--json`, units included.
#![allow(clippy::struct_field_names)]

use serde::{Deserialize, Serialize};

use crate::scene::EMULATED;

/// How much slower the call may be under Weir than alone, in ms.
const CALL_MARGIN_MS: f64 = 5.0;
/// A buffer that delays less than this, in ms, would show nothing.
const UNSHAPED_CALL_MS: f64 = 150.0;
/// The seed gets at least this share of what call and web leave.
const SEED_SHARE: f64 = 0.9;
/// A changed label is in force within this, in ms.
const ENFORCE_MS: f64 = 100.0;

/// A call alone takes the link's round trip of 20 ms; a machine that adds more than as much again is too busy to tell.
const BUSY_CALL_MS: f64 = 40.0;

/// What the demo measured. The names are those of `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Figures {
    /// The kernel's release.
    pub(super) kernel: String,
    /// The link's rate as set, on the wire.
    pub(super) link_mbit: f64,
    pub(super) call: Call,
    pub(super) web: Web,
    pub(super) bulk: Bulk,
    pub(super) loss: Loss,
    pub(super) accounting: Accounting,
    pub(super) enforce: Enforce,
}

/// The call's round trips.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) idle_p99_ms: f64,
    pub(super) unshaped_p99_ms: f64,
    pub(super) weir_p99_ms: f64,
}

/// How long short TCP requests took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Web {
    pub(super) idle_p95_ms: f64,
    pub(super) unshaped_p95_ms: f64,
    pub(super) weir_p95_ms: f64,
}

/// The seed's goodput.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bulk {
    /// Alone, no Weir: what the link carries.
    pub(super) link_mbit: f64,
    /// Alone, under Weir.
    pub(super) alone_mbit: f64,
    /// Beside call and web, under Weir.
    pub(super) beside_mbit: f64,
    /// Beside call and web, no Weir.
    pub(super) unshaped_mbit: f64,
    /// What call and web sent meanwhile, under Weir.
    pub(super) others_mbit: f64,
}

/// The share of the call's packets that had no answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Loss {
    pub(super) idle_percent: f64,
    pub(super) unshaped_percent: f64,
    pub(super) weir_percent: f64,
}

/// Weir's counters against the pods' own interfaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Accounting {
    pub(super) pods: u32,
    /// The sum of all differences.
    pub(super) byte_errors: u64,
    /// What the pods sent meanwhile.
    pub(super) bytes_sent: u64,
}

/// From a label's change to the first packet treated by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Enforce {
    pub(super) count: u32,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

/// Something that Weir promises, and whether this run kept it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Promise {
    pub(super) what: String,
    pub(super) measured: String,
    pub(super) kept: bool,
}

impl Figures {
    /// The seed's share of what call and web leave of the link.
    pub(super) fn seed_share(&self) -> f64 {
        self.bulk.beside_mbit / (self.bulk.link_mbit - self.bulk.others_mbit)
    }

    /// Returns why the figures of this machine say little, if they do.
    pub(super) fn doubt(&self, machine: &str) -> Option<String> {
        if self.call.idle_p99_ms > BUSY_CALL_MS {
            return Some(format!(
                "this machine was too busy: even alone the call took {:.0} ms where the link takes 20 (p99); \
                 the other figures are the machine's, not the network's",
                self.call.idle_p99_ms
            ));
        }
        let is_broken = self.promises().iter().any(|promise| !promise.kept);
        (is_broken && machine.contains(EMULATED)).then(|| {
            "the processors are emulated, so that delays may be theirs: play it again while nothing else runs, or compare \
             with HTB on this machine (`cargo xtask bench shaping --arms htb,weir --streams 8 --load 0`)"
                .to_owned()
        })
    }

    /// What Weir promises, against these figures.
    pub(super) fn promises(&self) -> Vec<Promise> {
        let added = self.call.weir_p99_ms - self.call.idle_p99_ms;
        let promise = |kept, what: String, measured: String| Promise { what, measured, kept };
        vec![
            promise(
                self.call.unshaped_p99_ms > UNSHAPED_CALL_MS,
                format!("the link is bad enough to show something: over {UNSHAPED_CALL_MS} ms without Weir"),
                format!("{:.1} ms", self.call.unshaped_p99_ms),
            ),
            promise(
                added <= CALL_MARGIN_MS,
                format!("the seed adds at most {CALL_MARGIN_MS} ms to the call (p99)"),
                format!("{added:+.1} ms"),
            ),
            promise(
                self.seed_share() >= SEED_SHARE,
                format!("the seed gets at least {:.0} % of what the others leave", SEED_SHARE * 100.0),
                format!("{:.1} %", self.seed_share() * 100.0),
            ),
            promise(
                self.accounting.byte_errors == 0,
                "every byte of every pod is counted".to_owned(),
                format!("{} bytes differ", self.accounting.byte_errors),
            ),
            promise(
                self.enforce.p99_ms < ENFORCE_MS,
                format!("a changed label is in force within {ENFORCE_MS} ms (p99)"),
                format!("{:.1} ms", self.enforce.p99_ms),
            ),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Figures that keep every promise.
    pub(in crate::demo) fn good() -> Figures {
        Figures {
            kernel: "6.12.1".to_owned(),
            link_mbit: 20.0,
            call: Call { idle_p99_ms: 23.0, unshaped_p99_ms: 270.0, weir_p99_ms: 26.0 },
            web: Web { idle_p95_ms: 70.0, unshaped_p95_ms: 900.0, weir_p95_ms: 75.0 },
            bulk: Bulk { link_mbit: 19.0, alone_mbit: 18.5, beside_mbit: 17.8, unshaped_mbit: 18.4, others_mbit: 0.5 },
            loss: Loss { idle_percent: 0.0, unshaped_percent: 1.5, weir_percent: 0.0 },
            accounting: Accounting { pods: 3, byte_errors: 0, bytes_sent: 1_000_000 },
            enforce: Enforce { count: 20, p50_ms: 20.0, p99_ms: 40.0, max_ms: 40.0 },
        }
    }

    #[test]
    fn each_promise_can_be_broken() {
        assert!(good().promises().iter().all(|promise| promise.kept));
        let mut bad = good();
        bad.call.unshaped_p99_ms = 100.0;
        bad.call.weir_p99_ms = 28.1;
        bad.bulk.beside_mbit = 16.0;
        bad.accounting.byte_errors = 1;
        bad.enforce.p99_ms = 100.0;
        assert_eq!(bad.doubt("KVM"), None);
        assert!(bad.doubt(EMULATED).is_some_and(|doubt| doubt.contains("emulated")));
        assert_eq!(good().doubt(EMULATED), None);
        bad.call.idle_p99_ms = 41.0;
        bad.call.weir_p99_ms = 47.0;
        assert!(bad.doubt("KVM").is_some());
        assert!(bad.promises().iter().all(|promise| !promise.kept));
    }
}
