//! Whether a pinned map is the one that the programs are built for.
//!
//! The loader adopts whatever is pinned under a map's name. A map of another shape would make every look-up fail, or read
//! what was never written: one that differs is unpinned, so that a new one takes its place. Programs of an earlier agent
//! keep the old one until they are replaced.

use std::{fs, path::Path};

use aya::maps::MapData;
use aya_obj::Object;
use tracing::warn;

/// What must be equal.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
}

/// Unpins the maps in this folder whose shape is not that of the object's maps of the same names.
pub(super) fn unpin_others(object: &[u8], folder: &Path) {
    // An object that cannot be parsed is for the loader to complain about.
    let Ok(object) = Object::parse(object) else { return };
    for (name, map) in &object.maps {
        let pin = folder.join(name);
        let Some(pinned) = pinned(&pin) else { continue };
        let wanted = Shape {
            kind: map.map_type(),
            key_bytes: map.key_size(),
            value_bytes: map.value_size(),
            entries: map.max_entries(),
            flags: map.map_flags(),
        };
        if pinned != wanted {
            warn!(
                map = name,
                ?pinned,
                ?wanted,
                "a pinned map has another shape: it is made anew, and what it held is lost"
            );
            // The loader says what is wrong if it is still there.
            let _ = fs::remove_file(&pin);
        }
    }
}

fn pinned(pin: &Path) -> Option<Shape> {
    let info = MapData::from_pin(pin).ok()?.info().ok()?;
    Some(Shape {
        kind: info.map_type().ok()? as u32,
        key_bytes: info.key_size(),
        value_bytes: info.value_size(),
        entries: info.max_entries(),
        flags: info.map_flags(),
    })
}
