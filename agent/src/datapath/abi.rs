//! The types of `weir_common` as aya wants them.

use weir_common::{
    config::{ExemptV4, ExemptV6, InterfaceConfig, PodConfig, TierConfig, UplinkConfig},
    counters::{PodTraffic, PodUplink, TierTraffic, UplinkTraffic},
    near::{NearExempt, NearInterface},
    state::{PodState, TierState, UplinkState},
};

/// A type of which every bit pattern is valid and which has no padding.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plain<T>(pub T);

macro_rules! plain {
    ($($type:ty),*) => {
        $(
            // SAFETY: repr(C) integers and arrays of integers without padding (tested in weir_common), so that every
            // bit pattern is a value; `Plain` is transparent.
            unsafe impl aya::Pod for Plain<$type> {}
        )*
    };
}

plain!(
    u32,
    InterfaceConfig,
    PodConfig,
    TierConfig,
    UplinkConfig,
    ExemptV4,
    ExemptV6,
    NearInterface,
    NearExempt,
    PodTraffic,
    PodUplink,
    TierTraffic,
    UplinkTraffic
);

macro_rules! plain_aligned {
    ($($type:ty),*) => {
        $(
            // SAFETY: integers, and zeroed bytes up to the cache line that nothing reads; `Plain` is transparent.
            unsafe impl aya::Pod for Plain<$type> {}
        )*
    };
}

plain_aligned!(UplinkState, TierState, PodState);
