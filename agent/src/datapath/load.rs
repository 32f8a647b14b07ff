//! The kernel object, which is part of the agent's binary.

use aya::{Ebpf, EbpfLoader, include_bytes_aligned};

use super::{DatapathError, Pins, map_info};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/weir-ebpf.o"));

/// Makes the maps, or opens the pinned ones, and prepares the programs.
pub(super) fn load(pins: &Pins) -> Result<Ebpf, DatapathError> {
    map_info::unpin_others(OBJECT, pins.maps());
    EbpfLoader::new()
        .default_map_pin_directory(pins.maps())
        .load(OBJECT)
        .map_err(|source| DatapathError::Load { pins: pins.maps().to_owned(), source: Box::new(source) })
}
