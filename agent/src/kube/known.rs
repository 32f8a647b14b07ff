//! What the API server has said, and which objects are in force after that. Pure.
//!
//! - Nothing is known of the cluster before every kind has been listed whole: an API server that is empty, or answers
//!   for one kind only, never means "take everything away".
//! - A new list takes the place of the old one when it is complete, not before.
//! - An object that cannot be obeyed keeps its last good version in force, and does not touch the others.

use std::{collections::BTreeMap, sync::Arc};

use weir_api::{Object, json::Read};
use weir_core::{
    desired::admit,
    model::{ObjectRef, Rejection, World},
    snapshot::Versions,
};

/// Reason of a rejection: a field has a value that it cannot have.
const INVALID: &str = "Invalid";

/// A kind of object that is watched by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `Uplink`.
    Uplinks,
    /// `TrafficTier`.
    Tiers,
    /// Pods of this node.
    Pods,
    /// All namespaces.
    Namespaces,
    /// This node.
    Node,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Uplinks, Self::Tiers, Self::Pods, Self::Namespaces, Self::Node];

    /// What a person calls them.
    #[must_use]
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uplinks => "uplinks.weir.dev",
            Self::Tiers => "traffictiers.weir.dev",
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::Node => "nodes",
        }
    }
}

/// One thing that the API server says.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A list begins.
    Begin,
    /// An object of the list that has begun.
    Listed(ObjectRef, Read),
    /// The list is complete.
    End,
    /// An object is new or changed.
    Put(ObjectRef, Read),
    /// An object is gone.
    Gone(ObjectRef),
}

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    kinds: BTreeMap<Kind, Listing>,
    world: World,
}

type Entries = BTreeMap<ObjectRef, Entry>;

#[derive(Clone, Debug, Default)]
struct Listing {
    /// None until the first list is complete.
    objects: Option<Entries>,
    coming: Entries,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// Version of the newest, in force or not.
    generation: i64,
    in_force: Option<Arc<Object>>,
    problems: Vec<String>,
}

impl Known {
    /// Begins with what was in force before: it stays so until every kind has been listed.
    pub(super) fn after(world: World) -> Self {
        Self { kinds: BTreeMap::new(), world }
    }

    /// Begins with what is in force: none of the lists counts any more.
    pub(super) fn start_over(&mut self) {
        self.kinds.clear();
    }

    /// Takes note of what was said. Whether the objects in force may differ now.
    pub(super) fn hear(&mut self, kind: Kind, said: Said) -> bool {
        let listing = self.kinds.entry(kind).or_default();
        match said {
            Said::Begin => {
                listing.coming.clear();
                false
            }
            Said::Listed(id, read) => {
                let last_good = match &listing.objects {
                    Some(objects) => objects.get(&id).and_then(|entry| entry.in_force.clone()),
                    // The first list: the last good version may be what an earlier agent stored.
                    None if read.object.is_none() => Object::find(&self.world, &id).map(Arc::new),
                    None => None,
                };
                listing.coming.insert(id, Entry::new(read, last_good));
                false
            }
            Said::End => {
                listing.objects = Some(std::mem::take(&mut listing.coming));
                true
            }
            Said::Put(id, read) => {
                let Some(objects) = &mut listing.objects else { return false };
                let last_good = objects.get(&id).and_then(|entry| entry.in_force.clone());
                objects.insert(id, Entry::new(read, last_good));
                true
            }
            Said::Gone(id) => listing.objects.as_mut().is_some_and(|objects| objects.remove(&id).is_some()),
        }
    }

    /// Returns whether a kind has been listed.
    pub(super) fn is_listed(&self, kind: Kind) -> bool {
        self.kinds.get(&kind).is_some_and(|listing| listing.objects.is_some())
    }

    /// Kinds that have not been listed yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| !self.is_listed(*kind))
    }

    /// Versions of the newest uplinks and tiers, whether or not they can be obeyed.
    pub(super) fn versions(&self) -> Versions {
        let of = |kind: Kind| {
            let objects = self.kinds.get(&kind).and_then(|listing| listing.objects.as_ref());
            objects.into_iter().flatten().map(|(id, entry)| (id.name.clone(), entry.generation)).collect()
        };
        Versions { uplinks: of(Kind::Uplinks), tiers: of(Kind::Tiers) }
    }

    /// The objects in force and what is wrong with others; none until every kind has been listed.
    pub(super) fn world(&mut self) -> Option<(World, Vec<Rejection>)> {
        if self.missing().next().is_some() {
            return None;
        }
        let mut candidate = World::default();
        let mut rejections = Vec::new();
        for (id, entry) in self.kinds.values().filter_map(|listing| listing.objects.as_ref()).flatten() {
            if let Some(object) = &entry.in_force {
                Object::clone(object).put_into(&mut candidate);
            }
            rejections.extend(entry.problems.iter().map(|message| Rejection {
                object: id.clone(),
                location: None,
                reason: INVALID.to_owned(),
                message: message.clone(),
            }));
        }
        let (world, impossible) = admit(candidate, &self.world);
        rejections.extend(impossible);
        self.world.clone_from(&world);
        Some((world, rejections))
    }
}

impl Entry {
    fn new(read: Read, last_good: Option<Arc<Object>>) -> Self {
        let Read { object, mut problems, generation } = read;
        if let Some(object) = object {
            return Self { generation, in_force: Some(Arc::new(object)), problems };
        }
        if last_good.is_some() {
            for problem in &mut problems {
                problem.push_str("; its last good version stays in force");
            }
        }
        Self { generation, in_force: last_good, problems }
    }
}

#[cfg(test)]
mod tests;
