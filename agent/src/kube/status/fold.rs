//! What all nodes say of an object, as the object's own status. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use internment::ArcIntern;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use weir_api::objects::{ACCEPTED, ENFORCED, OnNode, State, Status, WeirNode};
use weir_core::model::{Rate, Rejection, rate};

use super::{condition::Verdict, rate::rounded};

/// An agent reports every five minutes; one whose report has not changed for so long is not there.
pub(super) const SILENCE: Duration = Duration::from_mins(15);
/// Nodes that a message names.
const NAMED: usize = 3;
/// Reason of a condition: some agents have not yet said what they make of this version.
pub(super) const PENDING: &str = "Pending";

/// What a node says, without what the fold does not need.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Report {
    /// When the node's agent wrote it, by that node's clock, which says nothing here but that it is another report.
    reported_at: Option<Timestamp>,
    /// Since when it has stood there, by this agent's clock; none until it is compared with the one before.
    since: Option<Instant>,
    uplinks: Rows,
    tiers: Rows,
}

/// By name. Most nodes say the same of most objects, and it is held once.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows(Box<[ArcIntern<Row>]>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    name: String,
    generation: i64,
    rate: Rate,
    pods: u32,
    pods_enforced: u32,
    state: State,
    why: Option<(String, String)>,
}

impl Report {
    pub(super) fn of(node: WeirNode) -> Self {
        let status = node.status.unwrap_or_default();
        Self {
            reported_at: status.reported_at.map(|time| time.0),
            since: None,
            uplinks: Rows::of(status.uplinks),
            tiers: Rows::of(status.tiers),
        }
    }

    /// Notes that the report was read at `now`, in the place of an earlier one. The same report, read again, has stood
    /// there since it was read first.
    pub(super) fn read_at(self, now: Instant, earlier: Option<&Self>) -> Self {
        let same = earlier.filter(|earlier| earlier.reported_at == self.reported_at);
        Self { since: same.and_then(|same| same.since).or(Some(now)), ..self }
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) > SILENCE)
    }
}

impl Rows {
    fn of(objects: Vec<OnNode>) -> Self {
        let mut rows: Box<[_]> = objects.into_iter().map(|row| ArcIntern::new(Row::of(row))).collect();
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Self(rows)
    }

    fn get(&self, name: &str) -> Option<&Row> {
        let found = self.0.binary_search_by(|row| row.name.as_str().cmp(name)).ok()?;
        Some(&self.0[found])
    }
}

impl Row {
    fn of(row: OnNode) -> Self {
        let why = row.message.map(|message| (row.reason.unwrap_or_default(), message));
        let OnNode { name, generation, rate, pods, pods_enforced, state, .. } = row;
        Self { name, generation, rate, pods, pods_enforced, state, why }
    }
}

/// Kinds of objects that have a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Uplink,
    Tier,
}

/// An object as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stored {
    pub(super) uid: Option<String>,
    pub(super) generation: i64,
    pub(super) status: Status,
}

/// A moment, by the clock that others share and by this agent's own.
#[derive(Clone, Debug)]
pub(super) struct Now {
    pub(super) time: Time,
    pub(super) instant: Instant,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { time: Time(Timestamp::now()), instant: Instant::now() }
    }
}

/// The status of one object, out of what the nodes say and what this agent's own source makes of the object.
pub(super) fn status(
    (kind, name): (Kind, &str),
    stored: &Stored,
    rejection: Option<&Rejection>,
    nodes: &BTreeMap<String, Report>,
    now: &Now,
) -> Status {
    let standing = Standing::of(kind, name, stored.generation, nodes, now.instant);
    let accepted = match rejection {
        Some(rejection) => Verdict::no(&rejection.reason, rejection.message.clone()),
        None => Verdict::yes(ACCEPTED, "it is valid and fits the other objects"),
    };
    let enforced = standing.verdict(rejection);
    let condition = |kind: &str, verdict: Verdict| {
        verdict.condition(kind, &stored.status.conditions, Some(stored.generation), &now.time)
    };
    Status {
        conditions: vec![condition(ACCEPTED, accepted), condition(ENFORCED, enforced)],
        observed_generation: Some(stored.generation),
        nodes: Some(format!("{}/{}", standing.enforced, standing.concerned)),
        pods: (kind == Kind::Tier).then(|| format!("{}/{}", standing.pods_enforced, standing.pods)),
        rate: Some(rate::format(rounded(standing.rate))),
    }
}

