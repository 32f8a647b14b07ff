//! A folder of files that changes: what is in force after any change.

use std::collections::{BTreeMap, BTreeSet};

use weir::files::{Content, Loaded, read};
use weir_api::yaml;
use weir_core::{
    desired::{admit, desired},
    host::Host,
    model::World,
};

/// Parts the texts that the file `a.yaml` of a folder holds one after the other.
const STEP: &str = "\n=====\n";

/// The texts of a file, step by step: what is in force is always possible, stays when nothing changes, and never comes
/// from nowhere.
pub fn files(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut loaded, mut known) = (Loaded::default(), BTreeSet::new());
    for step in text.split(STEP).take(8) {
        let contents: BTreeMap<String, Content> = [("a.yaml".to_owned(), Content::Text(step.into()))].into();
        let next = read(&contents, &loaded);
        assert_eq!(admit(next.world.clone(), &World::default()), (next.world.clone(), vec![]), "not possible");
        assert_eq!(read(&contents, &next), next, "looking again changes something");
        let away = [("a.yaml".to_owned(), Content::Away)].into();
        assert_eq!(read(&away, &next).world, next.world, "a file that comes back at once took something away");

        let entries = yaml::read(step);
        let here: BTreeSet<String> = entries.iter().filter_map(|entry| Some(entry.id.as_ref()?.to_string())).collect();
        known.extend(here.iter().cloned());
        let found = names(&next.world);
        assert!(found.is_subset(&known), "from nowhere: {found:?} of {known:?}");
        let all_told = entries.iter().all(|entry| entry.id.is_some());
        let whole = all_told && next.rejections.iter().all(|rejection| rejection.object.kind != "File");
        assert!(!whole || found.is_subset(&here), "removed, and still in force: {found:?} of {here:?}");
        // Whatever is in force, there is an answer to what a node should have.
        let (_, findings) = desired(&next.world, &Host::default(), "n1");
        assert!(findings.rejections.is_empty(), "{findings:?}");
        loaded = next;
    }
    assert_eq!(read(&BTreeMap::new(), &loaded).world, World::default(), "a removed file left something behind");
}

fn names(world: &World) -> BTreeSet<String> {
    let lists = [
        ("Uplink", world.uplinks.keys().cloned().collect::<Vec<_>>()),
        ("TrafficTier", world.tiers.keys().cloned().collect()),
        ("Pod", world.pods.keys().map(ToString::to_string).collect()),
        ("Namespace", world.namespaces.keys().cloned().collect()),
        ("Node", world.nodes.keys().cloned().collect()),
    ];
    lists.into_iter().flat_map(|(kind, names)| names.into_iter().map(move |name| format!("{kind} {name}"))).collect()
}
