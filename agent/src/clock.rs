//! The clock of the kernel programs.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` in ns: what `bpf_ktime_get_ns` returns.
#[must_use]
pub(crate) fn monotonic_ns() -> u64 {
    // The clock is always there and counts from the boot on.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| {
        u64::try_from(now.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec()).unwrap_or(0)
    })
}
