//! Events, where a person should act (events.k8s.io/v1).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use weir_api::objects::API_VERSION;
use weir_core::{
    desired::{DesiredPod, reasons},
    model::{PodKey, Rejection},
    snapshot::Snapshot,
};

use super::{
    fold::{Kind, Stored},
    write,
};

/// Who reports.
const CONTROLLER: &str = "weir.dev/agent";
/// What Weir was about to do.
const ACTION: &str = "Enforce";
/// What lasts for less settles by itself: a pod that starts has no interface for a moment.
const LASTING: Duration = Duration::from_secs(10);
/// Longest note that the API takes, in bytes.
const LONGEST: usize = 1024;

/// Writes events in the name of a node's agent. Repeated ones become a series.
pub(super) fn recorder(client: Client, node: &str) -> Recorder {
    Recorder::new(client, Reporter { controller: CONTROLLER.to_owned(), instance: Some(node.to_owned()) })
}

/// Writes one.
pub(super) async fn publish(
    recorder: &Recorder,
    kind: EventType,
    reason: &str,
    message: &str,
    about: &ObjectReference,
) -> anyhow::Result<()> {
    let end = (0..=message.len().min(LONGEST)).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0);
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        note: Some(message[..end].to_owned()),
        action: ACTION.to_owned(),
        secondary: None,
    };
    write::answer(recorder.publish(&event, about)).await
}

/// An object of ours, as an event names it.
pub(super) fn object(kind: Kind, name: &str, stored: &Stored) -> ObjectReference {
    let kind = match kind {
        Kind::Uplink => "Uplink",
        Kind::Tier => "TrafficTier",
    };
    ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        uid: stored.uid.clone(),
        ..ObjectReference::default()
    }
}

/// What is wrong with pods of this node, and what of it has been told.
pub(super) struct PodEvents {
    node: String,
    found: BTreeMap<(PodKey, String), Found>,
}

struct Found {
    uid: Option<String>,
    message: String,
    since: Instant,
    lasts: bool,
    told: bool,
}

impl PodEvents {
    pub(super) fn of(node: &str) -> Self {
        Self { node: node.to_owned(), found: BTreeMap::new() }
    }

    /// Whether something waits to be told.
    pub(super) fn are_due(&self) -> bool {
        self.found.values().any(|found| !found.told)
    }

    /// Takes note of what is wrong now. What is not wrong any more is forgotten.
    pub(super) fn see(&mut self, snapshot: &Snapshot, now: Instant) {
        let mut before = std::mem::take(&mut self.found);
        for (key, finding, is_final) in of_pods(snapshot) {
            let id = (key.clone(), finding.reason.clone());
            let earlier = before.remove(&id).filter(|earlier| earlier.message == finding.message);
            let since = earlier.as_ref().map_or(now, |earlier| earlier.since);
            let found = Found {
                uid: snapshot.desired.pods.get(&key).map(|pod| pod.uid.clone()),
                message: finding.message.clone(),
                since,
                lasts: is_final || now.saturating_duration_since(since) >= LASTING,
                told: earlier.is_some_and(|earlier| earlier.told),
            };
            self.found.insert(id, found);
        }
    }

    /// Tells what is new and lasts.
    pub(super) async fn publish(&mut self, client: &Client) -> anyhow::Result<()> {
        let recorder = recorder(client.clone(), &self.node);
        for ((key, reason), found) in self.found.iter_mut().filter(|(_, found)| found.lasts && !found.told) {
            let about = ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(key.namespace.clone()),
                name: Some(key.name.clone()),
                uid: found.uid.clone(),
                ..ObjectReference::default()
            };
            publish(&recorder, EventType::Warning, reason, &found.message, &about).await?;
            found.told = true;
        }
        Ok(())
    }
}

/// What a person should know of pods, and whether time will not mend it.
fn of_pods(snapshot: &Snapshot) -> impl Iterator<Item = (PodKey, &Rejection, bool)> {
    let rejections = snapshot.findings.rejections.iter().map(|finding| (finding, true));
    // A pod without limits is only counted, and one without an address is not Weir's matter.
    let notes = snapshot.findings.notes.iter().map(|finding| (finding, false));
    let notes = notes.filter(|(finding, _)| {
        let pod = pod(finding).and_then(|key| snapshot.desired.pods.get(&key));
        finding.reason != reasons::NO_ADDRESS && pod.is_some_and(DesiredPod::is_limited)
    });
    rejections.chain(notes).filter_map(|(finding, is_final)| Some((pod(finding)?, finding, is_final)))
}

fn pod(finding: &Rejection) -> Option<PodKey> {
    let (namespace, name) = finding.object.name.split_once('/').filter(|_| finding.object.kind == "Pod")?;
    Some(PodKey { namespace: namespace.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use weir_core::model::ObjectRef;

    use super::*;

    fn finding(pod: &str, reason: &str) -> Rejection {
        Rejection {
            object: ObjectRef { kind: "Pod".to_owned(), name: format!("media/{pod}") },
            location: None,
            reason: reason.to_owned(),
            message: format!("{pod} has {reason}"),
        }
    }

    fn pod_of(tier: Option<&str>) -> DesiredPod {
        DesiredPod {
            uid: "u1".to_owned(),
            tiers: tier.map(|tier| ("wan".to_owned(), tier.to_owned())).into_iter().collect(),
            ..DesiredPod::default()
        }
    }

    fn key(name: &str) -> PodKey {
        PodKey { namespace: "media".to_owned(), name: name.to_owned() }
    }

    fn due(events: &PodEvents) -> Vec<&str> {
        events.found.iter().filter(|(_, found)| found.lasts && !found.told).map(|((key, _), _)| &*key.name).collect()
    }

    #[test]
    fn what_lasts_and_concerns_a_limit_is_told() {
        let mut snapshot = Snapshot::default();
        snapshot.desired.pods.insert(key("seed"), pod_of(Some("bulk")));
        snapshot.desired.pods.insert(key("web"), pod_of(None));
        snapshot.findings.notes = vec![
            finding("seed", reasons::NO_INTERFACE),
            finding("web", reasons::NO_INTERFACE),
            finding("seed", reasons::NO_ADDRESS),
        ];
        snapshot.findings.rejections = vec![finding("odd", "Invalid")];
        let (mut events, now) = (PodEvents::of("n1"), Instant::now());
        events.see(&snapshot, now);
        assert_eq!(due(&events), ["odd"], "time may mend the others");
        assert!(events.are_due());
        events.see(&snapshot, now + LASTING);
        assert_eq!(due(&events), ["odd", "seed"]);
        for found in events.found.values_mut() {
            found.told = true;
        }
        events.see(&snapshot, now + 2 * LASTING);
        assert!(due(&events).is_empty() && !events.are_due(), "told once");
        events.see(&Snapshot::default(), now + 3 * LASTING);
        assert!(events.found.is_empty());
    }
}
