//! Which of the statuses that are due are written in one turn.
//!
//! Where many tiers change all the time, their counts are a little late rather than a load on the API server. What a
//! person waits for, a condition that turns, comes first.

use weir_api::objects::Status;

use super::{
    condition::find,
    fold::{Kind, Stored},
};

/// Statuses with a condition that turns, written in one turn at most.
const TURNING: usize = 50;
/// Likewise for statuses in which only counts or rates change.
const CALM: usize = 10;

/// A status that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub(super) object: (Kind, String),
    pub(super) stored: Stored,
    pub(super) status: Status,
}

impl Due {
    /// Whether a condition turns, or is there for the first time.
    fn turns(&self) -> bool {
        let before = &self.stored.status.conditions;
        self.status.conditions.iter().any(|condition| {
            let was = find(before, &condition.type_);
            was.is_none_or(|was| (&was.status, &was.reason) != (&condition.status, &condition.reason))
        })
    }
}

/// Where the last turn ended.
#[derive(Debug, Default)]
pub(super) struct Turn {
    last: Option<(Kind, String)>,
}

impl Turn {
    /// What is written now; the rest comes round in later turns.
    pub(super) fn take(&mut self, mut due: Vec<Due>) -> Vec<Due> {
        due.sort_by_cached_key(|due| {
            let had_its_turn = self.last.as_ref().is_some_and(|last| due.object <= *last);
            (!due.turns(), had_its_turn, due.object.clone())
        });
        let turning = due.partition_point(Due::turns);
        due.truncate(if turning < TURNING { turning + CALM } else { TURNING });
        if let Some(last) = due.get(turning..).and_then(<[Due]>::last) {
            self.last = Some(last.object.clone());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn enforced(status: &str) -> Status {
        let condition = Condition {
            type_: "Enforced".to_owned(),
            status: status.to_owned(),
            reason: "Enforced".to_owned(),
            message: String::new(),
            observed_generation: Some(1),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        };
        Status { conditions: vec![condition], ..Status::default() }
    }

    fn due(name: &str, before: &str, now: &str) -> Due {
        let stored = Stored { status: enforced(before), ..Stored::default() };
        Due { object: (Kind::Tier, name.to_owned()), stored, status: enforced(now) }
    }

    fn names(taken: &[Due]) -> Vec<&str> {
        taken.iter().map(|due| &*due.object.1).collect()
    }

    #[test]
    fn each_has_its_turn_however_often_all_change() {
        let all: Vec<Due> = (0..25).map(|number| due(&format!("{number:02}"), "True", "True")).collect();
        let mut turn = Turn::default();
        let seen: Vec<Due> = (0..5).flat_map(|_| turn.take(all.clone())).collect();
        for one in &all {
            assert_eq!(seen.iter().filter(|due| *due == one).count(), 2, "{:?}", one.object);
        }
    }

    #[test]
    fn a_condition_that_turns_comes_first_and_takes_no_ones_turn() {
        let mut all: Vec<Due> = (0..20).map(|number| due(&format!("{number:02}"), "True", "True")).collect();
        let mut turn = Turn::default();
        assert_eq!(names(&turn.take(all.clone()))[..2], ["00", "01"]);
        all[19] = due("19", "True", "False");
        assert_eq!(names(&turn.take(all.clone()))[..2], ["19", "10"]);
        all[19] = due("19", "True", "True");
        assert_eq!(names(&turn.take(all))[..2], ["01", "02"]);
    }

    #[test]
    fn what_is_new_everywhere_comes_in_some_turns() {
        let all: Vec<Due> = (0..200).map(|number| due(&format!("{number:03}"), "Unknown", "True")).collect();
        assert_eq!(Turn::default().take(all).len(), TURNING);
    }
}
