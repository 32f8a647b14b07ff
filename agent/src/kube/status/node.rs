//! What the agent says of its own node, out of a snapshot of it.

use std::{collections::BTreeSet, time::Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::objects::{ENFORCED, OnNode, State, WeirNodeStatus};
use weir_common::counters::Class;
use weir_core::{
    desired::{Place, reasons},
    model::{Rate, Rejection, rate},
    snapshot::{NOT_APPLIED, PARTLY_APPLIED, Snapshot},
};

use super::{
    condition::Verdict,
    rate::{RatePace, rounded},
};

/// The class of traffic that leaves by an uplink's interface and does not cross the uplink.
const EXEMPT: &str = Class::Exempt.name();

/// What does not change while the agent runs.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// Release of the kernel.
    pub kernel: String,
    /// What the kernel has of the things that Weir can use.
    pub features: Vec<String>,
    /// What is lost for want of others, in sentences.
    pub lost: Vec<String>,
}

/// The status of the node's object, given the one that is stored.
pub(super) fn status(facts: &NodeFacts, snapshot: &Snapshot, stored: &WeirNodeStatus, now: &Time) -> WeirNodeStatus {
    let uplinks: Vec<OnNode> = snapshot
        .versions
        .uplinks
        .iter()
        .map(|(name, generation)| {
            let classes = snapshot.rates.uplinks.get(name).into_iter().flatten();
            let rate = rounded(classes.filter(|(class, _)| **class != EXEMPT).map(|(_, rate)| rate).sum());
            OnNode { name: name.clone(), generation: *generation, rate, ..uplink(snapshot, name) }
        })
        .collect();
    let tiers: Vec<OnNode> = snapshot
        .versions
        .tiers
        .iter()
        .map(|(name, generation)| {
            let rate = rounded(snapshot.rates.tiers.get(name).map_or(0, |rate| rate.sent));
            OnNode { name: name.clone(), generation: *generation, rate, ..tier(snapshot, name) }
        })
        .collect();
    let mut degraded = facts.lost.clone();
    degraded.extend(snapshot.degraded.iter().map(|degraded| degraded.message.clone()));
    let sent = rounded(uplinks.iter().map(|uplink| uplink.rate).sum());
    let (pods, found) = tiers.iter().fold((0, 0), |sum, tier| (sum.0 + tier.pods, sum.1 + tier.pods_enforced));
    WeirNodeStatus {
        conditions: vec![verdict(snapshot, &uplinks, &tiers).condition(ENFORCED, &stored.conditions, None, now)],
        reported_at: stored.reported_at.clone(),
        version: snapshot.version.clone(),
        kernel: facts.kernel.clone(),
        features: facts.features.clone(),
        degraded,
        uplinks_enforced: share(&uplinks),
        tiers_enforced: share(&tiers),
        pods_enforced: format!("{found}/{pods}"),
        rate: rate::format(sent),
        uplinks,
        tiers,
    }
}

/// Whether a report has to be written in the place of the one that is stored, whatever its rates: it says something
/// else, or is due to be renewed.
pub(super) fn is_news(wanted: &WeirNodeStatus, stored: &WeirNodeStatus) -> bool {
    stored.reported_at.is_none() || without_rates(wanted) != without_rates(stored)
}

/// Whether the rates of a report, which is no news but for them, are worth writing it.
pub(super) fn rates_are_news(wanted: &WeirNodeStatus, stored: &WeirNodeStatus, pace: RatePace, now: Instant) -> bool {
    let rows = |status: &WeirNodeStatus| status.uplinks.iter().chain(&status.tiers).map(|row| row.rate).collect();
    let (standing, rates): (Vec<Rate>, Vec<Rate>) = (rows(stored), rows(wanted));
    standing.into_iter().zip(rates).any(|(standing, rate)| pace.allows(standing, rate, now))
}

fn without_rates(status: &WeirNodeStatus) -> WeirNodeStatus {
    let rows = |rows: &[OnNode]| rows.iter().map(|row| OnNode { rate: 0, ..row.clone() }).collect();
    WeirNodeStatus { uplinks: rows(&status.uplinks), tiers: rows(&status.tiers), rate: String::new(), ..status.clone() }
}

fn share(objects: &[OnNode]) -> String {
    let count = |states: &[State]| objects.iter().filter(|object| states.contains(&object.state)).count();
    let enforced = count(&[State::Enforced, State::Degraded]);
    format!("{enforced}/{}", enforced + count(&[State::NotEnforced]))
}

fn uplink(snapshot: &Snapshot, name: &str) -> OnNode {
    let Some(desired) = snapshot.desired.uplinks.get(name) else { return because(snapshot, "Uplink", name) };
    let note = find(snapshot, "Uplink", name);
    match snapshot.uplinks.get(name) {
        _ if note.is_some_and(is_not_held) => of(State::NotEnforced, note),
        Some(now) if !desired.interfaces.is_empty() => {
            if now.paced || note.is_some_and(|note| note.reason == PARTLY_APPLIED) {
                return of(if note.is_some() { State::Degraded } else { State::Enforced }, note);
            }
            let reason = "NotPaced";
            let message = "packets cannot wait on its interface, so what is over a ceiling is dropped, and guarantees \
                           and borrowing do not work";
            OnNode { reason: Some(reason.to_owned()), message: Some(message.to_owned()), ..of(State::Degraded, None) }
        }
        _ => of(State::NotEnforced, note),
    }
}

