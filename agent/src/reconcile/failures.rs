//! What failed in a round, as it is shown: by object, and as a whole.

use weir_core::{
    kernel::Rendered,
    model::{ObjectRef, Rejection},
    plan::{concerned, is_vital},
    snapshot::{NOT_APPLIED, PARTLY_APPLIED},
};

use super::attempts::Failed;

/// Steps of a round that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    /// What they leave undone, by object.
    pub(super) notes: Vec<Rejection>,
    /// Each one in words.
    texts: Vec<String>,
}

impl Failures {
    /// Adds changes that failed.
    pub(super) fn add_changes(&mut self, failed: &[Failed], rendered: &Rendered) {
        for Failed { change, error } in failed {
            let objects = concerned(change, rendered);
            let reason = if is_vital(change, rendered) { NOT_APPLIED } else { PARTLY_APPLIED };
            if objects.is_empty() {
                self.add(None, reason, error.clone());
            }
            for object in objects {
                self.add(Some(object), reason, error.clone());
            }
        }
    }

    /// Adds another step that failed: what it left undone of an object, or of the node as a whole.
    pub(super) fn add(&mut self, object: Option<ObjectRef>, reason: &str, error: String) {
        let Some(object) = object else { return self.texts.push(error) };
        self.texts.push(format!("{object}: {error}"));
        // One note says enough of an object: the worst that failed.
        let worse = |note: &Rejection| note.reason == NOT_APPLIED || reason != NOT_APPLIED;
        match self.notes.iter_mut().find(|note| note.object == object) {
            Some(note) if worse(note) => {}
            Some(note) => (note.reason, note.message) = (reason.to_owned(), error),
            None => {
                self.notes.push(Rejection { object, location: None, reason: reason.to_owned(), message: error });
            }
        }
    }

    /// Returns the failures in one sentence; none if there are none.
    pub(super) fn summary(&self) -> Option<String> {
        match self.texts.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [first, ..] => Some(format!("{} steps failed, the first of them: {first}", self.texts.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_core::plan::Change;

    use super::*;

    fn failed(change: Change, error: &str) -> Failed {
        Failed { change, error: error.to_owned() }
    }

    #[test]
    fn each_object_has_the_worst_of_its_failures() {
        let mut rendered = Rendered::default();
        rendered.ids.uplinks.insert("wan".to_owned(), 1);
        let mut failures = Failures::default();
        assert_eq!(failures.summary(), None);
        let network = "10.0.0.0/8".parse().unwrap();
        let changes = [
            failed(Change::AddExempt(1, network), "the map is full"),
            failed(Change::PutUplink(1, weir_common::config::UplinkConfig::default()), "no memory"),
            failed(Change::RemoveUplink(9), "no such map"),
        ];
        failures.add_changes(&changes[..1], &rendered);
        assert_eq!((failures.notes[0].reason.as_str(), failures.notes.len()), (PARTLY_APPLIED, 1));
        assert_eq!(failures.summary().as_deref(), Some("Uplink wan: the map is full"));
        failures.add_changes(&changes[1..], &rendered);
        let note = &failures.notes[0];
        assert_eq!((note.reason.as_str(), note.message.as_str(), failures.notes.len()), (NOT_APPLIED, "no memory", 1));
        let summary = failures.summary().unwrap();
        assert_eq!(summary, "3 steps failed, the first of them: Uplink wan: the map is full");
    }
}
