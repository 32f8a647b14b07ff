//! Whether uplinks and tiers fit each other, and what stays in force where they do not.

use std::collections::BTreeMap;

use weir_common::units::{MAX_RATE, MIN_RATE};

use super::reasons;
use crate::model::{Location, ObjectRef, Rate, Rejection, Tier, Uplink, World, rate};

/// Uplinks and tiers that can all be enforced together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) uplinks: BTreeMap<String, Uplink>,
    pub(super) tiers: BTreeMap<String, Tier>,
}

/// Takes over what a source says now, as far as it is possible, from what was in force before.
///
/// Where the new objects contradict each other, each change that is possible on top of `last_good` is taken over,
/// uplinks before tiers and each in the order of their names; the other objects keep the version of `last_good`, if they
/// have one that still fits, and are reported. An object that the source no longer has is gone in any case.
#[must_use]
pub fn admit(candidate: World, last_good: &World) -> (World, Vec<Rejection>) {
    let base = Possible { uplinks: last_good.uplinks.clone(), tiers: last_good.tiers.clone() };
    let (possible, rejections) = settle(&candidate, base);
    (World { uplinks: possible.uplinks, tiers: possible.tiers, ..candidate }, rejections)
}

/// The uplinks and tiers of a world that fit each other, from the first name on.
pub(super) fn possible(world: &World) -> (Possible, Vec<Rejection>) {
    settle(world, Possible::default())
}

fn settle(wanted: &World, mut state: Possible) -> (Possible, Vec<Rejection>) {
    let all = Possible { uplinks: wanted.uplinks.clone(), tiers: wanted.tiers.clone() };
    if contradictions(&all).is_empty() {
        return (all, Vec::new());
    }
    state.uplinks.retain(|name, _| all.uplinks.contains_key(name));
    state.tiers.retain(|name, _| all.tiers.contains_key(name));
    loop {
        let contradictions = contradictions(&state);
        if contradictions.is_empty() {
            break;
        }
        for contradiction in contradictions {
            state.remove(&contradiction.subject);
        }
    }

    let mut pending: Vec<Subject> = all.subjects().filter(|subject| !state.has_the_same(&all, subject)).collect();
    loop {
        let before = pending.len();
        pending.retain(|subject| {
            let trial = state.with(&all, subject);
            let fits = contradictions(&trial).is_empty();
            if fits {
                state = trial;
            }
            !fits
        });
        if pending.len() == before {
            break;
        }
    }

    let rejections = pending.iter().flat_map(|subject| {
        let kept = if state.has(subject) { "; its last good version stays in force" } else { "" };
        let location = all.location(subject);
        contradictions(&state.with(&all, subject)).into_iter().map(move |contradiction| Rejection {
            object: subject.object(),
            location: location.clone(),
            reason: contradiction.reason.to_owned(),
            message: format!("{}{kept}", contradiction.message),
        })
    });
    let rejections = rejections.collect();
    (state, rejections)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Uplink(String),
    Tier(String),
}

impl Subject {
    fn object(&self) -> ObjectRef {
        let (kind, name) = match self {
            Self::Uplink(name) => ("Uplink", name),
            Self::Tier(name) => ("TrafficTier", name),
        };
        ObjectRef { kind: kind.to_owned(), name: name.clone() }
    }
}

impl Possible {
    fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.uplinks.keys().cloned().map(Subject::Uplink).chain(self.tiers.keys().cloned().map(Subject::Tier))
    }

    fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Uplink(name) => self.uplinks.contains_key(name),
            Subject::Tier(name) => self.tiers.contains_key(name),
        }
    }

    fn has_the_same(&self, other: &Self, subject: &Subject) -> bool {
        match subject {
            Subject::Uplink(name) => self.uplinks.get(name) == other.uplinks.get(name),
            Subject::Tier(name) => self.tiers.get(name) == other.tiers.get(name),
        }
    }

    fn location(&self, subject: &Subject) -> Option<Location> {
        match subject {
            Subject::Uplink(name) => self.uplinks.get(name)?.location.clone(),
            Subject::Tier(name) => self.tiers.get(name)?.location.clone(),
        }
    }

    fn remove(&mut self, subject: &Subject) {
        match subject {
            Subject::Uplink(name) => drop(self.uplinks.remove(name)),
            Subject::Tier(name) => drop(self.tiers.remove(name)),
        }
    }

    fn with(&self, source: &Self, subject: &Subject) -> Self {
        let mut trial = self.clone();
        match subject {
            Subject::Uplink(name) => trial.uplinks.extend(source.uplinks.get_key_value(name).map(owned)),
            Subject::Tier(name) => trial.tiers.extend(source.tiers.get_key_value(name).map(owned)),
        }
        trial
    }
}

fn owned<T: Clone>((name, object): (&String, &T)) -> (String, T) {
    (name.clone(), object.clone())
}

