//! The objects that were last known, on disk: what an agent starts with while the API server is away.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};
use tracing::warn;
use weir_api::Object;
use weir_core::model::World;

use crate::state::file;

/// Raised when the form changes; what an agent of another form wrote is not read.
const FORM: u32 = 1;

/// A file with the last known objects.
#[derive(Clone, Debug)]
pub(super) struct Memory(PathBuf);

#[derive(Deserialize)]
struct Stored {
    form: u32,
    node: String,
    objects: Vec<Object>,
}

#[derive(Serialize)]
struct Storing<'a> {
    form: u32,
    node: &'a str,
    objects: Vec<Object>,
}

/// What was known, and since when it may be old.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) world: World,
    pub(super) since: Instant,
}

impl Memory {
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// What an earlier agent of this node knew. A file that is damaged, or another node's, counts as none.
    pub(super) fn read(&self, node: &str) -> Option<Remembered> {
        let text = fs::read(&self.0).ok()?;
        let stored: Stored = match serde_json::from_slice(&text) {
            Ok(stored) => stored,
            Err(error) => {
                warn!(file = %self.0.display(), %error, "what was last known cannot be read; it is written anew");
                return None;
            }
        };
        if stored.form != FORM || stored.node != node {
            return None;
        }
        let mut world = World::default();
        for object in stored.objects {
            object.put_into(&mut world);
        }
        let age = fs::metadata(&self.0).and_then(|metadata| metadata.modified()).ok();
        let age = age.and_then(|modified| modified.elapsed().ok()).unwrap_or(Duration::ZERO);
        let now = Instant::now();
        Some(Remembered { world, since: now.checked_sub(age).unwrap_or(now) })
    }

    /// Says that what was written is what is known now too.
    pub(super) fn confirm(&self) {
        // A file that is not there has nothing to confirm; it is written when there is something.
        let _ = fs::File::options().append(true).open(&self.0).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Writes what is known now, in one step.
    pub(super) fn write(&self, node: &str, world: &World) {
        let storing = Storing { form: FORM, node, objects: Object::all_of(world).collect() };
        let written =
            serde_json::to_vec(&storing).map_err(std::io::Error::other).and_then(|text| file::write(&self.0, &text));
        if let Err(error) = written {
            warn!(file = %self.0.display(), %error, "what is known cannot be kept for a restart");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_api::json;

    use super::*;

    fn world() -> World {
        let mut world = World::default();
        let objects = [
            (json::Kind::Uplink, json!({"metadata": {"name": "wan"}, "spec": {"capacity": "20M"}})),
            (json::Kind::TrafficTier, json!({"metadata": {"name": "bulk"}, "spec": {"uplink": "wan", "dscp": "LE"}})),
            (
                json::Kind::Pod,
                json!({
                    "metadata": {"name": "seed", "namespace": "media", "uid": "u1", "labels": {"traffic-tier": "bulk"}},
                    "spec": {"nodeName": "n1", "containers": []},
                    "status": {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}]},
                }),
            ),
        ];
        for (kind, object) in objects {
            json::read(kind, object).object.expect("valid").put_into(&mut world);
        }
        Object::Namespace("media".to_owned(), [("team".to_owned(), "a".to_owned())].into()).put_into(&mut world);
        Object::Node("n1".to_owned(), [].into()).put_into(&mut world);
        world
    }

    #[test]
    fn what_was_written_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::at(folder.path().join("objects.json"));
        assert!(memory.read("n1").is_none());
        memory.write("n1", &world());
        let remembered = memory.read("n1").expect("it was written");
        assert_eq!(remembered.world, world());
        assert!(remembered.since.elapsed() < Duration::from_mins(1));
        assert!(memory.read("n2").is_none(), "another node's");
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.json");
        fs::write(&path, "{\"form\":1").unwrap();
        let memory = Memory::at(path);
        assert!(memory.read("n1").is_none());
        memory.write("n1", &world());
        assert!(memory.read("n1").is_some());
    }
}
