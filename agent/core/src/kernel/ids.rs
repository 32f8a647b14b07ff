//! Small numbers for uplinks, tiers and pods, stable for as long as their owners live.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;
use weir_common::{
    config::Owner,
    limits::{MAX_SLOTS, MAX_TIERS, MAX_UPLINKS},
};

use crate::model::PodKey;

/// Which id stands for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Uplink ids by name.
    pub uplinks: BTreeMap<String, u16>,
    /// Tier ids by name.
    pub tiers: BTreeMap<String, u16>,
    /// Slots by pod.
    pub pods: BTreeMap<PodKey, u16>,
}

/// What an id is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An uplink.
    Uplink,
    /// A tier.
    Tier,
    /// A pod's slot.
    Pod,
}

impl Kind {
    /// How many a node can have, with id 0, which nobody gets.
    #[must_use]
    pub const fn limit(self) -> u32 {
        match self {
            Self::Uplink => MAX_UPLINKS,
            Self::Tier => MAX_TIERS,
            Self::Pod => MAX_SLOTS,
        }
    }
}

/// All ids of a kind are taken.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("this node has room for {} of these, and all are taken", .0.limit() - 1)]
pub struct IdError(pub Kind);

/// Gives out ids of one kind, beginning with those that owners already have in the kernel.
///
/// An id whose owner is gone is not given out in the same round: what still refers to it is taken away first. Nor is one
/// that rests, unless there is no other: a packet on its way may still carry it.
pub(super) struct Allocator<'a> {
    kind: Kind,
    known: BTreeMap<Owner, u16>,
    taken: BTreeSet<u16>,
    resting: &'a BTreeSet<u16>,
}

impl<'a> Allocator<'a> {
    pub(super) fn new(kind: Kind, in_kernel: impl Iterator<Item = (u16, Owner)>, resting: &'a BTreeSet<u16>) -> Self {
        let known: BTreeMap<Owner, u16> = in_kernel.map(|(id, owner)| (owner, id)).collect();
        let taken = known.values().copied().collect();
        Self { kind, known, taken, resting }
    }

    /// Returns the owner's id: the one it has, or the lowest free one.
    pub(super) fn id(&mut self, owner: Owner) -> Result<u16, IdError> {
        if let Some(&id) = self.known.get(&owner) {
            return Ok(id);
        }
        let limit = u16::try_from(self.kind.limit()).unwrap_or(u16::MAX);
        let free = || (1..limit).filter(|id| !self.taken.contains(id));
        let rested = free().find(|id| !self.resting.contains(id));
        let id = rested.or_else(|| free().next()).ok_or(IdError(self.kind))?;
        self.taken.insert(id);
        self.known.insert(owner, id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NONE: BTreeSet<u16> = BTreeSet::new();

    #[test]
    fn a_resting_id_is_given_out_only_when_there_is_no_other() {
        let resting = (1..10).collect();
        let mut ids = Allocator::new(Kind::Uplink, std::iter::empty(), &resting);
        let given: Vec<u16> = (1..16).map(|owner| ids.id([owner; 16]).unwrap()).collect();
        assert_eq!(given, [(10..16).collect::<Vec<_>>(), (1..10).collect()].concat());
    }

    #[test]
    fn owners_keep_their_ids_and_leavers_block_theirs_for_a_round() {
        let mut ids = Allocator::new(Kind::Tier, [(1, [1; 16]), (3, [3; 16])].into_iter(), &NONE);
        assert_eq!(ids.id([3; 16]), Ok(3));
        assert_eq!(ids.id([9; 16]), Ok(2));
        assert_eq!(ids.id([8; 16]), Ok(4));
        assert_eq!(ids.id([9; 16]), Ok(2));
    }

    #[test]
    fn a_full_kind_says_so() {
        let mut ids = Allocator::new(Kind::Uplink, std::iter::empty(), &NONE);
        for owner in 1..16 {
            assert_eq!(ids.id([owner; 16]), Ok(u16::from(owner)));
        }
        assert_eq!(ids.id([99; 16]), Err(IdError(Kind::Uplink)));
    }
}