struct Contradiction {
    subject: Subject,
    reason: &'static str,
    message: String,
}

/// Everything that keeps these objects from being enforced together.
fn contradictions(objects: &Possible) -> Vec<Contradiction> {
    let uplinks = objects.uplinks.iter().filter_map(|(name, uplink)| {
        let found = uplink_contradiction(uplink)?;
        Some(Contradiction {
            subject: Subject::Uplink(name.clone()),
            reason: reasons::RATE_OUT_OF_RANGE,
            message: found,
        })
    });
    let tiers = objects.tiers.iter().flat_map(|(name, tier)| {
        let subject = Subject::Tier(name.clone());
        tier_contradictions(tier, objects).into_iter().map(move |(reason, message)| Contradiction {
            subject: subject.clone(),
            reason,
            message,
        })
    });
    let sums =
        objects.uplinks.iter().filter_map(|(name, uplink)| guarantees_over_capacity(name, uplink, &objects.tiers));
    uplinks.chain(tiers).chain(sums).collect()
}

fn uplink_contradiction(uplink: &Uplink) -> Option<String> {
    let rate = uplink.rate();
    let enforceable = (MIN_RATE..=MAX_RATE).contains(&rate) && uplink.capacity <= MAX_RATE;
    (!enforceable).then(|| {
        format!(
            "its capacity {} less headroom is {}; it must be from {} to {}",
            rate::format(uplink.capacity),
            rate::format(rate),
            rate::format(MIN_RATE),
            rate::format(MAX_RATE)
        )
    })
}

fn tier_contradictions(tier: &Tier, objects: &Possible) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if !objects.uplinks.contains_key(&tier.uplink) {
        let known: Vec<&str> = objects.uplinks.keys().map(String::as_str).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
        found.push((reasons::UNKNOWN_UPLINK, format!("there is no Uplink named \"{}\"; {known}", tier.uplink)));
    }
    let limits = [("ceiling", tier.ceiling), ("perPodCeiling", tier.pod_ceiling)];
    let guarantee = ("guarantee", (tier.guarantee != 0).then_some(tier.guarantee));
    for (field, value) in limits.into_iter().chain([guarantee]) {
        if let Some(value) = value.filter(|value| !(MIN_RATE..=MAX_RATE).contains(value)) {
            let (min, max) = (rate::format(MIN_RATE), rate::format(MAX_RATE));
            let message = format!("its {field} is {}; it must be from {min} to {max}", rate::format(value));
            found.push((reasons::RATE_OUT_OF_RANGE, message));
        }
    }
    if let Some(ceiling) = tier.ceiling.filter(|ceiling| *ceiling < tier.guarantee) {
        found.push((reasons::CEILING_UNDER_GUARANTEE, ceiling_under_guarantee(ceiling, tier.guarantee)));
    }
    if let Some(dscp) = tier.dscp.filter(|dscp| *dscp > 63) {
        found.push((reasons::DSCP_OUT_OF_RANGE, format!("its dscp is {dscp}; it must be from 0 to 63")));
    }
    found
}

fn ceiling_under_guarantee(ceiling: Rate, guarantee: Rate) -> String {
    let (ceiling, guarantee) = (rate::format(ceiling), rate::format(guarantee));
    format!("its ceiling {ceiling} is under its guarantee {guarantee}; raise the ceiling or lower the guarantee")
}

/// The sum is the fault of no single tier; the one that crosses the line, in the order of their names, answers for it.
fn guarantees_over_capacity(name: &str, uplink: &Uplink, tiers: &BTreeMap<String, Tier>) -> Option<Contradiction> {
    let promised: Vec<(&String, Rate)> = tiers
        .iter()
        .filter(|(_, tier)| tier.uplink == name && tier.guarantee > 0)
        .map(|(name, tier)| (name, tier.guarantee))
        .collect();
    let rate = uplink.rate();
    let mut sum: Rate = 0;
    let crosses = promised.iter().find(|(_, guarantee)| {
        sum = sum.saturating_add(*guarantee);
        sum > rate
    });
    let (crossing, _) = crosses?;
    let total = promised.iter().fold(0, |sum: Rate, (_, guarantee)| sum.saturating_add(*guarantee));
    let list: Vec<String> = promised.iter().map(|(tier, rate)| format!("{tier} {}", rate::format(*rate))).collect();
    let message = format!(
        "the guarantees on Uplink {name} ({}) come to {}, which is over the {} that it carries (capacity {} less \
         headroom); lower a guarantee or raise the capacity",
        list.join(", "),
        rate::format(total),
        rate::format(rate),
        rate::format(uplink.capacity),
    );
    Some(Contradiction {
        subject: Subject::Tier((*crossing).clone()),
        reason: reasons::GUARANTEES_OVER_CAPACITY,
        message,
    })
}