/// Where an object stands.
#[derive(Debug, Default)]
struct Standing<'a> {
    /// Nodes whose agents have reported.
    reports: usize,
    /// Nodes that it concerns.
    concerned: usize,
    /// Of these, nodes on which this version is in force.
    enforced: usize,
    pods: u64,
    pods_enforced: u64,
    rate: Rate,
    /// Node, reason and message of those on which it is not.
    failing: Vec<(&'a str, &'a str, &'a str)>,
    /// Likewise, of those on which it is not in every part.
    degraded: Vec<(&'a str, &'a str, &'a str)>,
    /// Nodes that have not said what they make of this version.
    pending: Vec<&'a str>,
    /// Nodes whose agents say nothing any more.
    silent: Vec<&'a str>,
}

impl<'a> Standing<'a> {
    fn of(kind: Kind, name: &str, generation: i64, nodes: &'a BTreeMap<String, Report>, now: Instant) -> Self {
        let mut standing = Self { reports: nodes.len(), ..Self::default() };
        for (node, report) in nodes {
            let rows = match kind {
                Kind::Uplink => &report.uplinks,
                Kind::Tier => &report.tiers,
            };
            standing.add(node, rows.get(name), generation, report.is_silent(now));
        }
        standing
    }

    fn add(&mut self, node: &'a str, row: Option<&'a Row>, generation: i64, is_silent: bool) {
        let current = row.filter(|row| row.generation == generation);
        if current.is_some_and(|row| row.state == State::NotHere) {
            return;
        }
        self.concerned += 1;
        if let Some(row) = row {
            self.pods += u64::from(row.pods);
            self.pods_enforced += u64::from(row.pods_enforced);
            self.rate = self.rate.saturating_add(row.rate);
        }
        if is_silent {
            self.silent.push(node);
        }
        let Some(row) = current else {
            self.pending.push(node);
            return;
        };
        let (reason, message) =
            row.why.as_ref().map_or(("NotEnforced", "it is not in force"), |(reason, message)| (reason, message));
        match row.state {
            State::Enforced => self.enforced += 1,
            State::Degraded => {
                self.enforced += 1;
                self.degraded.push((node, reason, message));
            }
            State::NotEnforced | State::NotHere => self.failing.push((node, reason, message)),
        }
    }

    fn verdict(&self, rejection: Option<&Rejection>) -> Verdict {
        let of_all = |count: usize| format!("{count} of {} nodes", self.concerned);
        if let Some(rejection) = rejection {
            return Verdict::no(&rejection.reason, "this version of it is not accepted");
        }
        if self.reports == 0 {
            // Whoever folds is about to report: right after an installation nothing is wrong.
            return Verdict::no(PENDING, "no node's agent has reported yet");
        }
        if self.concerned == 0 {
            return Verdict::no("NoNode", "it concerns no node that runs Weir");
        }
        if let [(_, reason, _), ..] = self.failing[..] {
            let is_one = self.failing.iter().all(|(_, other, _)| *other == reason);
            let reason = if is_one { reason } else { "SeveralReasons" };
            return Verdict::no(
                reason,
                format!("not in force on {}: {}", of_all(self.failing.len()), list(&self.failing)),
            );
        }
        if !self.silent.is_empty() {
            let message = format!(
                "the agents of {} have not reported for {} minutes: {}; what they had in force stays, and changes are \
                 not followed there",
                of_all(self.silent.len()),
                SILENCE.as_secs() / 60,
                names(&self.silent)
            );
            return Verdict::no("AgentSilent", message);
        }
        if !self.pending.is_empty() {
            let message = format!("{} have yet to follow: {}", of_all(self.pending.len()), names(&self.pending));
            return Verdict::no(PENDING, message);
        }
        if let [(_, reason, _), ..] = self.degraded[..] {
            let message = format!("not in every part on {}: {}", of_all(self.degraded.len()), list(&self.degraded));
            return Verdict::yes(reason, message);
        }
        Verdict::yes(ENFORCED, format!("in force on {}", of_all(self.enforced)))
    }
}

fn list(found: &[(&str, &str, &str)]) -> String {
    let named: Vec<String> = found.iter().take(NAMED).map(|(node, _, message)| format!("{node}: {message}")).collect();
    and_more(named.join("; "), found.len())
}

fn names(nodes: &[&str]) -> String {
    and_more(nodes[..nodes.len().min(NAMED)].join(", "), nodes.len())
}

fn and_more(text: String, count: usize) -> String {
    if count > NAMED { format!("{text}, and {} more", count - NAMED) } else { text }
}

#[cfg(test)]
mod tests;