fn tier(snapshot: &Snapshot, name: &str) -> OnNode {
    let Some(desired) = snapshot.desired.tiers.get(name) else { return because(snapshot, "TrafficTier", name) };
    let its_uplink = uplink(snapshot, &desired.uplink);
    let note = find(snapshot, "TrafficTier", name);
    let not_applied: BTreeSet<&str> = snapshot
        .findings
        .notes
        .iter()
        .filter(|note| note.object.kind == "Pod" && is_not_held(note))
        .map(|note| note.object.name.as_str())
        .collect();
    let pods = snapshot.desired.pods.iter().filter(|(_, pod)| pod.is_in(name));
    let (pods, found) = pods.fold((0, 0), |(pods, found), (key, pod)| {
        let is_held = pod.place != Place::Unknown && !not_applied.contains(key.to_string().as_str());
        (pods + 1, found + u32::from(is_held))
    });
    let standing = match its_uplink.state {
        _ if !snapshot.tiers.contains_key(name) || note.is_some_and(is_not_held) => of(State::NotEnforced, note),
        State::Enforced if note.is_some() => of(State::Degraded, note),
        _ => its_uplink,
    };
    OnNode { pods, pods_enforced: found, ..standing }
}

/// An object that the node should not have: it does not concern it, or it is impossible beside the others.
fn because(snapshot: &Snapshot, kind: &str, name: &str) -> OnNode {
    let rejection = snapshot.findings.rejections.iter().find(|found| is_about(found, kind, name));
    match rejection {
        Some(_) => of(State::NotEnforced, rejection),
        None => of(State::NotHere, None),
    }
}

fn of(state: State, why: Option<&Rejection>) -> OnNode {
    let (reason, message) = (why.map(|why| why.reason.clone()), why.map(|why| why.message.clone()));
    OnNode { state, reason, message, ..OnNode::default() }
}

/// The note on an object: the one that its limits do not hold, if there is one, as that is the worst.
fn find<'a>(snapshot: &'a Snapshot, kind: &str, name: &str) -> Option<&'a Rejection> {
    let notes = || snapshot.findings.notes.iter().filter(|note| is_about(note, kind, name));
    notes().find(|note| is_not_held(note)).or_else(|| notes().next())
}

/// Returns whether the limits of the object do not hold, or nothing shows that they do.
fn is_not_held(note: &Rejection) -> bool {
    let reasons =
        [NOT_APPLIED, reasons::IDENTITY_LOST, reasons::BY_SOCKETS, reasons::BRIDGE_TAKEN, reasons::BYPASSES_UPLINK];
    reasons.contains(&note.reason.as_str())
}

fn is_about(found: &Rejection, kind: &str, name: &str) -> bool {
    found.object.kind == kind && found.object.name == name
}

/// Whether everything that concerns the node is in force.
fn verdict(snapshot: &Snapshot, uplinks: &[OnNode], tiers: &[OnNode]) -> Verdict {
    if let Some(error) = &snapshot.reconcile.last_error {
        return Verdict::no("RoundFailed", format!("the last change could not be made in every part: {error}"));
    }
    if snapshot.reconcile.rounds == 0 {
        let unreadable = snapshot.findings.rejections.iter().find(|found| found.object.kind == "Source");
        let message = unreadable.map_or("not everything has been listed yet".to_owned(), ToString::to_string);
        return Verdict::no("NotListed", message);
    }
    let kinds = [("Uplink", uplinks), ("TrafficTier", tiers)];
    let all = || kinds.iter().flat_map(|(kind, objects)| objects.iter().map(move |object| (kind, object)));
    let first = |state: State| all().find(|(_, object)| object.state == state);
    let why = |kind: &str, object: &OnNode| {
        let reason = object.reason.clone().unwrap_or_else(|| format!("{:?}", object.state));
        let message = object.message.clone().unwrap_or_else(|| "it is not in force".to_owned());
        (reason, format!("{kind} {}: {message}", object.name))
    };
    if let Some((kind, object)) = first(State::NotEnforced) {
        let (reason, message) = why(kind, object);
        return Verdict::no(&reason, message);
    }
    if let Some((kind, object)) = first(State::Degraded) {
        let (reason, message) = why(kind, object);
        return Verdict::yes(&reason, message);
    }
    let here = |objects: &[OnNode]| objects.iter().filter(|object| object.state == State::Enforced).count();
    Verdict::yes(ENFORCED, format!("uplinks: {}, tiers on them: {}", here(uplinks), here(tiers)))
}

#[cfg(test)]
mod tests;
