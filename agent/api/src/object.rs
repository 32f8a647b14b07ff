//! An object of any kind that Weir reads.

use serde::{Deserialize, Serialize};
use weir_core::model::{Labels, Location, ObjectRef, Pod, PodKey, Tier, Uplink, World};

/// An object of any kind that Weir reads, valid in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// An uplink.
    Uplink(String, Uplink),
    /// A traffic tier.
    Tier(String, Tier),
    /// A pod.
    Pod(PodKey, Box<Pod>),
    /// A namespace and its labels.
    Namespace(String, Labels),
    /// A node and its labels.
    Node(String, Labels),
}

impl Object {
    /// Which object it is.
    #[must_use]
    pub fn id(&self) -> ObjectRef {
        let (kind, name) = match self {
            Self::Uplink(name, _) => ("Uplink", name.clone()),
            Self::Tier(name, _) => ("TrafficTier", name.clone()),
            Self::Pod(key, _) => ("Pod", key.to_string()),
            Self::Namespace(name, _) => ("Namespace", name.clone()),
            Self::Node(name, _) => ("Node", name.clone()),
        };
        ObjectRef { kind: kind.to_owned(), name }
    }

    /// The same object, standing at `place`.
    #[must_use]
    pub fn located(mut self, place: Location) -> Self {
        match &mut self {
            Self::Uplink(_, uplink) => uplink.location = Some(place),
            Self::Tier(_, tier) => tier.location = Some(place),
            Self::Pod(_, pod) => pod.location = Some(place),
            Self::Namespace(..) | Self::Node(..) => {}
        }
        self
    }

    /// Every object of a world.
    pub fn all_of(world: &World) -> impl Iterator<Item = Self> {
        let uplinks = world.uplinks.iter().map(|(name, uplink)| Self::Uplink(name.clone(), uplink.clone()));
        let tiers = world.tiers.iter().map(|(name, tier)| Self::Tier(name.clone(), tier.clone()));
        let pods = world.pods.iter().map(|(key, pod)| Self::Pod(key.clone(), Box::new(pod.clone())));
        let namespaces = world.namespaces.iter().map(|(name, labels)| Self::Namespace(name.clone(), labels.clone()));
        let nodes = world.nodes.iter().map(|(name, labels)| Self::Node(name.clone(), labels.clone()));
        uplinks.chain(tiers).chain(pods).chain(namespaces).chain(nodes)
    }

    /// Returns the object of a world with this kind and name.
    #[must_use]
    pub fn find(world: &World, id: &ObjectRef) -> Option<Self> {
        Self::all_of(world).find(|object| object.id() == *id)
    }

    /// Puts it into a world, in the place of an earlier version.
    pub fn put_into(self, world: &mut World) {
        match self {
            Self::Uplink(name, uplink) => drop(world.uplinks.insert(name, uplink)),
            Self::Tier(name, tier) => drop(world.tiers.insert(name, tier)),
            Self::Pod(key, pod) => drop(world.pods.insert(key, *pod)),
            Self::Namespace(name, labels) => drop(world.namespaces.insert(name, labels)),
            Self::Node(name, labels) => drop(world.nodes.insert(name, labels)),
        }
    }
}
