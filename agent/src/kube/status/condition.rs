//! Conditions, as Kubernetes has them: their time is that of their last change between true and false.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_true: bool,
    /// One word, in CamelCase.
    pub(super) reason: String,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn yes(reason: &str, message: impl Into<String>) -> Self {
        Self { is_true: true, reason: reason.to_owned(), message: message.into() }
    }

    pub(super) fn no(reason: &str, message: impl Into<String>) -> Self {
        Self { is_true: false, reason: reason.to_owned(), message: message.into() }
    }

    /// The condition, given those that stand there now.
    pub(super) fn condition(self, kind: &str, stored: &[Condition], generation: Option<i64>, now: &Time) -> Condition {
        let status = if self.is_true { "True" } else { "False" };
        let before = find(stored, kind).filter(|before| before.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: self.reason,
            message: self.message,
            observed_generation: generation,
            last_transition_time: before.map_or_else(|| now.clone(), |before| before.last_transition_time.clone()),
        }
    }
}

/// The condition of a type, if it is among them.
pub(super) fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    #[test]
    fn the_time_is_that_of_the_last_change_between_true_and_false() {
        let at = |second| Time(Timestamp::from_second(second).unwrap());
        let first = Verdict::no("A", "a").condition("Enforced", &[], Some(1), &at(1));
        let second = Verdict::no("B", "b").condition("Enforced", &[first], Some(2), &at(2));
        assert_eq!((second.last_transition_time.clone(), second.reason.as_str()), (at(1), "B"));
        let third = Verdict::yes("C", "c").condition("Enforced", &[second], Some(2), &at(3));
        assert_eq!((third.last_transition_time, third.status.as_str()), (at(3), "True"));
    }
}
